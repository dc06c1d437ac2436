//! `reseal trust` with the programs that really read what it writes: the system's own commands, OpenSSL, Java, NSS.

mod crash;
mod faults;
mod ground;
mod java;
mod nss;
#[path = "../support/ran.rs"]
mod ran;
mod refusals;
mod retire;
mod system;
