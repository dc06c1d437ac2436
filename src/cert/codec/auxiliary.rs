//! What OpenSSL writes behind a certificate of which somebody has said what it is trusted for (`openssl x509 -trustout`).

use super::tlv::{Elements, OBJECT, SEQUENCE, ZERO};

/// Why a certificate is no root of TLS servers, though it lies among roots.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Reserve {
    /// Somebody has said that it is none.
    #[error("OpenSSL is told to reject it for TLS servers")]
    Rejected,
    /// Somebody has said for what it is one, and TLS servers are not among that.
    #[error("OpenSSL is told to trust it for other uses than TLS servers")]
    OtherUses,
    /// What somebody has said cannot be read. OpenSSL takes no such block.
    #[error("what OpenSSL is told to trust it for cannot be read")]
    Unreadable,
}

/// What speaks against it, as OpenSSL judges it for `-purpose sslserver`: `X509_CERT_AUX ::= SEQUENCE { trust SEQUENCE OF OBJECT
/// IDENTIFIER OPTIONAL, reject [0] IMPLICIT SEQUENCE OF OBJECT IDENTIFIER OPTIONAL, ... }`. Of an empty list of what it is
/// trusted for nothing is on the list.
pub(super) fn reserve(auxiliary: &[u8]) -> Option<Reserve> {
    if auxiliary.is_empty() {
        return None;
    }
    let lists = || {
        let mut parts = Elements(auxiliary).expect(SEQUENCE)?.inside();
        let mut list = |tag| match parts.optional(tag) {
            Some(uses) => covers_servers(uses.inside()).map(Some),
            None => Some(None),
        };
        Some((list(SEQUENCE)?, list(ZERO)?))
    };
    match lists() {
        None => Some(Reserve::Unreadable),
        Some((_, Some(true))) => Some(Reserve::Rejected),
        Some((Some(false), _)) => Some(Reserve::OtherUses),
        Some((Some(true) | None, Some(false) | None)) => None,
    }
}

/// Whether TLS servers, or anything, are among these uses.
fn covers_servers(mut uses: Elements<'_>) -> Option<bool> {
    let mut covers = false;
    while !uses.is_done() {
        let identifier = uses.expect(OBJECT)?.content;
        covers |= identifier == SERVER_AUTH || identifier == ANY_USE;
    }
    Some(covers)
}

/// 1.3.6.1.5.5.7.3.1, the content octets.
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];

/// 2.5.29.37.0, the content octets.
const ANY_USE: &[u8] = &[0x55, 0x1d, 0x25, 0];
