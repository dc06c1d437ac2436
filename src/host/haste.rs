//! One limit over all that a run waits for.
//!
//! Commands, handshakes and sources have limits of their own; where a whole run has one too, each of them is cut to what is left of it.
//! What puts things back is never cut: it is what a run that comes too late ends with.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The moment at which a run is to be over, if there is one.
#[derive(Default)]
pub struct Haste(Mutex<Option<Instant>>);

impl Haste {
    /// From now on the run is to be over at `end`.
    pub fn until(&self, end: Instant) {
        *self.moment() = Some(end);
    }

    /// There is no limit any more.
    pub fn over(&self) {
        *self.moment() = None;
    }

    /// What is left; none where there is no limit.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        self.moment().map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// A limit, cut to what is left.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Duration {
        self.left().map_or(limit, |left| limit.min(left))
    }

    /// Does something that takes the time it needs.
    pub fn patiently<T>(&self, act: impl FnOnce() -> T) -> T {
        let end = self.moment().take();
        let done = act();
        *self.moment() = end;
        done
    }

    fn moment(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_cuts_every_limit_but_those_of_patience() {
        let (haste, long) = (Haste::default(), Duration::from_mins(1));
        assert_eq!((haste.left(), haste.within(long)), (None, long));
        haste.until(Instant::now() + Duration::from_secs(5));
        assert!(haste.within(long) <= Duration::from_secs(5));
        assert_eq!(haste.within(Duration::from_millis(1)), Duration::from_millis(1));
        assert_eq!(haste.patiently(|| haste.within(long)), long);
        assert!(haste.left().is_some(), "it holds again");
        haste.until(Instant::now());
        assert_eq!(haste.left(), Some(Duration::ZERO));
        haste.over();
        assert_eq!(haste.left(), None);
    }
}
