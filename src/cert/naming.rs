//! How a certificate names whom it is for and who issued it, beyond the texts that people read.

use super::certificate::Certificate;
use super::distinguished;

impl Certificate {
    /// Whether the subject has an attribute that [`Certificate::subject`] shows as this: `CN=www.example.com`. What merely contains the
    /// same characters is none.
    #[must_use]
    pub fn subject_has(&self, attribute: &str) -> bool {
        distinguished::has(self.subject_der(), attribute)
    }

    /// The same of the issuer.
    #[must_use]
    pub fn issuer_has(&self, attribute: &str) -> bool {
        distinguished::has(self.issuer_der(), attribute)
    }

    /// Common names, of which clients take none any more.
    #[must_use]
    pub fn common_names(&self) -> Vec<String> {
        distinguished::common_names(self.subject_der())
    }

    /// Whether both have the same subject (RFC 5280 section 7.1).
    #[must_use]
    pub fn same_subject(&self, other: &Self) -> bool {
        distinguished::same(self.subject_der(), other.subject_der())
    }

    /// Whether it names `issuer` as its issuer; whether that is so is for [`issued_by`](super::issued_by).
    #[must_use]
    pub fn names_as_issuer(&self, issuer: &Self) -> bool {
        distinguished::same(self.issuer_der(), issuer.subject_der())
    }

    /// Names with characters that no name has: NUL, which ends a name for some readers, and other control characters.
    #[must_use]
    pub fn has_control_characters(&self) -> bool {
        let bad = |text: &str| text.chars().any(char::is_control);
        bad(self.subject()) || bad(self.issuer()) || self.unusable_names().iter().any(|name| bad(name))
    }
}
