//! What no thread has begun yet, and who waits for it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use super::Task;

/// Tasks that were given away, and the roots behind them.
pub(super) struct Queue<R> {
    state: Mutex<State<R>>,
    changed: Condvar,
    /// Somebody waits and nothing is there: looked at before every file, and so outside of the lock.
    wanted: AtomicBool,
}

struct State<R> {
    tasks: Vec<Task>,
    roots: R,
    /// Threads that have something to do and may give of it.
    busy: usize,
    waiting: usize,
    ended: bool,
}

impl<R: Iterator<Item = PathBuf>> Queue<R> {
    pub(super) fn new(roots: R) -> Self {
        let state = State { tasks: Vec::new(), roots, busy: 0, waiting: 0, ended: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), wanted: AtomicBool::new(false) }
    }

    /// The next task for a thread that has none left; none when all is done. `rest` is called once before waiting.
    /// `holding` is kept by the caller: whether it came with a task that it has done.
    pub(super) fn next(&self, holding: &mut bool, mut rest: impl FnMut()) -> Option<Task> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(holding) {
            state.busy -= 1;
        }
        let mut rested = false;
        loop {
            if state.ended {
                return None;
            }
            let task = match state.tasks.pop() {
                Some(task) => Some(task),
                None => state.roots.next().map(Task::Root),
            };
            if let Some(task) = task {
                state.busy += 1;
                *holding = true;
                self.wanted.store(state.waiting > 0 && state.tasks.is_empty(), Ordering::Relaxed);
                return Some(task);
            }
            if state.busy == 0 {
                state.ended = true;
                self.changed.notify_all();
                return None;
            }
            if !rested {
                rested = true;
                drop(state);
                rest();
                state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.waiting += 1;
            self.wanted.store(true, Ordering::Relaxed);
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
    }

    pub(super) fn somebody_waits(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Gives the older half of a stack away: what lies nearest to the root is most.
    pub(super) fn give(&self, stack: &mut Vec<Task>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.tasks.is_empty() {
            return;
        }
        let half = stack.len().div_ceil(2);
        state.tasks.extend(stack.drain(..half));
        self.wanted.store(false, Ordering::Relaxed);
        for _ in 0..half.min(state.waiting) {
            self.changed.notify_one();
        }
    }
}

impl<R> Queue<R> {
    /// Nothing more is to be done.
    pub(super) fn end(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ended = true;
        self.changed.notify_all();
    }
}
