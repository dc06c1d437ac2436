//! The only door to the machine.

pub mod exec;
