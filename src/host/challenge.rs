//! Where an ACME server's questions are answered: a listener of our own for the time of an order, or a file in a web server's folder.

mod alpn;
mod listener;
mod plain;
mod webroot;

pub use self::alpn::{ALPN, TlsDoor, asked_name};
pub use self::listener::ListenError;
pub use self::plain::HttpDoor;
pub use self::webroot::{Webroot, WebrootError};

/// Whether a token is one (RFC 8555 section 8.3: base64url, at least 128 bits). It becomes a part of paths, and the server chose it.
#[must_use]
pub fn is_token(token: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (22..=256).contains(&token.len()) && token.bytes().all(allowed)
}
