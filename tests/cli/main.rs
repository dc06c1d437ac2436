//! The real program, run as an administrator runs it.

mod advice;
mod ahead;
mod bench;
mod command;
mod csr;
mod export;
mod inputs;
mod keystores;
mod monitoring;
mod odd_files;
mod outputs;
mod places;
mod probes;
mod prompt;
#[path = "../support/ran.rs"]
mod ran;
mod servers;
mod sources;
mod stage;
#[path = "../support/terminal.rs"]
mod terminal;
mod upgrade;
mod verbs;
