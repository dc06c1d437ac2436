//! ACME against a real server that really validates, and against one that lies.

mod accounts;
mod bench;
mod faults;
mod lies;
mod names;
mod orders;
mod pebble;
mod stub;
#[path = "../support/mod.rs"]
mod support;
