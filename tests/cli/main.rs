//! The real program, run as an administrator runs it.

mod bench;
mod inputs;
mod outputs;
mod prompt;
mod verbs;
