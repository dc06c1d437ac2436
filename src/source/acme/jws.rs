//! Signed requests (RFC 8555 section 6.2): only those that must be made with a key that is on disk before the server knows it.
//!
//! The ACME library makes its keys while it registers them, so that a kill at the wrong moment loses a key that the server has; and it
//! knows no external account binding for a key that is there already. Registering and exchanging keys are therefore done here; orders
//! are the library's.

use aws_lc_rs::digest;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::error::AcmeError;
use crate::cert::codec;
use crate::cert::{Generate, KeyKind, PrivateKey};
use crate::sensitive::Sensitive;

/// The key of an account: P-256.
pub(super) struct AccountKey {
    pair: EcdsaKeyPair,
    der: Sensitive,
    pem: Sensitive,
}

/// How a request says whose it is (RFC 8555 section 6.2).
#[derive(Clone, Copy)]
pub(super) enum By<'a> {
    /// By the key itself: for registering, and where the server is asked who has it.
    Key,
    /// By the account's URL.
    Account(&'a str),
}

impl AccountKey {
    /// A new one.
    pub(super) fn generate() -> Result<Self, AcmeError> {
        Self::of(&PrivateKey::generate(Generate::P256).map_err(|_| AcmeError::Crypto)?)
    }

    /// Out of the PEM that was kept; `None` where that is no such key.
    pub(super) fn read(pem: &Sensitive) -> Option<Self> {
        let contents = codec::read(pem.expose(), None).ok()?;
        let [key] = contents.keys.as_slice() else { return None };
        Self::of(key).ok()
    }

    fn of(key: &PrivateKey) -> Result<Self, AcmeError> {
        if *key.kind() != KeyKind::P256 {
            return Err(AcmeError::Crypto);
        }
        let der = Sensitive::from(key.pkcs8_der().expose().to_vec());
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.expose()).map_err(|_| AcmeError::Crypto)?;
        Ok(Self { pair, der, pem: key.to_pem() })
    }

    /// PKCS#8.
    pub(super) fn der(&self) -> &Sensitive {
        &self.der
    }

    /// As it is kept.
    pub(super) fn pem(&self) -> &Sensitive {
        &self.pem
    }

    /// The public half (RFC 7517), its members in the order of RFC 7638.
    pub(super) fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let half = |from: usize| BASE64_URL_SAFE_NO_PAD.encode(point.get(from..from + 32).unwrap_or_default());
        json!({ "crv": "P-256", "kty": "EC", "x": half(1), "y": half(33) })
    }

    /// Its thumbprint (RFC 7638 section 3).
    pub(super) fn thumbprint(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.jwk().to_string().as_bytes()))
    }

    /// A request to `url`; an empty payload asks without changing (RFC 8555 section 6.3).
    pub(super) fn sign(
        &self,
        by: By<'_>,
        nonce: Option<&str>,
        url: &str,
        payload: Option<&Value>,
    ) -> Result<Value, AcmeError> {
        let mut protected = json!({ "alg": "ES256", "url": url });
        match by {
            By::Key => protected["jwk"] = self.jwk(),
            By::Account(id) => protected["kid"] = json!(id),
        }
        if let Some(nonce) = nonce {
            protected["nonce"] = json!(nonce);
        }
        let (protected, payload) = (encode(&protected), payload.map(encode).unwrap_or_default());
        let signed = format!("{protected}.{payload}");
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).map_err(|_| AcmeError::Crypto)?;
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
        Ok(json!({ "protected": protected, "payload": payload, "signature": signature }))
    }
}

/// The account at the CA's own customer management that a new ACME account is bound to (RFC 8555 section 7.3.4).
pub struct Binding {
    id: String,
    key: Zeroizing<Vec<u8>>,
}

impl Binding {
    /// With the key as CAs hand it out: base64url or base64, with or without padding.
    ///
    /// # Errors
    /// It is none of these, or empty.
    pub fn new(id: &str, key: &Sensitive) -> Result<Self, AcmeError> {
        let text = key.expose().trim_ascii();
        let url = BASE64_URL_SAFE_NO_PAD.decode(text).or_else(|_| BASE64_URL_SAFE.decode(text));
        let decoded = url.or_else(|_| BASE64_STANDARD.decode(text)).map_err(|_| AcmeError::BindingKey)?;
        if decoded.is_empty() {
            Err(AcmeError::BindingKey)
        } else {
            Ok(Self { id: id.to_owned(), key: decoded.into() })
        }
    }

    /// The key of the new account, signed with the MAC key.
    pub(super) fn bind(&self, jwk: &Value, url: &str) -> Value {
        let protected = encode(&json!({ "alg": "HS256", "kid": self.id, "url": url }));
        let payload = encode(jwk);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key);
        let signature = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, format!("{protected}.{payload}").as_bytes()));
        json!({ "protected": protected, "payload": payload, "signature": signature })
    }
}

fn encode(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    fn decoded(part: &Value) -> Value {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part.as_str().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn a_request_says_whose_it_is_and_verifies() {
        let key = AccountKey::generate().unwrap();
        let signed = key.sign(By::Key, Some("n1"), "https://ca/new", Some(&json!({ "a": 1 }))).unwrap();
        let protected = decoded(&signed["protected"]);
        assert_eq!(protected, json!({ "alg": "ES256", "jwk": key.jwk(), "nonce": "n1", "url": "https://ca/new" }));
        let text = format!("{}.{}", signed["protected"].as_str().unwrap(), signed["payload"].as_str().unwrap());
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signed["signature"].as_str().unwrap()).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.pair.public_key().as_ref().to_vec());
        public.verify(text.as_bytes(), &signature).unwrap();
        let asked = key.sign(By::Account("https://ca/1"), Some("n2"), "https://ca/o", None).unwrap();
        assert_eq!(asked["payload"], "", "RFC 8555 section 6.3: an empty string");
        assert_eq!(decoded(&asked["protected"])["kid"], "https://ca/1");
    }

    /// The members must be in this order for the thumbprint (RFC 7638 section 3.2).
    #[test]
    fn the_thumbprint_is_made_of_the_members_in_order() {
        let key = AccountKey::generate().unwrap();
        let text = key.jwk().to_string();
        assert!(text.starts_with("{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\""), "{text}");
        assert_eq!(key.thumbprint().len(), 43);
        let again = AccountKey::read(key.pem()).unwrap();
        assert_eq!(again.thumbprint(), key.thumbprint());
        assert!(AccountKey::read(&Sensitive::from(b"nonsense".to_vec())).is_none());
    }

    #[test]
    fn a_binding_takes_the_key_as_it_is_handed_out() {
        let bind = |key: &str| {
            let binding = Binding::new("kid-1", &Sensitive::from(key.to_owned())).ok()?;
            Some(binding.bind(&json!({ "kty": "EC" }), "https://ca/new"))
        };
        let bytes =
            BASE64_URL_SAFE_NO_PAD.decode("zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W").unwrap();
        let first = bind("zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W\n").unwrap();
        assert_eq!(decoded(&first["protected"]), json!({ "alg": "HS256", "kid": "kid-1", "url": "https://ca/new" }));
        for same in [BASE64_URL_SAFE.encode(&bytes), BASE64_STANDARD.encode(&bytes)] {
            assert_eq!(bind(&same).unwrap(), first, "{same}");
        }
        for none in ["", "  \n", "not base64!"] {
            assert!(bind(none).is_none(), "{none:?}");
        }
    }
}
