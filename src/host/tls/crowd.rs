//! Thousands of servers at the same time, on a few threads, with memory for those alone that are under way.
//!
//! ```text
//! questions --feeder--> Feed --> worker: epoll, its quests, a heap of times --> channel --> `each`
//!                                  ^ Lookups: names, on threads of their own
//! ```

mod queues;
mod worker;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::failure::ProbeError;
use super::feed::{Feed, Taken};
use super::lookup::Lookups;
use super::{Served, deadline, left};
use crate::change::KeyFamily;
use crate::endpoint::Endpoint;

use worker::{Answer, Inbox, PAUSE, Worker};

/// What is to be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// Which server, how TLS begins, and for which name it is asked.
    pub endpoint: Endpoint,
    /// Only signatures by such keys are offered, and TLS 1.2 and 1.3 alone.
    pub family: Option<KeyFamily>,
    /// This address of the endpoint, without a lookup.
    pub address: Option<SocketAddr>,
}

impl Question {
    /// The endpoint, and no more conditions.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, family: None, address: None }
    }
}

/// How many are asked how fast.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// Servers under way at the same time; fewer where the limit of open files is lower and cannot be raised.
    pub in_flight: usize,
    /// Time for one server altogether: lookup, connection, plain text and handshake.
    pub limit: Duration,
    /// Questions begun in a second; without it, as many as can be.
    pub rate: Option<NonZeroU32>,
    /// Threads that compute; 0: as many as there are processors.
    pub threads: usize,
    /// Every address of a name is asked, each within a limit of its own, and each has an answer of its own. Otherwise the first
    /// that accepts.
    pub every_address: bool,
    /// A handshake is given up once the certificates are there. Cheaper, and nothing is [proved](Served::proved).
    pub early: bool,
    /// Addresses that a name must not lead to: such a server is not asked. Those that are written as numbers are.
    pub avoid: Option<fn(IpAddr) -> bool>,
}

impl Default for Crowd {
    fn default() -> Self {
        Self {
            in_flight: 1024,
            limit: Duration::from_secs(10),
            rate: None,
            threads: 0,
            every_address: false,
            early: false,
            avoid: None,
        }
    }
}

impl Crowd {
    /// How many questions the limit of open files lets be under way at the same time, where that is fewer than are wanted.
    #[must_use]
    pub fn fewer(wanted: usize) -> Option<usize> {
        let most = getrlimit(Resource::Nofile).maximum?;
        let room = room(usize::try_from(most).ok()?, cores());
        (room < wanted).then_some(room)
    }
}

/// Descriptors of one question: the connection with the long hello, and the one beside it with the short one.
const EACH: usize = 2;

/// How many questions may be under way with so many descriptors.
fn room(files: usize, threads: usize) -> usize {
    (files.saturating_sub(OTHER_FILES + 3 * threads) / EACH).max(1)
}

/// Under way at one address and port at the same time.
const AT_ONE_ADDRESS: usize = 100;

/// What one thread may have under way at the same time.
#[derive(Clone, Copy)]
struct Shares {
    most: usize,
    at_one_address: usize,
}

/// Descriptors that others need: standard streams, journals, sockets of the resolver.
const OTHER_FILES: usize = 64;

/// Takes an answer: the number of its question from 0, what was answered, and whether that is the last answer to it.
pub type Each<'a> = dyn FnMut(u64, Result<Served, ProbeError>, bool) + 'a;

/// Asks all, and gives each answer to `each` as it comes. Neither questions nor answers are kept: an iterator without end is served as
/// well as a short one. However many names lead to one address, it is asked for a hundred of them at a time at most: a server that
/// cannot keep up with one client is not a dead one.
///
/// A slow `each` slows the asking; it never makes a server look slow.
pub fn ask_all(questions: impl Iterator<Item = Question> + Send, options: &Crowd, each: &mut Each<'_>) {
    ask_with(&Lookups::default(), questions, options, each);
}

fn ask_with(lookups: &Lookups, questions: impl Iterator<Item = Question> + Send, options: &Crowd, each: &mut Each<'_>) {
    let threads = if options.threads == 0 { cores() } else { options.threads }.clamp(1, 64);
    let files =
        OpenFiles::raise(options.in_flight.max(1).saturating_mul(EACH).saturating_add(OTHER_FILES + 3 * threads));
    let in_flight = options.in_flight.clamp(1, room(files.most, threads));
    let threads = threads.min(in_flight);

    let mut inboxes = Vec::new();
    for _ in 0..threads {
        match Inbox::new() {
            Ok(inbox) => inboxes.push(inbox),
            Err(error) if inboxes.is_empty() => return all_fail(questions, &error, each),
            Err(_) => break,
        }
    }
    let bells = inboxes.iter().map(|inbox| Arc::clone(&inbox.bell)).collect();
    // With a rate nothing is brought before it may begin.
    let feed = Feed::new(if options.rate.is_some() { 1 } else { 256 }, bells);
    let (sender, receiver) = sync_channel(256);
    let workers = inboxes.len();
    thread::scope(|scope| {
        // Whatever ends the scope, a panic of `each` too, ends the threads that it waits for.
        let _end = Closing(&feed);
        for (number, inbox) in inboxes.iter().enumerate() {
            let (sender, lookups, feed) = (sender.clone(), lookups.clone(), &feed);
            let share = in_flight / workers + usize::from(number < in_flight % workers);
            let shares = Shares { most: share, at_one_address: AT_ONE_ADDRESS.div_ceil(workers) };
            scope.spawn(move || match Worker::new(number, shares, options, inbox, feed, lookups) {
                Ok(worker) => worker.run(&sender),
                Err(error) => refuse(number, feed, &error, &sender),
            });
        }
        drop(sender);
        let feed = &feed;
        scope.spawn(move || bring(questions, options.rate, feed));
        // Taken by value: if `each` panics, the workers find nobody to tell, and end.
        for (index, answer, last) in receiver {
            each(index, answer, last);
        }
    });
    lookups.close();
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn bring(questions: impl Iterator<Item = Question>, rate: Option<NonZeroU32>, feed: &Feed<(u64, Question)>) {
    // An iterator that panics must not leave the workers waiting.
    let _end = Closing(feed);
    let pause = rate.map(|rate| Duration::from_secs(1) / rate.get());
    let mut due = Instant::now();
    for (index, question) in (0..).zip(questions) {
        if let Some(pause) = pause {
            thread::sleep(left(due));
            due = due.max(Instant::now()) + pause;
        }
        if !feed.bring((index, question)) {
            return;
        }
    }
}

struct Closing<'a>(&'a Feed<(u64, Question)>);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn all_fail(questions: impl Iterator<Item = Question>, error: &io::Error, each: &mut Each<'_>) {
    for (index, question) in (0..).zip(questions) {
        each(index, Err(not_asked(&question, error)), true);
    }
}

/// Answers for a worker that could not begin: all that would come to it fails.
fn refuse(number: usize, feed: &Feed<(u64, Question)>, error: &io::Error, sender: &SyncSender<Answer>) {
    loop {
        match feed.take(number) {
            Taken::One((index, question)) => {
                if sender.send((index, Err(not_asked(&question, error)), true)).is_err() {
                    return feed.close();
                }
            }
            // Those that did begin take the rest.
            Taken::Later => thread::sleep(PAUSE),
            Taken::Never => return,
        }
    }
}

fn not_asked(question: &Question, error: &io::Error) -> ProbeError {
    let source = io::Error::new(error.kind(), error.to_string());
    ProbeError::Resolve { address: question.endpoint.address(), source }
}

/// The limit of open files, raised for a while.
struct OpenFiles {
    before: Option<Rlimit>,
    most: usize,
}

impl OpenFiles {
    fn raise(needed: usize) -> Self {
        let limit = getrlimit(Resource::Nofile);
        let wanted = u64::try_from(needed).unwrap_or(u64::MAX);
        let size = |limit: Option<u64>| limit.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
        if limit.current.is_none_or(|current| current >= wanted) {
            return Self { before: None, most: size(limit.current) };
        }
        let current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
        let raised = Rlimit { current, maximum: limit.maximum };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => Self { most: size(current), before: Some(limit) },
            Err(_) => Self { most: size(limit.current), before: None },
        }
    }
}

impl Drop for OpenFiles {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            // It only gives back what was asked for.
            let _ = setrlimit(Resource::Nofile, before);
        }
    }
}

#[cfg(test)]
mod tests;
