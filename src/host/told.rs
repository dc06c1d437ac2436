//! What commands that only look have told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

type Answer = Result<String, String>;

/// The answers by the words of the commands.
#[derive(Default)]
pub(super) struct Told(Mutex<BTreeMap<Vec<String>, Arc<OnceLock<Answer>>>>);

impl Told {
    /// The answer of a command, asked for once. Who wants the same meanwhile waits for it; who wants another does not.
    pub(super) fn once(&self, argv: &[String], ask: impl FnOnce() -> Answer) -> Answer {
        let answer = Arc::clone(self.answers().entry(argv.to_vec()).or_default());
        answer.get_or_init(ask).clone()
    }

    /// From now on everything is asked for anew.
    pub(super) fn forget(&self) {
        self.answers().clear();
    }

    fn answers(&self) -> MutexGuard<'_, BTreeMap<Vec<String>, Arc<OnceLock<Answer>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::change::Command;
    use crate::host::Host;

    fn words(word: &str) -> Vec<String> {
        vec![word.to_owned()]
    }

    #[test]
    fn the_same_is_asked_once_and_another_waits_for_nobody() {
        let told = Told::default();
        let asked = AtomicUsize::new(0);
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let patience = Duration::from_secs(20);
        std::thread::scope(|scope| {
            let (told, asked) = (&told, &asked);
            let slow = scope.spawn(move || {
                told.once(&words("slow"), || {
                    begun.send(()).unwrap();
                    may_go_on.recv_timeout(patience).map_err(|_| "nobody let it go on".to_owned())?;
                    Ok(format!("{}", asked.fetch_add(1, Ordering::Relaxed)))
                })
            });
            has_begun.recv_timeout(patience).unwrap();
            let same = scope.spawn(|| told.once(&words("slow"), || Err("asked twice".to_owned())));
            assert_eq!(told.once(&words("quick"), || Ok("at once".to_owned())), Ok("at once".to_owned()));
            go_on.send(()).unwrap();
            assert_eq!(slow.join().unwrap(), Ok("0".to_owned()));
            assert_eq!(same.join().unwrap(), Ok("0".to_owned()));
        });
        told.forget();
        assert_eq!(told.once(&words("slow"), || Ok("anew".to_owned())), Ok("anew".to_owned()));
    }
    #[test]
    fn a_look_is_cut_to_what_is_left_of_the_run() {
        let host = Host::new("/nowhere");
        host.hurry(Duration::from_millis(300));
        let began = Instant::now();
        let why = host.capture(&Command::new(["/bin/sleep", "25"]), 100).unwrap_err();
        assert!(why.starts_with("killed after ") && began.elapsed() < Duration::from_secs(10), "{why}");
        host.hurry(Duration::ZERO);
        let echo = Command::new(["/bin/echo", "here"]);
        assert_eq!(host.capture(&echo, 100).unwrap_err(), "the time for the whole run is over");
        host.take_its_time();
        assert_eq!(host.capture(&echo, 100).unwrap(), "here\n");
    }
}
