//! The command line: words in, words out. The only printer.

mod args;
mod dispatch;
mod output;
mod progress;
mod request;
mod scan;
mod story;

use std::ffi::OsString;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use self::args::{Cli, Colour, Format, Global, Verb};
use self::progress::Progress;
use self::story::Story;
use crate::flow::{Options, demo};
use crate::host::clock::Clock;
use crate::host::{demo_server, process, signal, terminal};
use crate::outcome::Exit;
use crate::report::{Answer, Body, Failure, View, json, text};

/// Runs the program with the arguments of this process.
#[must_use]
pub fn run() -> ExitCode {
    process::keep_memory_private();
    panic::set_hook(Box::new(|info| {
        // Only the place: what was being worked on may be a key.
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let _ = writeln!(io::stderr(), "reseal has a bug: {place}");
    }));
    // Package managers run `post-upgrade`, and a failing hook leaves their upgrade half done: unless `--strict` asks for more, its
    // end is always good, and what it found is told.
    let mut lenient = false;
    let ended = panic::catch_unwind(AssertUnwindSafe(|| work(&std::env::args_os().collect::<Vec<_>>(), &mut lenient)));
    let (exit, ended_by) = ended.unwrap_or((Exit::Bug, None));
    if let Some(number) = ended_by {
        signal::finish_as(number);
    }
    ExitCode::from(if lenient { Exit::Good } else { exit }.code())
}

/// The end, and the signal that asked for it.
fn work(line: &[OsString], lenient: &mut bool) -> (Exit, Option<i32>) {
    let cli = match Cli::try_parse_from(line) {
        Ok(cli) => cli,
        Err(error) => return (misunderstood(&error, line), None),
    };
    *lenient = matches!(cli.verb, Verb::PostUpgrade { strict: false, .. });
    let (command, changes, dry_run) = (cli.verb.word(), cli.verb.changes(), cli.global.dry_run);
    let style = Style::of(&cli.global);
    if let Verb::Scan(words) = &cli.verb {
        return (scan::run(words, &style), None);
    }
    if let Some((answer, ended_by)) = self_contained(&cli, &style) {
        return (tell(&answer, &style, false), ended_by);
    }
    let mut progress = Progress::new(cli.global.quiet, cli.global.verbose, style.view.width);
    let (mut answer, ended_by) = match request::resolve(cli) {
        Ok(request) => {
            let answer = dispatch::answer(&request, &mut progress);
            (answer, request.host.interrupted())
        }
        Err(failure) => (Answer::failed(Some(command), failure), None),
    };
    progress.clear();
    if *lenient {
        answer.exit = Exit::Good;
    }
    let exit = tell(&answer, &style, changes && !dry_run);
    (exit, ended_by)
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
        | Verb::Scan(_)
        | Verb::Renew { .. }
        | Verb::Install(_)
        | Verb::Restore { .. }
        | Verb::Recover { .. }
        | Verb::Backups { .. }
        | Verb::Prune(_)
        | Verb::History { .. }
        | Verb::Status { .. }
        | Verb::Init { .. }
        | Verb::PostUpgrade { .. }
        | Verb::Adopt { .. }
        | Verb::Ca { .. } => None,
    }
}

/// How the answer is written.
struct Style {
    format: Format,
    colour: Colour,
    view: View,
}

impl Style {
    fn of(global: &Global) -> Self {
        let view = View {
            now: Clock::System.now(),
            width: terminal::width(),
            program: request::program(global),
            quiet: global.quiet,
        };
        Self { format: global.format, colour: global.color, view }
    }
}

/// Writes the answer; what the run ends with.
///
/// A result that could not be written does not change how a changing verb ends: its code tells what became of the machine. For a
/// verb that only tells, telling was the work, and it failed.
fn tell(answer: &Answer, style: &Style, changed: bool) -> Exit {
    let written = match style.format {
        Format::Json | Format::Jsonl => output::result(&json::render(answer), Colour::Never),
        Format::Text => {
            let text = text::render(answer, &style.view);
            let written = output::result(&text.out, style.colour);
            output::trouble(&text.err, style.colour);
            written
        }
    };
    let Err(error) = written else { return answer.exit };
    let message = format!("cannot write the result to standard output: {error}");
    let hint = changed
        .then(|| "the exit code tells how it ended; `reseal status` and `reseal history` tell the rest".to_owned());
    let failure = Failure { exit: Exit::Refused, message, hint, problems: Vec::new() };
    output::trouble(&text::failure(&failure, None), style.colour);
    if changed { answer.exit } else { answer.exit.worst(Exit::Refused) }
}

/// Help, the version, or what is wrong with the command line.
fn misunderstood(error: &clap::Error, line: &[OsString]) -> Exit {
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if !asked && wants_json(line) {
        let plain = error.render().to_string();
        let mut lines = plain.lines().map(str::trim).filter(|line| !line.is_empty());
        let message = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let failure = Failure::usage(message, Some("`reseal help` tells the verbs and their options".to_owned()));
        let _ = output::result(&json::render(&Answer::failed(None, failure)), Colour::Never);
        return Exit::Usage;
    }
    // Help that nobody reads to its end is no failure.
    let _ = error.print();
    if asked { Exit::Good } else { Exit::Usage }
}

/// Whether JSON was asked for on a command line that makes no sense otherwise.
fn wants_json(line: &[OsString]) -> bool {
    let split = line.windows(2).any(|pair| pair[0] == "--format" && (pair[1] == "json" || pair[1] == "jsonl"));
    split || line.iter().any(|word| word == "--format=json" || word == "--format=jsonl")
}
