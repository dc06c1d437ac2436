//! What reseal places into the system for itself, with the programs that really read it: systemd's, apt and dpkg.

mod crash;
mod machine;
#[path = "../support/ran.rs"]
mod ran;
mod schedule;
mod upgrade;
