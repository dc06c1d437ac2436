//! `reseal secret`: what passphrases reseal needs here, where they come from, and what is kept of them.

mod change;
mod lock;
mod status;

pub use self::change::{Change, Done, Kept, Place, forget, set};
pub use self::lock::known;
pub use self::status::{SecretView, SourceView, status};
