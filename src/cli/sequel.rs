//! What follows a run: channels, ping and metrics. The one place where a verb leads to them, after its work is done and every lock released.

use super::args::Verb;
use super::dispatch;
use super::request::Request;
use crate::event::{Event, Listener};
use crate::flow::notify::{Ended, Run, Teller};
use crate::host::publish::{Kind, publish};
use crate::host::together;
use crate::outcome::{called, explain};
use crate::report::Answer;
use crate::report::prometheus::{self, Names};

/// Which verbs are told of; none: nobody is told but whoever ran it.
fn told_of(verb: &Verb) -> Option<Run> {
    let run = |timer, whole| Some(Run { timer, whole });
    match verb {
        Verb::Maintain(words) => run(true, words.names.is_empty()),
        Verb::Renew { names, .. } | Verb::PostUpgrade { names, .. } => run(false, names.is_empty()),
        Verb::Check { notify: true, subjects, .. } => run(false, subjects.is_empty()),
        Verb::Check { .. }
        | Verb::Report { .. }
        | Verb::Scan(_)
        | Verb::Install(_)
        | Verb::Stage(_)
        | Verb::Activate(_)
        | Verb::Csr(_)
        | Verb::Export(_)
        | Verb::Restore { .. }
        | Verb::Recover { .. }
        | Verb::Backups { .. }
        | Verb::Prune(_)
        | Verb::History { .. }
        | Verb::Status { .. }
        | Verb::Init { .. }
        | Verb::Snapshot { .. }
        | Verb::Adopt { .. }
        | Verb::Ca { .. }
        | Verb::Acme { .. }
        | Verb::Secret { .. }
        | Verb::Trust { .. }
        | Verb::Retire(_)
        | Verb::Schedule { .. }
        | Verb::Hook { .. }
        | Verb::Notify { .. }
        | Verb::Demo
        | Verb::DemoServer { .. } => None,
    }
}

/// Does what was asked, and tells those who want to know; with what could not be told, for people.
pub fn answer(request: &Request, listener: &mut dyn Listener) -> (Answer, Vec<String>) {
    let notify = &request.config.notify;
    let Some(run) = told_of(&request.verb).filter(|_| !notify.is_empty()) else {
        return (dispatch::answer(request, listener), Vec::new());
    };
    let teller = Teller {
        host: &request.host,
        config: &request.config,
        live_dir: request.live_dir.clone(),
        dry_run: request.options.dry_run,
        program: request.program.clone(),
    };
    let mut warnings = Vec::new();
    // Beside the work: it holds nothing up.
    let (answer, begun) = match run.due() {
        true => together::both(|| dispatch::answer(request, listener), || teller.begin()),
        false => (dispatch::answer(request, listener), None),
    };
    if let Some(Err(why)) = begun {
        warnings.push(why);
    }
    let (reports, checked) = (answer.body.changes().unwrap_or_default(), answer.body.checks().unwrap_or_default());
    let failure = answer.failure.as_ref().map(|failure| (failure.message.as_str(), failure.hint.as_deref()));
    let verb = request.verb.word();
    let ended = Ended { verb, run, exit: answer.exit, reports, checked, failure };
    let sequel = teller.end(&ended, &|checked, record, now, good| {
        let Some(path) = &notify.metrics else { return Ok(()) };
        let channels = notify.channels.iter().map(|channel| channel.name.as_str());
        let names = Names {
            targets: request.config.targets.iter().map(|target| target.name.as_str()).collect(),
            channels: channels.chain(notify.ping.iter().map(|_| "ping")).chain(["metrics"]).collect(),
        };
        let text = format!("{}{}", prometheus::render(checked, now), prometheus::run(record, &names, now, good));
        publish(path, Kind::Verdicts, text.as_bytes()).map_err(|error| explain(&error))
    });
    if request.options.dry_run {
        for (name, place, words) in &sequel.messages {
            let lines = words.lines().map(|line| format!("  {line}"));
            for text in std::iter::once(format!("would tell {name} ({place}):")).chain(lines) {
                listener.hear(&Event::Note { text });
            }
        }
        if !sequel.unforeseen.is_empty() {
            let names = sequel.unforeseen.join(", ");
            let text = format!(
                "what is found now at {names} is left out: the run would change that first, and look again before it tells"
            );
            listener.hear(&Event::Note { text });
        }
    }
    warnings.extend(sequel.warnings);
    (answer, warnings.iter().map(|warning| called(warning, &request.program)).collect())
}
