//! A person who is asked at the terminal, and may change their mind.

use std::fs::File;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::Miss;
use crate::host::Host;
use crate::sensitive::Sensitive;

/// How often a signal is looked for while a person types.
const LOOK: Duration = Duration::from_millis(50);

/// Asks without echo. A signal ends the question, for handlers make reading go on after one: the terminal shows again what is typed, and
/// the reader is left behind for the little that remains of the program.
pub(super) fn ask(question: &str, host: &Host) -> Result<Sensitive, Miss> {
    // Without a controlling terminal (cron, a unit) it cannot be opened; standard input may be anything meanwhile.
    let tty = File::options().read(true).write(true).open("/dev/tty");
    let tty = tty.map_err(|error| Miss::Unavailable { why: format!("there is no terminal ({error})") })?;
    let shown = tcgetattr(&tty).map_err(std::io::Error::from)?;
    let (sender, receiver) = mpsc::channel();
    let question = question.to_owned();
    thread::Builder::new().name("prompt".to_owned()).spawn(move || {
        // Nobody waits for it after a signal.
        let _ = sender.send(rpassword::prompt_password(question).map(Sensitive::from));
    })?;
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(typed) => return Ok(typed?),
            Err(RecvTimeoutError::Timeout) if host.interrupted().is_none() => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                tcsetattr(&tty, OptionalActions::Now, &shown).map_err(std::io::Error::from)?;
                return Err(Miss::Interrupted);
            }
        }
    }
}
