//! `scan`: from the words of the command line to rows on standard output, written while they come.

use std::io::{self, IsTerminal, Read, Write};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::args::{Colour, Format, Scan};
use super::output::{self, coloured};
use super::telling::{Style, tell};
use crate::cert::{Depth, Signatures};
use crate::config::Config;
use crate::flow::Secrets;
use crate::flow::check::Checked;
use crate::flow::clients::{self, Clients};
use crate::flow::judge::Judge;
use crate::flow::obtain;
use crate::flow::scan::{self, Asking, Progress, Sink, Summary, Wanted};
use crate::host::tls::Crowd;
use crate::host::{Host, tree};
use crate::inventory::{self, InventoryError, Item, MAX_LIST};
use crate::outcome::Exit;
use crate::report::text::scan::Rows;
use crate::report::{Answer, Failure, rows, text};

/// Scans, and tells how the run ends. Of the configuration count what its owner says of findings, the names of clients, and the limit of
/// a handshake.
pub fn run(words: &Scan, config: &Config, secrets: &Secrets, style: &Style) -> u8 {
    let wanted = match wanted(words, config, style.view.quiet) {
        Ok(wanted) => wanted,
        Err(failure) => return tell(&Answer::failed(Some("scan"), failure), style, false),
    };
    let stream = Stream::new(style);
    let host = Host::new("");
    let passphrase = match obtain::named_passphrase(&host, secrets) {
        Ok(passphrase) => passphrase,
        Err(refusal) => return tell(&Answer::failed(Some("scan"), Failure::from(refusal)), style, false),
    };
    let clients = Clients::new(&host, &config.trust, &words.trust).opening_with(passphrase.as_ref());
    let needs = |item: &Item| matches!(item, Item::Server(_) | Item::Range(_));
    // Reading the system's roots takes longer than a small scan of files.
    let usual = if wanted.items.iter().any(needs) { vec![clients::SYSTEM.to_owned()] } else { Vec::new() };
    let known = clients.or(&[]).and_then(|files| Ok((files, clients.or(&usual)?)));
    let (for_files, for_servers) = match known {
        Ok(known) => known,
        Err(refusal) => return tell(&Answer::failed(Some("scan"), Failure::misnamed(refusal)), style, false),
    };
    let depth = if words.no_signatures { Depth::None } else { Depth::Swift };
    let signatures = Signatures::checked_to(depth);
    let judge = Judge::by_default(style.view.now).ruled_by(&config.rules).remembering(&signatures);
    let (files, servers) =
        (judge.for_clients(&for_files).opening_with(passphrase.as_ref()), judge.for_clients(&for_servers));
    let at_a_time =
        usize::try_from(inventory::count(&wanted.items)).unwrap_or(usize::MAX).min(wanted.asking.concurrency);
    if let Some(fewer) = Crowd::fewer(at_a_time) {
        let why = format!(
            "the limit of open files lets {fewer} servers be asked at a time, and not {at_a_time}: `ulimit -n` raises it\n"
        );
        output::trouble(&why, style.colour);
    }
    let (exit, summary) = scan::run(&files, &servers, &wanted, &stream);
    stream.end(exit, &summary).code()
}

fn wanted(words: &Scan, config: &Config, quiet: bool) -> Result<Wanted, Failure> {
    let mut items = Vec::new();
    let host = Host::new("");
    for what in &words.what {
        // As for `check`, a file of that name comes first.
        let item = if host.exists(Path::new(what)) { Ok(Item::Path(what.into())) } else { inventory::word(what) };
        let place = || what.to_string_lossy().into_owned();
        items.push(item.map_err(|why| refused(&InventoryError { place: place(), why }))?);
    }
    if let Some(path) = &words.list {
        let bytes = list(&host, path)?;
        let read = if words.null { inventory::list_of_nul } else { inventory::list };
        let more = read(&bytes).map_err(|error| {
            let Failure { message, hint, .. } = refused(&error);
            Failure::usage(format!("the list {}: {message}", path.display()), hint)
        })?;
        // What makes the list has failed, most likely: nothing to look at would be told as nothing found.
        if items.is_empty() && more.is_empty() {
            let message = format!("the list {} holds nothing to look at", path.display());
            let hint = "a list has HOST:PORT, a range or a path on each line; see that what writes it has worked";
            return Err(Failure::usage(message, Some(hint.to_owned())));
        }
        items.extend(more);
    }
    inventory::bounded(&items, words.max).map_err(|error| refused(&error))?;
    let timeout = words.timeout.map_or(config.probe_timeout, |limit| Duration::from_secs(limit.into()));
    Ok(Wanted {
        items,
        tree: tree::Options {
            follow: words.follow,
            one_file_system: words.one_file_system,
            threads: words.readers.map(usize::from),
        },
        asking: Asking { concurrency: words.concurrency.into(), timeout, rate: words.rate.and_then(NonZeroU32::new) },
        only_findings: quiet,
    })
}

fn refused(error: &InventoryError) -> Failure {
    Failure::usage(error.to_string(), Some(error.why.hint().to_owned()))
}

fn list(host: &Host, path: &Path) -> Result<Vec<u8>, Failure> {
    let read = if path == Path::new("-") {
        let mut bytes = Vec::new();
        let most = MAX_LIST as u64 + 1;
        io::stdin().lock().take(most).read_to_end(&mut bytes).and_then(|_| {
            if bytes.len() > MAX_LIST { Err(io::Error::other("it has more than 64 MiB")) } else { Ok(bytes) }
        })
    } else {
        host.read_through(path, MAX_LIST as u64)
    };
    read.map_err(|error| {
        let hint = "a list is a file, a pipe, or `-` for standard input".to_owned();
        Failure::usage(format!("cannot read the list {}: {error}", path.display()), Some(hint))
    })
}

/// Standard output as rows come, and the line of progress on standard error.
struct Stream {
    format: Format,
    colour: Colour,
    rows: Rows,
    quiet: bool,
    width: Option<usize>,
    watched: bool,
    /// Progress is shown to a terminal alone.
    line: Option<usize>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    begun: bool,
    shown: bool,
    failed: Option<io::Error>,
}

impl Stream {
    fn new(style: &Style) -> Self {
        let terminal = io::stderr().is_terminal() && !style.view.quiet;
        Self {
            format: style.format,
            colour: style.colour,
            rows: Rows { now: style.view.now, colours: style.format == Format::Text && coloured(style.colour) },
            quiet: style.view.quiet,
            width: style.view.width,
            watched: io::stdout().is_terminal(),
            line: terminal.then(|| style.view.width.unwrap_or(80)),
            state: Mutex::default(),
        }
    }

    /// What comes before the first row.
    fn opening(&self) -> Vec<u8> {
        match self.format {
            Format::Text if self.quiet => Vec::new(),
            Format::Text => self.rows.head(),
            Format::Json => rows::opening().into_bytes(),
            Format::Jsonl | Format::Csv | Format::Nagios | Format::Prometheus => Vec::new(),
        }
    }

    fn put(&self, state: &mut State, bytes: &[u8]) {
        if std::mem::take(&mut state.shown) {
            output::trouble("\r\u{1b}[K", Colour::Always);
        }
        if state.failed.is_none() {
            let mut out = io::stdout().lock();
            state.failed = out.write_all(bytes).and_then(|()| out.flush()).err();
        }
    }

    /// Writes what comes last.
    fn end(&self, exit: Exit, summary: &Summary) -> Exit {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = if state.begun { Vec::new() } else { self.opening() };
        match self.format {
            Format::Text if self.quiet && exit == Exit::Good => {}
            Format::Text => last.extend_from_slice(self.rows.summary(summary, self.width).as_bytes()),
            Format::Json => last.extend_from_slice(&rows::closing(exit, summary)),
            Format::Jsonl => last.extend_from_slice(&rows::last_line(exit, summary)),
            Format::Csv | Format::Nagios | Format::Prometheus => {}
        }
        self.put(&mut state, &last);
        match state.failed.take() {
            // Who no longer reads has what they wanted.
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let message = format!("cannot write the result to standard output: {error}");
                let failure = Failure { exit: Exit::Refused, message, hint: None, problems: Vec::new() };
                output::trouble(&text::failure(&failure, "reseal"), self.colour);
                exit.worst(Exit::Refused)
            }
            Some(_) | None => exit,
        }
    }
}

impl Sink for Stream {
    fn row(&self, checked: &Checked, rows: &mut Vec<u8>) {
        match self.format {
            Format::Text => self.rows.add(checked, rows),
            Format::Json => {
                // A comma before each; the first is taken away again.
                rows.extend_from_slice(b",\n");
                rows::result(checked, rows);
            }
            Format::Jsonl | Format::Csv | Format::Nagios | Format::Prometheus => {
                rows::result(checked, rows);
                rows.push(b'\n');
            }
        }
    }

    fn write(&self, rows: &[u8]) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut state.begun, true) {
            self.put(&mut state, rows);
        } else {
            self.put(&mut state, &self.opening());
            match self.format {
                Format::Json => self.put(&mut state, rows.strip_prefix(b",").unwrap_or(rows)),
                Format::Jsonl => self.put(&mut state, &rows::first_lines(rows)),
                Format::Text | Format::Csv | Format::Nagios | Format::Prometheus => self.put(&mut state, rows),
            }
        }
        state.failed.is_none()
    }

    fn at_once(&self) -> bool {
        self.watched
    }

    fn progress(&self, progress: Progress) {
        let Some(width) = self.line else { return };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let line: String = text::scan::progress(progress).chars().take(width.saturating_sub(1)).collect();
        output::trouble(&format!("\r\u{1b}[K{line}"), Colour::Always);
        state.shown = true;
    }
}
