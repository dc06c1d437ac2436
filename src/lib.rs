//! reseal finds out which certificate a server really serves, puts a trusted one in its place as one transaction, proves by
//! handshakes that it is served, and can put any earlier one back.
//!
//! *Adapters describe, one engine acts, and undo is one function.* Where certificates come from ([`source`]) and where they
//! go ([`target`]) are open sets behind traits that only describe; what must be undone is a closed enum of plain data
//! ([`change::Step`]); failure and crash call the same undo, which reads only the journal and the backups.
//!
//! ```text
//! config --> TARGET --observe--> Site --probe--> what is served
//!                                 |                 |
//!                                 +----> ASSESS <---+      pure: findings            `check` stops here
//!                                           |
//!                                         PLAN             pure: leave, reinstate, replace, apply or unable
//!                                           v
//!                            SOURCE --obtain--> Bundle     key matches chain, or there is no Bundle
//!                                           v
//!                            change, target::layout --> [Step]     pure
//! .-------------------- engine, under the machine lock, journalled --------------------.
//! |  STAGE    keep what is there as a generation; write the new bytes beside the old   |
//! |  INSTALL  intent to the journal, sync, rename, sync                                |
//! |  RELOAD   config test, reload                                                      |
//! |  VERIFY   handshake every probe until the new leaf is shown, or time is up         |
//! |     yes -> COMMIT         no -> UNDO, reload, probe that the old leaf is back      |
//! '------------------------------------------------------------------------------------'
//! ```
//!
//! Who may import whom is held by a test (`tests/architecture.rs`): `main` -> [`cli`] -> [`report`] -> [`flow`] -> [`source`] |
//! [`target`] | [`trust`] | [`fitting`] | [`notify`] | [`engine`] -> [`host`] -> the pure modules, which open nothing; [`target`] |
//! [`trust`] | [`notify`] -> [`config`].

// Not in Cargo.toml, where they would hold for tests as well.
#![cfg_attr(
    not(test),
    warn(
        clippy::disallowed_methods,
        clippy::expect_used,
        clippy::panic,
        clippy::print_stderr,
        clippy::print_stdout,
        clippy::unwrap_used,
        clippy::wildcard_enum_match_arm
    )
)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests set their own stage"))]

pub mod assess;
pub mod cert;
pub mod change;
pub mod cli;
pub mod config;
pub mod digest;
pub mod endpoint;
pub mod engine;
pub mod escape;
pub mod event;
pub mod fitting;
pub mod flow;
pub mod host;
pub mod inventory;
pub mod moment;
pub mod notify;
pub mod outcome;
pub mod plan;
pub mod report;
pub mod sealed;
pub mod sensitive;
pub mod source;
pub mod target;
pub mod trust;
