//! The only door to the machine.

pub mod exec;
pub mod probe;
pub mod tls;
