//! Work that is done at the same time. Where the system gives no thread, one thing is done after the other: nothing fails for that.

use std::thread::{self, Builder};

/// What `work` makes of each, on a thread each, in their order; none where it had a bug.
pub fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<Option<R>> {
    let work = &work;
    thread::scope(|scope| {
        let begun: Vec<_> =
            items.iter().map(|item| (item, Builder::new().spawn_scoped(scope, move || work(item)))).collect();
        let ended = begun.into_iter().map(|(item, thread)| match thread {
            Ok(thread) => thread.join().ok(),
            Err(_) => Some(work(item)),
        });
        ended.collect()
    })
}

/// Both, the second on a thread of its own; none where that had a bug.
pub fn both<A, B: Send>(here: impl FnOnce() -> A, there: impl Fn() -> B + Sync) -> (A, Option<B>) {
    let there = &there;
    thread::scope(|scope| match Builder::new().spawn_scoped(scope, there) {
        Ok(thread) => {
            let here = here();
            (here, thread.join().ok())
        }
        Err(_) => (here(), Some(there())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_done_and_a_bug_in_one_is_that_ones() {
        let made = each(&[1, 2, 3], |number| {
            assert_ne!(*number, 2, "a bug");
            number * 10
        });
        assert_eq!(made, [Some(10), None, Some(30)]);
        assert_eq!(both(|| 1, || 2), (1, Some(2)));
    }
}
