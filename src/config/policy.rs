//! When to act on a target, and how carefully.

use std::time::Duration;

use crate::moment::Window;

/// When to act, and how carefully.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// When a certificate is due.
    pub renew_before: RenewBefore,
    /// When the next certificate is made ready; never later than it is due.
    pub prepare_before: RenewBefore,
    /// When `maintain` may change what is served; none: at any time.
    pub window: Vec<Window>,
    /// How long the new certificate may take until it is served.
    pub verify_timeout: Duration,
    /// How long every handshake must show the new certificate before the change counts as proved.
    pub settle: Duration,
    /// Limit of one handshake.
    pub probe_timeout: Duration,
    /// Generations that `prune` keeps.
    pub keep: u32,
    /// Whether a renewal uses the old key again.
    pub keep_key: bool,
    /// Bytes that must be free on every file system written to.
    pub min_free: u64,
    /// Names of processes beside which nothing is changed.
    pub must_not_run: Vec<String>,
    /// Whose trust is asked for: `system`, or names of `[trust.NAME]`.
    pub trust: Vec<String>,
    /// What is done about what an upgrade did.
    pub after_upgrade: AfterUpgrade,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            renew_before: RenewBefore::Fraction { of: 3, left: 1 },
            prepare_before: RenewBefore::Fraction { of: 3, left: 1 },
            window: Vec::new(),
            verify_timeout: Duration::from_secs(30),
            settle: Duration::from_millis(250),
            probe_timeout: Duration::from_secs(5),
            keep: 10,
            keep_key: false,
            min_free: 0,
            must_not_run: Vec::new(),
            trust: Vec::new(),
            after_upgrade: AfterUpgrade::Reinstate,
        }
    }
}

impl Policy {
    /// The time left at which the certificate that follows one with this lifetime is made ready.
    #[must_use]
    pub fn prepare(&self, lifetime: time::Duration) -> time::Duration {
        self.prepare_before.left_of(lifetime).max(self.renew_before.left_of(lifetime))
    }
}

/// What `post-upgrade` does about a target that needs something done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AfterUpgrade {
    /// Puts the wanted certificate back if it is still good, else gets another.
    Reinstate,
    /// Gets another.
    Renew,
    /// Tells.
    Report,
}

/// How much of its life a certificate has left when it is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RenewBefore {
    /// This many days; of a certificate that lives for few more, [`RenewBefore::MOST`] of its life.
    Days(u32),
    /// `left` parts `of` the whole lifetime; the share is more than none and less than all.
    Fraction {
        /// Parts left.
        left: u32,
        /// Parts in all.
        of: u32,
    },
}

impl RenewBefore {
    /// The largest share that a number of days may be: a certificate that lives no longer than these days would be due from its first, and
    /// each run would get another.
    pub const MOST: Self = Self::Fraction { left: 2, of: 3 };

    /// The time left at which a certificate with this lifetime is due.
    #[must_use]
    pub fn left_of(self, lifetime: time::Duration) -> time::Duration {
        match self {
            Self::Days(days) => time::Duration::days(i64::from(days)).min(Self::MOST.left_of(lifetime)),
            Self::Fraction { left, of } => {
                let seconds = i128::from(lifetime.whole_seconds()) * i128::from(left) / i128::from(of.max(1));
                time::Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
            }
        }
    }
}
