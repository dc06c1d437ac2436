//! Each verb, handed to its flow.

use super::args::{BackupsVerb, Verb};
use super::request::Request;
use crate::assess::{Finding, Severity};
use crate::engine::When;
use crate::event::Listener;
use crate::flow::{
    self, Refusal, Report, Session, adopt, backups, check, init, install, post_upgrade, recover, renew, restore, status,
};
use crate::outcome::Exit;
use crate::report::{Answer, Body, Failure};

/// Does what was asked.
pub fn answer(request: &Request, listener: &mut dyn Listener) -> Answer {
    let Request { host, config, options, .. } = request;
    let mut session = Session::new(host, config, request.live_dir.clone(), options.clone(), listener);
    let command = Some(request.verb.word());
    let outcome = match known(&session, &request.verb) {
        Ok(()) => carry_out(&mut session, request),
        Err(refusal) => Err(Failure::of(refusal, Exit::Usage)),
    };
    match (outcome, &request.without_config) {
        (Ok((exit, body)), None) => Answer { command, exit, body, failure: None },
        (Ok((exit, body)), Some(failure)) => {
            Answer { command, exit: exit.worst(failure.exit), body, failure: Some(failure.clone()) }
        }
        (Err(failure), _) => Answer::failed(command, failure),
    }
}

/// A name that no target has is a wrong word, told before anything is done.
fn known(session: &Session<'_>, verb: &Verb) -> Result<(), Refusal> {
    let all = |names: &[String]| session.targets(names).map(|_| ());
    let one = |name: &String| all(std::slice::from_ref(name));
    match verb {
        Verb::Renew { names, .. } | Verb::Status { names } | Verb::PostUpgrade { names, .. } => all(names),
        Verb::Install(install) => one(&install.name),
        Verb::Restore { name, .. } | Verb::Adopt { name, .. } => one(name),
        Verb::Backups { names, act: None } => all(names),
        Verb::Backups { act: Some(act), .. } => match act {
            BackupsVerb::Verify { names } => all(names),
            BackupsVerb::Pin { name, .. } | BackupsVerb::Unpin { name, .. } => one(name),
            BackupsVerb::Prune(prune) => all(&prune.names),
        },
        Verb::Prune(prune) => all(&prune.names),
        // What these are about may be no target any more, or never was one.
        Verb::Check { .. }
        | Verb::Recover { .. }
        | Verb::History { .. }
        | Verb::Init { .. }
        | Verb::Demo
        | Verb::DemoServer { .. } => Ok(()),
    }
}

type Told = Result<(Exit, Body), Failure>;

fn carry_out(session: &mut Session<'_>, request: &Request) -> Told {
    let refused = |refusal| Failure::of(refusal, Exit::Refused);
    match &request.verb {
        Verb::Check { subjects } => {
            let checked = check::run(session, subjects).map_err(|refusal| Failure::of(refusal, Exit::Usage))?;
            Ok((check::exit(&checked), Body::Checks(checked)))
        }
        Verb::Renew { names, .. } => changes(renew::run(session, names).map_err(refused)?),
        Verb::Install(install) => changes(vec![install::run(session, &install.name, &install.inputs())]),
        Verb::Restore { name, generation } => changes(vec![restore::run(session, name, *generation)]),
        Verb::Recover { accept: Some(name), .. } => changes(vec![recover::accept(session, name)]),
        Verb::Recover { name, boot, accept: None } => {
            let when = if *boot { When::Boot } else { When::Running };
            changes(recover::run(session, name.as_deref(), when))
        }
        Verb::Backups { names, act: None } => generations(session, names, false),
        Verb::Backups { act: Some(act), .. } => match act {
            BackupsVerb::Verify { names } => generations(session, names, true),
            BackupsVerb::Pin { name, generation } => changes(vec![backups::pin(session, name, *generation, true)]),
            BackupsVerb::Unpin { name, generation } => changes(vec![backups::pin(session, name, *generation, false)]),
            BackupsVerb::Prune(prune) => changes(backups::prune(session, &prune.names, prune.keep).map_err(refused)?),
        },
        Verb::Prune(prune) => changes(backups::prune(session, &prune.names, prune.keep).map_err(refused)?),
        Verb::History { names } => {
            let (receipts, damaged_lines) = backups::history(session, names).map_err(refused)?;
            let exit = if damaged_lines.is_empty() { Exit::Good } else { Exit::Findings };
            Ok((exit, Body::History { receipts, damaged_lines }))
        }
        Verb::Status { names } => {
            let statuses = status::run(session, names).map_err(refused)?;
            Ok((statuses.iter().fold(Exit::Good, |worst, one| worst.worst(standing(one))), Body::Statuses(statuses)))
        }
        Verb::Init { output } => {
            let path = match output {
                Some(path) => crate::host::trusted_file::absolute(path)
                    .map_err(|error| Failure::usage(crate::outcome::explain(&error), None))?,
                None => request.config_path.clone(),
            };
            let written = init::run(session.host, &path, session.options.dry_run).map_err(refused)?;
            Ok((Exit::Good, Body::Written(written)))
        }
        Verb::PostUpgrade { names, .. } => changes(post_upgrade::run(session, names).map_err(refused)?),
        // Played without a configuration, before it comes to this.
        Verb::Demo | Verb::DemoServer { .. } => Ok((Exit::Good, Body::None)),
        Verb::Adopt { name, undo } => changes(vec![adopt::run(session, name, *undo)]),
    }
}

fn changes(reports: Vec<Report>) -> Told {
    Ok((flow::exit(&reports), Body::Changes(reports)))
}

fn generations(session: &Session<'_>, names: &[String], verified: bool) -> Told {
    let list = backups::list(session, names, verified).map_err(|refusal| Failure::of(refusal, Exit::Refused))?;
    let damaged = list.iter().any(|one| one.damage.is_some());
    let exit = if damaged { Exit::Findings } else { Exit::Good };
    Ok((exit, Body::Generations { list, verified }))
}

fn standing(status: &status::Status) -> Exit {
    let bad = |finding: &Finding| finding.severity <= Severity::Warning;
    match (&status.problem, status.interrupted || status.findings.iter().any(bad)) {
        (Some(_), _) => Exit::Refused,
        (None, true) => Exit::Findings,
        (None, false) => Exit::Good,
    }
}
