//! The command line: words in, words out. The only printer.

mod args;
mod dispatch;
mod output;
mod progress;
mod request;
mod scan;
mod sequel;
mod story;
mod telling;
mod version;

use std::ffi::OsString;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Subcommand};

use self::args::{Cli, Colour, Format, Global, Verb};
use self::progress::Progress;
use self::story::Story;
use self::telling::{Ending, Style, tell, wants};
use crate::flow::{Options, demo};
use crate::host::clock::Clock;
use crate::host::{demo_server, process, signal};
use crate::outcome::Exit;
use crate::report::escape::escape;
use crate::report::nagios::{self, Limits};
use crate::report::{Answer, Body, Failure, json};

/// The command line as it is defined, for manual pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    examples_first(Cli::command())
}

/// Examples stand above the options that every verb has, which fill a screen.
fn examples_first(command: clap::Command) -> clap::Command {
    const VERB: &str = "{before-help}{about-with-newline}\n{usage-heading} {usage}{after-help}\n\n{all-args}";
    command.mut_subcommands(|verb| {
        let verb = examples_first(verb);
        if verb.get_after_help().is_some() { verb.help_template(VERB) } else { verb }
    })
}

/// What was typed.
fn parse(line: &[OsString]) -> Result<Cli, clap::Error> {
    let read = |command: clap::Command| {
        let mut matches = command.try_get_matches_from(line)?;
        Cli::from_arg_matches_mut(&mut matches)
    };
    match read(of_typed(line)) {
        Err(error) if error.kind() != ErrorKind::DisplayVersion => {}
        read => return read,
    }
    // Help, and what is wrong with a line, are told with all verbs at hand.
    let mut matches = command().try_get_matches_from(line).map_err(without_hidden)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command()))
}

/// The definition with those verbs alone that are among the words: each of the others would get a copy of every global option.
fn of_typed(line: &[OsString]) -> clap::Command {
    let verbs = args::waiting(|| Verb::augment_subcommands(clap::Command::new("verbs")));
    let typed = |verb: &&clap::Command| {
        let mut names = std::iter::once(verb.get_name()).chain(verb.get_all_aliases());
        names.any(|name| line.iter().any(|word| word == name))
    };
    Global::augment_args(clap::Command::new("reseal"))
        .version(env!("CARGO_PKG_VERSION"))
        .long_version(version::LONG)
        .subcommands(verbs.get_subcommands().filter(typed).cloned())
}

/// A list of the verbs there are leaves out those that are hidden everywhere else.
fn without_hidden(mut error: clap::Error) -> clap::Error {
    if let Some(ContextValue::Strings(verbs)) = error.get(ContextKind::ValidSubcommand) {
        let command = Cli::command();
        let hidden = |verb: &String| command.find_subcommand(verb).is_some_and(clap::Command::is_hide_set);
        let shown = verbs.iter().filter(|verb| !hidden(verb)).cloned().collect();
        error.insert(ContextKind::ValidSubcommand, ContextValue::Strings(shown));
    }
    error
}

/// Runs the program with the arguments of this process.
#[must_use]
pub fn run() -> ExitCode {
    process::keep_memory_private();
    process::keep_descriptors_private();
    panic::set_hook(Box::new(|info| {
        // Only the place: what was being worked on may be a key.
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let _ = writeln!(io::stderr(), "reseal has a bug: {place}");
    }));
    let mut ending = Ending::Table;
    let ended = panic::catch_unwind(AssertUnwindSafe(|| work(&std::env::args_os().collect::<Vec<_>>(), &mut ending)));
    let (code, ended_by) = ended.unwrap_or_else(|_| (ending.code(Exit::Bug), None));
    if let Some(number) = ended_by {
        signal::finish_as(number);
    }
    ExitCode::from(code)
}

/// The number to end with, and the signal that asked for the end.
fn work(line: &[OsString], ending: &mut Ending) -> (u8, Option<i32>) {
    let cli = match parse(line) {
        Ok(cli) => cli,
        Err(error) => return (misunderstood(&error, line), None),
    };
    *ending = Ending::of(&cli);
    let (command, changes, dry_run) = (cli.verb.word(), cli.verb.changes(), cli.global.dry_run);
    let mut style = match Style::of(&cli) {
        Ok(style) => style,
        Err((style, failure)) => return (tell(&Answer::failed(Some(command), failure), &style, false), None),
    };
    if let Verb::Scan(words) = &cli.verb {
        return match request::if_there(&cli.global) {
            Ok(config) => (scan::run(words, &config, &request::secrets(&cli.global), &style), None),
            Err(failure) => (tell(&Answer::failed(Some(command), failure), &style, false), None),
        };
    }
    if let Some((answer, ended_by)) = self_contained(&cli, &style) {
        return (tell(&answer, &style, false), ended_by);
    }
    let mut progress = Progress::new(cli.global.quiet, cli.global.verbose, style.view.width);
    let (mut answer, warnings, ended_by) = match request::resolve(cli) {
        Ok(request) => {
            style.view.configuration = Some(request.config_path.clone());
            style.view.program.clone_from(&request.program);
            let (answer, warnings) = sequel::answer(&request, &mut progress);
            (answer, warnings, request.host.interrupted())
        }
        Err(failure) => (Answer::failed(Some(command), failure), Vec::new(), None),
    };
    progress.clear();
    if *ending == Ending::Good {
        answer.exit = Exit::Good;
    }
    let code = tell(&answer, &style, changes && !dry_run);
    // Also where nothing else is to be said: who hears nothing takes it for good news.
    for warning in warnings {
        output::trouble(&format!("warning: {}\n", escape(&warning)), style.colour);
    }
    (if *ending == Ending::Good { Exit::Good.code() } else { code }, ended_by)
}

/// The verbs that bring all they work with.
fn self_contained(cli: &Cli, style: &Style) -> Option<(Answer, Option<i32>)> {
    let command = Some(cli.verb.word());
    match &cli.verb {
        Verb::Demo => {
            let told = (style.format == Format::Text).then_some((&style.view, style.colour));
            let signals = match signal::Signals::install() {
                Ok(signals) => signals,
                Err(error) => {
                    let message = format!("cannot listen to signals: {error}");
                    return Some((Answer::failed(command, Failure::usage(message, None)), None));
                }
            };
            let answer = match demo::run(&Options::default(), &signals, &mut Story { told }) {
                Ok(scenes) => Answer { command, exit: Exit::Good, body: Body::Story(scenes), failure: None },
                Err(refusal) => Answer::failed(command, refusal.into()),
            };
            Some((answer, signals.pending()))
        }
        Verb::DemoServer { root, reload } => {
            let done = if *reload { demo_server::reload(root) } else { demo_server::serve(root) };
            let answer = match done {
                Ok(()) => Answer { command, exit: Exit::Good, body: Body::None, failure: None },
                Err(error) => {
                    let message = format!("the demo's server: {error}");
                    Answer::failed(command, Failure { exit: Exit::Refused, message, hint: None, problems: Vec::new() })
                }
            };
            Some((answer, None))
        }
        Verb::Check { .. }
        | Verb::Report { .. }
        | Verb::Scan(_)
        | Verb::Renew { .. }
        | Verb::Install(_)
        | Verb::Stage(_)
        | Verb::Activate(_)
        | Verb::Maintain(_)
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
        | Verb::PostUpgrade { .. }
        | Verb::Adopt { .. }
        | Verb::Ca { .. }
        | Verb::Acme { .. }
        | Verb::Secret { .. }
        | Verb::Trust { .. }
        | Verb::Retire(_)
        | Verb::Schedule { .. }
        | Verb::Hook { .. }
        | Verb::Notify { .. } => None,
    }
}

/// Help, the version, or what is wrong with the command line.
fn misunderstood(error: &clap::Error, line: &[OsString]) -> u8 {
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if !asked && (wants(line, "json") || wants(line, "nagios")) {
        let plain = error.render().to_string();
        let message = objection(&plain);
        let failure = Failure::usage(message, Some("`reseal help` tells the verbs and their options".to_owned()));
        let answer = Answer::failed(verb(line), failure);
        if wants(line, "json") {
            let _ = output::result(&json::render(&answer), Colour::Never);
            return Exit::Usage.code();
        }
        let told = nagios::render(&answer, &Limits::default(), "reseal", Clock::System.now());
        let _ = output::result(&told.text, Colour::Never);
        return told.state.code();
    }
    // Help that nobody reads to its end is no failure.
    let _ = error.print();
    if asked { Exit::Good.code() } else { Exit::Usage.code() }
}

/// What is wrong in one line: the objection, and the list behind it where it ends with a colon.
fn objection(plain: &str) -> String {
    let mut lines = plain.lines();
    let mut message = lines.next().unwrap_or_default().trim_start_matches("error: ").trim().to_owned();
    if message.ends_with(':') {
        let list: Vec<&str> = lines.take_while(|line| line.starts_with(' ')).map(str::trim).collect();
        message.push(' ');
        message.push_str(&list.join(", "));
    }
    message
}

/// The verb of a line that makes no sense otherwise, as it was typed; none where it is not known.
fn verb(line: &[OsString]) -> Option<&'static str> {
    let lenient = Cli::command().ignore_errors(true).try_get_matches_from(line).ok()?;
    let mut words = Vec::new();
    let mut below = lenient.subcommand();
    while let Some((word, matches)) = below {
        words.push(word.to_owned());
        below = matches.subcommand();
    }
    // The program ends with this answer.
    (!words.is_empty()).then(|| &*words.join(" ").leak())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of all verbs, and words that are verbs elsewhere on the line.
    #[test]
    fn a_line_means_the_same_whichever_verbs_are_defined() {
        let mut whole = command();
        whole.build();
        let mut lines: Vec<String> =
            ["check renew", "--config check renew web -q", "backups -- verify", "csr web --output a", "help"]
                .map(|line| format!("reseal {line}"))
                .into();
        let mut verbs: Vec<&clap::Command> = whole.get_subcommands().collect();
        while let Some(verb) = verbs.pop() {
            verbs.extend(verb.get_subcommands());
            let examples = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            lines.extend(examples.lines().filter_map(|line| {
                line.trim()
                    .strip_prefix("reseal ")
                    .map(|line| format!("reseal {}", line.split("  ").next().unwrap_or_default()))
            }));
        }
        assert!(lines.len() > 100, "{}", lines.len());
        for line in lines {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            let read = |command: clap::Command| {
                let mut matches = command.try_get_matches_from(&words).ok()?;
                Cli::from_arg_matches_mut(&mut matches).ok().map(|cli| format!("{cli:?}"))
            };
            assert_eq!(read(of_typed(&words)), read(command()), "{line}");
        }
    }
}
