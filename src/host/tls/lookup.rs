//! Addresses of names. The system's resolver takes no deadline, so each lookup has a thread that may be left behind.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

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

/// Lookups at the same time.
const MOST_THREADS: usize = 256;

/// Threads that look names up for many.
#[derive(Clone, Default)]
pub(super) struct Lookups {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

type Found = Result<Vec<SocketAddr>, ProbeError>;

struct Job {
    endpoint: Endpoint,
    answer: Box<dyn FnOnce(Found) + Send>,
}

impl Lookups {
    /// Looks the endpoint up and gives the answer to `answer`, on a thread of its own.
    pub(super) fn ask(&self, endpoint: Endpoint, answer: impl FnOnce(Found) + Send + 'static) {
        let mut state = self.state();
        state.waiting.push_back(Job { endpoint, answer: Box::new(answer) });
        if state.idle >= state.waiting.len() {
            self.shared.more.notify_one();
        } else if state.threads < MOST_THREADS {
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
                Err(_) => {}
            }
        }
    }

    /// Whether one more would have to wait for another to end: time would run for something that nobody does.
    pub(super) fn crowded(&self) -> bool {
        let state = self.state();
        state.threads >= MOST_THREADS && state.idle <= state.waiting.len()
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
                drop(state);
                let found = look_up(&job.endpoint);
                (job.answer)(found);
                state = self.state();
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
