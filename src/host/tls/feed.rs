//! What stands between those who bring questions and those who ask them: a short queue, and bells.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{io, mem};

use rustix::event::{EventfdFlags, eventfd};

/// A descriptor that becomes readable when somebody rings.
#[derive(Debug)]
pub(super) struct Bell(OwnedFd);

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    pub(super) fn ring(&self) {
        // It fails only where it has been rung 2^64 times.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    pub(super) fn silence(&self) {
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A queue with a bound: whoever brings waits for room; whoever takes does not wait, and is told when there is more.
pub(super) struct Feed<T> {
    state: Mutex<State<T>>,
    room: Condvar,
    most: usize,
    bells: Vec<Arc<Bell>>,
}

struct State<T> {
    queue: VecDeque<T>,
    closed: bool,
    /// Who found nothing.
    hungry: Vec<usize>,
}

/// What there is to take.
pub(super) enum Taken<T> {
    One(T),
    /// Nothing now; the bell will ring.
    Later,
    /// Nothing any more.
    Never,
}

impl<T> Feed<T> {
    /// For as many takers as there are bells.
    pub(super) fn new(most: usize, bells: Vec<Arc<Bell>>) -> Self {
        let state = State { queue: VecDeque::new(), closed: false, hungry: Vec::new() };
        Self { state: Mutex::new(state), room: Condvar::new(), most, bells }
    }

    /// Waits for room. False: nobody takes any more.
    pub(super) fn bring(&self, one: T) -> bool {
        let mut state = self.state();
        while state.queue.len() >= self.most && !state.closed {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return false;
        }
        state.queue.push_back(one);
        let hungry = mem::take(&mut state.hungry);
        drop(state);
        self.ring(hungry);
        true
    }

    /// For the taker of this number.
    pub(super) fn take(&self, taker: usize) -> Taken<T> {
        let mut state = self.state();
        match state.queue.pop_front() {
            Some(one) => {
                if state.queue.len() <= self.most / 2 {
                    self.room.notify_one();
                }
                Taken::One(one)
            }
            None if state.closed => Taken::Never,
            None => {
                if !state.hungry.contains(&taker) {
                    state.hungry.push(taker);
                }
                Taken::Later
            }
        }
    }

    /// Nothing more is brought; what is in the queue can still be taken.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let hungry = mem::take(&mut state.hungry);
        drop(state);
        self.room.notify_all();
        self.ring(hungry);
    }

    fn ring(&self, takers: impl IntoIterator<Item = usize>) {
        for bell in takers.into_iter().filter_map(|taker| self.bells.get(taker)) {
            bell.ring();
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
