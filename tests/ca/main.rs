//! `reseal ca` as it is typed, held against other clients: what it issues they must take, what lies outside of its
//! constraints they must refuse, even from somebody who has its key.

mod clients;
mod ground;
mod import;
mod intermediate;
mod interrupted;
mod kinds;
#[path = "../support/ran.rs"]
mod ran;
mod rekey;
mod revocation;
mod secrets;
mod sign;
mod withdrawn;
