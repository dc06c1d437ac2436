//! The certificates of a CA, from the one that signs up to the one that clients trust.

use time::OffsetDateTime;

use crate::cert::{Anchors, Certificate, SelfSigned};

/// The certificate that issues and all above it; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hierarchy {
    issuer: Certificate,
    /// From the issuer's issuer up.
    above: Vec<Certificate>,
    /// Whether the last one signed itself.
    rooted: bool,
}

impl Hierarchy {
    /// Of certificates that each were issued by the next; none without any.
    pub(super) fn of(certificates: Vec<Certificate>) -> Option<Self> {
        let mut all = certificates.into_iter();
        let issuer = all.next()?;
        let above: Vec<Certificate> = all.collect();
        let rooted = SelfSigned::of(above.last().unwrap_or(&issuer)) == SelfSigned::Yes;
        Some(Self { issuer, above, rooted })
    }

    /// The one that signs what is issued.
    #[must_use]
    pub fn issuer(&self) -> &Certificate {
        &self.issuer
    }

    /// The one furthest up that is known.
    #[must_use]
    pub fn top(&self) -> &Certificate {
        self.above.last().unwrap_or(&self.issuer)
    }

    /// The root, where it is known.
    #[must_use]
    pub fn root(&self) -> Option<&Certificate> {
        self.rooted.then(|| self.top())
    }

    /// All of them, from the issuer up.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.issuer).chain(&self.above)
    }

    /// What a server sends behind its own certificate: all but the root, which clients have.
    pub fn served(&self) -> impl Iterator<Item = &Certificate> {
        let sent = self.above.len() + usize::from(!self.rooted);
        self.certificates().take(sent)
    }

    /// Whom to trust so that what it issues is trusted.
    pub(super) fn anchors(&self) -> Anchors {
        Anchors::new([self.top().clone()])
    }

    /// The last second of the one that ends first, UTC.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        self.above.iter().map(Certificate::not_after).fold(self.issuer.not_after(), Ord::min)
    }

    /// The first second of the one that begins last, UTC.
    #[must_use]
    pub fn not_before(&self) -> OffsetDateTime {
        self.above.iter().map(Certificate::not_before).fold(self.issuer.not_before(), Ord::max)
    }

    /// The first one that allows fewer CAs below it than there are (RFC 5280 section 4.2.1.9). Those who check chains do not ask this
    /// of the one they trust.
    pub(super) fn too_deep(&self) -> Option<&Certificate> {
        let below = |(count, one): &(usize, &Certificate)| {
            one.path_len().is_some_and(|allowed| usize::try_from(allowed).is_ok_and(|allowed| allowed < *count))
        };
        self.certificates().enumerate().find(below).map(|(_, one)| one)
    }
}
