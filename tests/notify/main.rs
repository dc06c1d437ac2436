//! Who is told of a run: real requests to receivers of every behaviour, a real mail server, the real journal; and that nobody who cannot be
//! told holds up a change, and no secret gets to where it does not belong.

#![allow(clippy::unnecessary_debug_formatting, reason = "a path in a configuration stands in quotes")]

mod channels;
mod faults;
mod ground;
mod mail;
mod runs;
mod secrets;
