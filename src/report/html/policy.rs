//! What a browser may do with the page: show it. (Content Security Policy Level 3.)

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::digest::Digest;

/// Nothing is loaded, run, framed or sent; only the style sheet with this digest counts.
pub fn policy(style: &str) -> String {
    let digest = BASE64_STANDARD.encode(Digest::of(style.as_bytes()).as_bytes());
    format!("default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_written_as_browsers_read_it() {
        assert!(policy("").contains("'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"));
    }
}
