//! Who is told of what a run came to, how often, in which words, and by what way.
//!
//! ```text
//! what holds now [Condition] --+
//!                              +--> SIFT --> a Message a channel --> SHAPE --> CHANNEL --> what became of it
//! what was told  [Record] -----+      pure: once, again after a while, and when it is gone    |
//!         ^-----------------------------------------------------------------------------------'
//! ```
//!
//! Nothing here is done while anything is changed or locked: who cannot be told holds nothing up. What was told is remembered after it was
//! told, so that a kill in between tells it twice and never not at all.

pub mod channel;
pub mod condition;
pub mod message;
pub mod ping;
pub mod record;
pub mod secret;
pub mod shape;
pub mod sift;
