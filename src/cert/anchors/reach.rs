//! What of a chain a path may be made of.

use std::borrow::Cow;

use super::{Anchors, Untrusted};
use crate::cert::chain::Chain;
use crate::cert::issuers::Issuers;

/// Certificates beside the leaf that webpki looks for paths among. It reads each of them anew at each of up to 200,000 steps, which is
/// little among so many, and a minute among a thousand.
const MOST_HELD: usize = 32;

impl Anchors {
    /// Of a chain with more certificates than that only those to which names lead from the leaf; where these are too many as well, only
    /// those from which names lead to a root.
    ///
    /// # Errors
    /// There are more of them all the same.
    pub(super) fn within_reach<'c>(&self, chain: &'c Chain) -> Result<Cow<'c, Chain>, Untrusted> {
        if chain.intermediates().len() <= MOST_HELD {
            return Ok(Cow::Borrowed(chain));
        }
        let issuers = Issuers::among(chain.intermediates());
        let mut places = issuers.above(chain.leaf());
        if places.len() > MOST_HELD {
            let leading = issuers.below(&self.roots);
            places.retain(|place| leading.binary_search(place).is_ok());
        }
        if places.len() > MOST_HELD {
            let why = format!("{} others lead up from it by their names, where no chain has {MOST_HELD}", places.len());
            return Err(Untrusted::Refused(why));
        }
        let held = places.into_iter().filter_map(|place| chain.intermediates().get(place));
        let certificates = std::iter::once(chain.leaf()).chain(held).cloned().collect();
        Ok(Chain::as_given(certificates).map_or(Cow::Borrowed(chain), Cow::Owned))
    }
}
