//! Where passphrases come from, by the real keyring, the real kernel and systemd's own credentials; and that no secret gets to
//! where it does not belong.

mod canary;
mod cores;
mod credential;
mod descriptor;
mod ground;
mod kernel;
mod keyring;
mod last_copy;
#[path = "../real_acme/pebble.rs"]
#[allow(dead_code, reason = "of real_acme, which uses all of it")]
mod pebble;
mod session;
#[path = "../support/terminal.rs"]
mod terminal;
