//! Bytes that may hold a private key or a passphrase.

use zeroize::Zeroizing;

/// Bytes that may be secret: wiped when dropped.
///
/// It has no `Debug`, `Clone` or `Serialize`, so that no secret reaches a log, a report or a second copy by accident:
///
/// ```compile_fail
/// let secret = reseal::sensitive::Sensitive::from(vec![1]);
/// println!("{secret:?}");
/// ```
/// ```compile_fail
/// let secret = reseal::sensitive::Sensitive::from(vec![1]);
/// let copy = secret.clone();
/// ```
#[derive(PartialEq, Eq)]
pub struct Sensitive(Zeroizing<Vec<u8>>);

impl Sensitive {
    /// The bytes, for the one call that needs them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Sensitive {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl From<String> for Sensitive {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text.into_bytes()))
    }
}
