//! Key exchange over P-521, which the TLS library does not offer: a server of TLS 1.2 shows a certificate with a P-521 key only to a
//! client that names the curve (RFC 8422 section 5.1), and some servers have no other group.

use aws_lc_rs::agreement::{ECDH_P521, EphemeralPrivateKey, PublicKey, UnparsedPublicKey, agree_ephemeral};
use aws_lc_rs::rand::SystemRandom;
use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved};

/// The group, for the end of the list: no server is led to it that has another.
pub(super) static SECP521R1: &dyn SupportedKxGroup = &P521;

/// A point that is not compressed begins with this (SEC 1 section 2.3.3); TLS 1.3 knows no other form (RFC 8446 section 4.2.8.2).
const UNCOMPRESSED: u8 = 4;

#[derive(Debug)]
struct P521;

impl SupportedKxGroup for P521 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let no_random = |_| Error::FailedToGetRandomBytes;
        let secret = EphemeralPrivateKey::generate(&ECDH_P521, &SystemRandom::new()).map_err(no_random)?;
        let public = secret.compute_public_key().map_err(no_random)?;
        Ok(Box::new(Begun { secret, public }))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

struct Begun {
    secret: EphemeralPrivateKey,
    public: PublicKey,
}

impl ActiveKeyExchange for Begun {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let wrong = || Error::from(PeerMisbehaved::InvalidKeyShare);
        if peer.first() != Some(&UNCOMPRESSED) {
            return Err(wrong());
        }
        let peer = UnparsedPublicKey::new(&ECDH_P521, peer);
        agree_ephemeral(self.secret, peer, wrong(), |secret| Ok(SharedSecret::from(secret)))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_ref()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}
