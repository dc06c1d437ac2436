//! ACME against a real server that really validates, and against one that lies.

mod accounts;
mod bench;
mod orders;
mod pebble;
