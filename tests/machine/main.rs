//! reseal's packages and units on a whole system that really runs: Debian with systemd as its first process, booted by
//! `systemd-nspawn`, with the real apt, dpkg and nginx.
//!
//! Needs root, `mmdebstrap` (once, with a network, to make the system), `systemd-nspawn` and `cargo-deb`; says so where they are not.

mod interrupted;
mod lifecycle;
mod machine;
mod root;
mod timer;
mod upgrade;
mod web;
