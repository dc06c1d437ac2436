//! `scan PATH|HOST:PORT...`: the verdict of `check` over whatever is below folders and at many servers, told while it goes on.
//! Changes nothing, needs no configuration, and holds nothing of what it has told.

mod asking;
mod content;
mod looking;
mod tally;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use self::asking::Asking;
pub use self::tally::{Ends, ITSELF, Seen, Summary};

use self::looking::Looking;
use self::tally::Tally;
use super::check::Checked;
use super::judge::Judge;
use crate::assess::Finding;
use crate::host::tree::{self, Counts};
use crate::inventory::{self, Item};
use crate::outcome::Exit;

/// What is looked at and how.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Files, folders, servers.
    pub items: Vec<Item>,
    /// How folders are gone through.
    pub tree: tree::Options,
    /// How servers are asked.
    pub asking: Asking,
    /// Tell only what is not well.
    pub only_findings: bool,
}

/// Takes the rows. Several threads make them, each its own.
pub trait Sink: Sync {
    /// Adds the row of one thing.
    fn row(&self, checked: &Checked, rows: &mut Vec<u8>);

    /// Writes whole rows. False: nobody takes them any more.
    fn write(&self, rows: &[u8]) -> bool;

    /// Whether somebody watches each row come.
    fn at_once(&self) -> bool;

    /// What has been done so far, some times a second.
    fn progress(&self, progress: Progress);
}

/// How far a scan is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// What was met in folders.
    pub seen: Seen,
    /// Rows, told or not.
    pub rows: u64,
    /// Servers that were asked.
    pub asked: u64,
    /// Servers that are to be asked in all.
    pub servers: u64,
}

/// One scan under way, as all its threads see it.
struct Scan<'a> {
    judge: &'a Judge<'a>,
    servers: &'a Judge<'a>,
    sink: &'a dyn Sink,
    only_findings: bool,
    tally: Mutex<Tally>,
    ended: AtomicBool,
}

impl Scan<'_> {
    fn count(&self, checked: &Checked, further: bool) {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).take(checked, further);
    }

    fn is_told(&self, checked: &Checked) -> bool {
        !self.only_findings || checked.problem.is_some() || checked.findings.iter().any(Finding::counts)
    }

    fn write(&self, rows: &[u8]) {
        if !self.sink.write(rows) {
            self.ended.store(true, Ordering::Relaxed);
        }
    }

    fn goes_on(&self) -> bool {
        !self.ended.load(Ordering::Relaxed)
    }
}

/// How often progress is told.
const TICK: Duration = Duration::from_millis(200);

/// Looks at everything, files before servers, each held against its own judge. What may not be read is told and counted, and ends nothing.
pub fn run(judge: &Judge<'_>, servers: &Judge<'_>, wanted: &Wanted, sink: &dyn Sink) -> (Exit, Summary) {
    let began = Instant::now();
    let counts = Counts::default();
    let tally = Mutex::new(Tally::new(judge.now()));
    let scan = Scan { judge, servers, sink, only_findings: wanted.only_findings, tally, ended: AtomicBool::new(false) };
    let servers = inventory::count(&wanted.items);
    let (done, all_done) = (Mutex::new(false), Condvar::new());
    thread::scope(|scope| {
        let ticker = || {
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            while !*done {
                let (guard, _) = all_done.wait_timeout(done, TICK).unwrap_or_else(PoisonError::into_inner);
                done = guard;
                let (rows, asked) = {
                    let tally = scan.tally.lock().unwrap_or_else(PoisonError::into_inner);
                    (tally.rows(), tally.asked())
                };
                sink.progress(Progress { seen: Seen::of(&counts), rows, asked, servers });
            }
        };
        // Without it nothing is told of the way, and all of the end.
        let _ = thread::Builder::new().name("progress".to_owned()).spawn_scoped(scope, ticker);
        let _done = Done(&done, &all_done);
        let roots: Vec<PathBuf> = wanted.items.iter().filter_map(path).collect();
        if !roots.is_empty() {
            tree::walk(roots.into_iter(), wanted.tree, &counts, || Looking::new(&scan));
        }
        asking::all(&scan, &wanted.items, &wanted.asking);
    });
    let tally = scan.tally.lock().unwrap_or_else(PoisonError::into_inner);
    tally.summary(Seen::of(&counts), began.elapsed())
}

/// Lets the ticker end, however the work did.
struct Done<'a>(&'a Mutex<bool>, &'a Condvar);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.1.notify_all();
    }
}

fn path(item: &Item) -> Option<PathBuf> {
    match item {
        Item::Path(path) => Some(path.clone()),
        Item::Server(_) | Item::Range(_) => None,
    }
}
