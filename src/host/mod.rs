//! The only door to the machine.

pub mod clock;
pub mod exec;
pub mod passphrase;
pub mod probe;
pub mod signal;
pub mod tls;
