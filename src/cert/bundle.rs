//! A chain and the key that belongs to it.

use super::algorithm::KeyKind;
use super::certificate::Certificate;
use super::chain::Chain;
use super::key::PrivateKey;
use crate::change::Role;
use crate::digest::Digest;
use crate::sensitive::Sensitive;

/// A chain and its private key, proved to belong together: the only way to carry both.
///
/// ```compile_fail,E0451
/// # fn any<T>() -> T { unimplemented!() }
/// let forged = reseal::cert::Bundle { chain: any(), key: any() };
/// ```
pub struct Bundle {
    chain: Chain,
    key: PrivateKey,
}

/// The key does not belong to the leaf.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the private key does not belong to the certificate {:?}: that certifies the {} key with the fingerprint {}, the private key \
     is a {held_kind} key with the fingerprint {held}", leaf.title(), leaf.key_kind(), leaf.spki_digest()
)]
pub struct PairError {
    /// The leaf, which certifies another public key.
    pub leaf: Certificate,
    /// SHA-256 of the public half of the private key.
    pub held: Digest,
    /// The kind of the private key.
    pub held_kind: KeyKind,
}

impl PairError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "give the key the certificate was requested with, or request a certificate for this key; `openssl pkey -in KEY -pubout \
         -outform DER | sha256sum` shows the fingerprint of a key"
    }
}

impl Bundle {
    /// Puts a chain and a key together.
    ///
    /// # Errors
    /// The leaf certifies another key.
    pub fn pair(chain: Chain, key: PrivateKey) -> Result<Self, PairError> {
        if key.matches(chain.leaf()) {
            return Ok(Self { chain, key });
        }
        Err(PairError { leaf: chain.leaf().clone(), held: Digest::of(key.spki()), held_kind: key.kind().clone() })
    }

    /// The same with these certificates at the end of its chain.
    #[must_use]
    pub fn continued(self, issuers: Vec<Certificate>) -> Self {
        Self { chain: self.chain.continued(issuers), ..self }
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The certificate of the server.
    #[must_use]
    pub fn leaf(&self) -> &Certificate {
        self.chain.leaf()
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// What a file of this role holds, as PEM. A chain without intermediates is empty.
    #[must_use]
    pub fn content(&self, role: Role) -> Sensitive {
        match role {
            Role::Leaf => self.chain.leaf_pem().into(),
            Role::Chain => self.chain.chain_pem().into(),
            Role::FullChain => self.chain.fullchain_pem().into(),
            Role::Key => self.key.to_pem(),
            Role::Combined => self.chain.combined_pem(&self.key),
            // No target has a slot of these.
            Role::Anchor | Role::Store | Role::Record | Role::Fitting => Sensitive::from(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{Wish, self_signed};

    #[test]
    fn only_a_pair_becomes_a_bundle() {
        let root = self_signed(&Wish::ca("Root"));
        let (one, other) = (root.issue(&Wish::server("one")), root.issue(&Wish::server("other")));
        let chain = Chain::as_given(vec![one.certificate.clone()]).unwrap();
        let error = Bundle::pair(chain.clone(), other.key).err().unwrap();
        let text = error.to_string();
        assert!(text.contains(&one.certificate.spki_digest().to_string()), "{text}");
        assert!(text.contains(&other.certificate.spki_digest().to_string()), "{text}");

        let bundle = Bundle::pair(chain, one.key).unwrap();
        let (full, key) = (bundle.content(Role::FullChain), bundle.content(Role::Key));
        assert_eq!(bundle.content(Role::Combined).expose(), [full.expose(), key.expose()].concat());
        assert_eq!(bundle.content(Role::Leaf).expose(), full.expose());
        assert!(bundle.content(Role::Chain).expose().is_empty());
        assert!(full.expose().starts_with(b"-----BEGIN CERTIFICATE-----\n"));
        assert!(key.expose().starts_with(b"-----BEGIN PRIVATE KEY-----\n"));
        assert!(key.expose().ends_with(b"-----END PRIVATE KEY-----\n"));
    }
}
