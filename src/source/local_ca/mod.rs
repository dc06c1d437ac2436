//! A certificate authority of reseal's own, for networks that no public one serves.
//!
//! Its root is made once and says itself which names it may sign: clients refuse everything else, whoever holds the key. The
//! key lies encrypted. A certificate is proved to verify, and written into the authority's record, before anybody gets it.
//!
//! ```text
//! STATE/ca/NAME/root.pem      the root, to be given to every client
//! STATE/ca/NAME/root.key      its key, encrypted; with an intermediate it may be taken off the machine
//! STATE/ca/NAME/issuer.pem    where the root does not issue: what does, and all between it and the root
//! STATE/ca/NAME/issuer.key    its key, encrypted
//! STATE/ca/NAME/profile       what was chosen when it was made
//! STATE/ca/NAME/issued        one line for each certificate, revocation and list
//! STATE/ca/NAME/2/            the same again for the next root, and so on
//! STATE/ca/NAME/succession    which of them issues, and which are put away
//! ```

mod authority;
mod certify;
mod error;
mod existing;
mod fields;
mod founded;
mod held;
mod hierarchy;
mod listing;
mod permitted;
mod profile;
mod record;
mod rekey;
mod succession;
mod withdrawn;

pub use authority::{Authority, LeafOrder, Unlocked};
pub use certify::MOST_DAYS;
pub use error::CaError;
pub use existing::{Existing, Unfit};
pub use fields::Published;
pub use founded::Founded;
pub use held::Held;
pub use hierarchy::Hierarchy;
pub use listing::{MOST_LIST_DAYS, NextList, Unlisted};
pub use permitted::{Permitted, PermittedError};
pub use profile::{Founding, MOST_YEARS, NAME_MOST};
pub use record::{Exported, Issued, Listed, Reason, Record, Revocation, UnknownReason};
pub use rekey::NotYet;
pub use withdrawn::Withdrawn;
