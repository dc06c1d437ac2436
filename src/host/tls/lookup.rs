//! Addresses of names. The system's resolver takes no deadline, so each lookup has a thread that may be left behind.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::failure::{ProbeError, Stage};
use super::quest::no_address;
use crate::endpoint::Endpoint;

/// The addresses of an endpoint, in the resolver's order, each once.
///
/// # Errors
/// [`ProbeError::Resolve`], or [`ProbeError::Timeout`] after `limit`.
pub fn addresses(endpoint: &Endpoint, limit: Duration) -> Result<Vec<SocketAddr>, ProbeError> {
    if let Some(ip) = endpoint.ip() {
        return Ok(vec![SocketAddr::new(ip, endpoint.port)]);
    }
    let (sender, receiver) = mpsc::channel();
    let (wanted, address) = (endpoint.clone(), endpoint.address());
    let spawned = spawn(move || {
        // Nobody hears it after the deadline.
        let _ = sender.send(look_up(&wanted));
    });
    spawned.map_err(|source| ProbeError::Resolve { address: address.clone(), source })?;
    let late = |_| ProbeError::Timeout { stage: Stage::Resolve, address };
    receiver.recv_timeout(limit).map_err(late)?
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    // The resolver needs little; hundreds of threads may be left behind.
    thread::Builder::new().name("resolve".to_owned()).stack_size(256 * 1024).spawn(work).map(drop)
}

fn look_up(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, ProbeError> {
    let failed = |source| ProbeError::Resolve { address: endpoint.address(), source };
    // The resolver knows named zones of IPv6 addresses as well.
    let found = (endpoint.host.as_str(), endpoint.port).to_socket_addrs().map_err(failed)?;
    let mut each = Vec::new();
    for one in found {
        if !each.contains(&one) {
            each.push(one);
        }
    }
    if each.is_empty() { Err(no_address(&endpoint.address())) } else { Ok(each) }
}

/// Lookups at the same time that may still be in time.
const MOST_IN_TIME: usize = 256;

/// Threads in all: as many again for names that may be answered while none of the first is.
const MOST_THREADS: usize = 2 * MOST_IN_TIME;

/// Threads that look names up for many. One that waits for an answer cannot be ended, so those whose time is over are left behind, up to
/// a bound; when all that there may be are, the resolver answers nobody, and no more names are given to it.
#[derive(Clone)]
pub(super) struct Lookups {
    shared: Arc<Shared>,
}

struct Shared {
    look_up: LookUp,
    state: Mutex<State>,
    more: Condvar,
}

struct State {
    waiting: VecDeque<Job>,
    /// When the answer to each lookup under way comes too late, by its number.
    under_way: HashMap<u64, Instant>,
    begun: u64,
    threads: usize,
    /// How many threads there may be: fewer than were wanted where the system gives no more.
    most: usize,
    idle: usize,
    closed: bool,
}

type Found = Result<Vec<SocketAddr>, ProbeError>;

/// How one name is looked up.
type LookUp = fn(&Endpoint) -> Found;

struct Job {
    endpoint: Endpoint,
    deadline: Instant,
    answer: Box<dyn FnOnce(Found) + Send>,
}

impl Default for Lookups {
    fn default() -> Self {
        Self::by(look_up)
    }
}

impl Lookups {
    /// With another resolver than the system's.
    pub(super) fn by(look_up: LookUp) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            under_way: HashMap::new(),
            begun: 0,
            threads: 0,
            most: MOST_THREADS,
            idle: 0,
            closed: false,
        };
        Self { shared: Arc::new(Shared { look_up, state: Mutex::new(state), more: Condvar::new() }) }
    }

    /// Looks the endpoint up and gives the answer to `answer`, on a thread of its own. After `deadline` nobody waits for it.
    pub(super) fn ask(&self, endpoint: Endpoint, deadline: Instant, answer: impl FnOnce(Found) + Send + 'static) {
        let mut state = self.state();
        state.waiting.push_back(Job { endpoint, deadline, answer: Box::new(answer) });
        if state.idle >= state.waiting.len() {
            self.shared.more.notify_one();
        } else if state.threads < state.most {
            let here = self.clone();
            match spawn(move || here.work()) {
                Ok(()) => state.threads += 1,
                // With no thread at all nobody would ever answer.
                Err(source) if state.threads == 0 => {
                    if let Some(job) = state.waiting.pop_back() {
                        drop(state);
                        (job.answer)(Err(ProbeError::Resolve { address: job.endpoint.address(), source }));
                    }
                }
                Err(_) => state.most = state.threads,
            }
        }
    }

    /// Whether one more would have to wait for another to end: time would run for something that nobody does.
    pub(super) fn crowded(&self) -> bool {
        let state = self.state();
        let room = state.threads < state.most && state.in_time() + state.waiting.len() < MOST_IN_TIME;
        state.idle <= state.waiting.len() && !room
    }

    /// Whether every thread that there may be waits for an answer that comes too late. A single one that is in time, or comes at last, makes
    /// this false: the next name is given to its thread.
    pub(super) fn is_silent(&self) -> bool {
        let state = self.state();
        state.threads > 0 && state.threads >= state.most && state.idle == 0 && state.in_time() == 0
    }

    /// Lets the threads go; those that wait for an answer go when it comes.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.waiting.clear();
        self.shared.more.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.state();
        loop {
            if let Some(job) = state.waiting.pop_front() {
                let number = state.begun;
                state.begun += 1;
                state.under_way.insert(number, job.deadline);
                drop(state);
                let found = (self.shared.look_up)(&job.endpoint);
                (job.answer)(found);
                state = self.state();
                state.under_way.remove(&number);
            } else if state.closed {
                state.threads -= 1;
                return;
            } else {
                state.idle += 1;
                state = self.shared.more.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }
}

impl State {
    /// Lookups whose answer would not come too late.
    fn in_time(&self) -> usize {
        let now = Instant::now();
        self.under_way.values().filter(|deadline| **deadline > now).count()
    }
}
