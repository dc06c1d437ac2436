//! How an answer is written: in which form, to which place, and with which number the run ends.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::args::{Cli, Colour, Format, Global, HookVerb, Later, Verb};
use super::{output, request};
use crate::host::clock::Clock;
use crate::host::dir::DiskError;
use crate::host::publish::{Kind, publish, same_file};
use crate::host::terminal;
use crate::outcome::{Exit, explain};
use crate::report::nagios::{self, Limits, State};
use crate::report::{Answer, Failure, View, csv, json, jsonl, prometheus, text};

/// How the end of a run becomes a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// By the one table.
    Table,
    /// Always 0: package managers run `post-upgrade` and `hook fire`, and a failing hook leaves their upgrade half done.
    Good,
    /// As the plugin API of Nagios has it.
    Plugin,
}

impl Ending {
    /// How this command line ends.
    #[must_use]
    pub fn of(cli: &Cli) -> Self {
        match (&cli.verb, cli.global.format) {
            (_, Format::Nagios) => Self::Plugin,
            (Verb::PostUpgrade { strict: false, .. } | Verb::Hook { act: Later(HookVerb::Fire { .. }) }, _) => {
                Self::Good
            }
            (_, Format::Text | Format::Json | Format::Jsonl | Format::Csv | Format::Prometheus) => Self::Table,
        }
    }

    /// The number for an end that no answer tells.
    #[must_use]
    pub fn code(self, exit: Exit) -> u8 {
        match self {
            Self::Table => exit.code(),
            Self::Good => Exit::Good.code(),
            Self::Plugin => State::Unknown.code(),
        }
    }
}

/// How the answer is written.
pub struct Style {
    /// In which form.
    pub format: Format,
    /// When colours are used.
    pub colour: Colour,
    /// What text for people depends on.
    pub view: View,
    /// When the end of a certificate is an alarm, for `--format nagios`.
    limits: Limits,
    /// The file for the result, instead of standard output.
    file: Option<PathBuf>,
}

impl Style {
    /// As the command line asks.
    ///
    /// # Errors
    /// It asks for a form that its verb does not have; with the style to tell that.
    pub fn of(cli: &Cli) -> Result<Self, (Self, Failure)> {
        let Global { format, color, quiet, dry_run, .. } = &cli.global;
        let view = View {
            now: Clock::System.now(),
            width: terminal::width(),
            program: request::program(&cli.global),
            configuration: None,
            quiet: *quiet,
        };
        let mut style = Self { format: *format, colour: *color, view, limits: Limits::default(), file: None };
        let mut objection = None;
        if let Verb::Check { subjects, output, warning, critical, .. } = &cli.verb {
            style.file = output.clone().filter(|_| !dry_run);
            style.limits = Limits { warning: *warning, critical: *critical };
            if style.limits != Limits::default() && *format != Format::Nagios {
                objection =
                    Some(("`--warning` and `--critical` mean something with `--format nagios` alone", "add it"));
            } else if style.limits.contradict() {
                let hint = "both tell how much is left: `--warning 20 --critical 10`";
                objection = Some(("`--warning` is less than `--critical`: nobody would ever be warned", hint));
            } else if style.file.as_ref().is_some_and(|file| subjects.iter().any(|one| same_file(Path::new(one), file)))
            {
                style.file = None;
                objection =
                    Some(("`--output` names a file that is to be checked: it would be replaced", "name another"));
            }
        } else if matches!(format, Format::Csv | Format::Nagios | Format::Prometheus)
            || (*format == Format::Jsonl && !matches!(cli.verb, Verb::Scan(_)))
        {
            objection = Some((
                "this format is not for this verb",
                "`--format text` and `--format json` are for every verb, `jsonl` for `check` and `scan`, the others for `check`",
            ));
        }
        match objection {
            None => Ok(style),
            Some((message, hint)) => Err((style, Failure::usage(message, Some(hint.to_owned())))),
        }
    }
}

/// Writes the answer; the number to end with.
///
/// A result that could not be written does not change how a changing verb ends: its code tells what became of the machine. For a
/// verb that only tells, telling was the work, and it failed.
pub fn tell(answer: &Answer, style: &Style, changed: bool) -> u8 {
    let now = style.view.now;
    let checks = answer.body.checks().unwrap_or_default();
    // What is for programs says nothing of a failure: that goes to standard error, and an earlier result stays where it is.
    let (told, err, code) = match style.format {
        Format::Json => (json::advised(&json::render(answer), &style.view.program), String::new(), answer.exit.code()),
        Format::Nagios => {
            let told = nagios::render(answer, &style.limits, &style.view.program, now);
            (told.text, String::new(), told.state.code())
        }
        Format::Jsonl | Format::Csv | Format::Prometheus if answer.failure.is_some() => {
            let told = |failure| text::failure(failure, &style.view.program);
            let failure: String = answer.failure.iter().map(told).collect();
            output::trouble(&failure, style.colour);
            return answer.exit.code();
        }
        Format::Jsonl => (
            checks.iter().map(|one| json::advised(&jsonl::line(one), &style.view.program)).collect(),
            String::new(),
            answer.exit.code(),
        ),
        Format::Csv => (csv::render(checks, now), String::new(), answer.exit.code()),
        Format::Prometheus => (prometheus::render(checks, now), String::new(), answer.exit.code()),
        Format::Text => {
            let text = text::render(answer, &style.view);
            (text.out, text.err, answer.exit.code())
        }
    };
    let colour = if style.format == Format::Text { style.colour } else { Colour::Never };
    let written = match &style.file {
        Some(_) if answer.failure.is_some() && style.format == Format::Text => Ok(()),
        Some(path) => {
            let plain = anstream::adapter::strip_str(&told).to_string();
            publish(path, Kind::Verdicts, plain.as_bytes()).map_err(|error| unwritten(&error))
        }
        None => output::result(&told, colour).map_err(|error| Failure {
            exit: Exit::Refused,
            message: format!("cannot write the result to standard output: {error}"),
            hint: changed.then(|| {
                "the exit code tells how it ended; `reseal status` and `reseal history` tell the rest".to_owned()
            }),
            problems: Vec::new(),
        }),
    };
    output::trouble(&err, style.colour);
    let Err(failure) = written else { return code };
    output::trouble(&text::failure(&failure, &style.view.program), style.colour);
    match (style.format, changed) {
        (Format::Nagios, _) => State::Unknown.code(),
        (_, true) => code,
        (_, false) => answer.exit.worst(failure.exit).code(),
    }
}

/// A report could not be written to its file.
pub fn unwritten(error: &DiskError) -> Failure {
    let hint = if error.is_absent() { Some("name a file in a directory that is there") } else { error.hint() };
    Failure { exit: Exit::Refused, message: explain(error), hint: hint.map(str::to_owned), problems: Vec::new() }
}

/// Whether a format was asked for on a command line that makes no sense otherwise.
pub fn wants(line: &[OsString], format: &str) -> bool {
    let split = line.windows(2).any(|pair| pair[0] == "--format" && pair[1] == format);
    split || line.iter().any(|word| *word == *format!("--format={format}"))
}
