//! A certificate authority of reseal's own, for networks that no public one serves.
//!
//! Its root is made once and says itself which names it may sign: clients refuse everything else, whoever holds the key. The
//! key lies encrypted. A certificate is proved to verify, and written into the authority's record, before anybody gets it.
//!
//! ```text
//! STATE/ca/NAME/root.pem    the root, to be given to every client
//! STATE/ca/NAME/root.key    its key, encrypted
//! STATE/ca/NAME/profile     what was chosen when it was made
//! STATE/ca/NAME/issued      one line for each certificate it has issued
//! ```

mod authority;
mod certify;
mod error;
mod permitted;
mod profile;
mod record;

pub use authority::{Authority, Unlocked};
pub use certify::{LeafOrder, MOST_DAYS};
pub use error::CaError;
pub use permitted::{Permitted, PermittedError};
pub use profile::{Founded, Founding, MOST_YEARS, NAME_MOST};
pub use record::{Issued, Record};
