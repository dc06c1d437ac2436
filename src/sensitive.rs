//! Bytes that may hold a private key or a passphrase.

use std::io::{self, Write};

use serde::Serialize;
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
    /// A value as JSON, for people to read. Its size is found out first: a buffer that grows leaves copies behind, which nobody wipes.
    ///
    /// # Errors
    /// The value has no form in JSON.
    pub fn of_json(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        let mut size = Size(0);
        serde_json::to_writer_pretty(&mut size, value)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(size.0));
        let room = bytes.capacity();
        serde_json::to_writer_pretty(&mut *bytes, value)?;
        debug_assert_eq!(bytes.capacity(), room, "it has grown");
        Ok(Self(bytes))
    }

    /// The bytes, for the one call that needs them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Counts what is written, and keeps none of it.
struct Size(usize);

impl Write for Size {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_written_into_a_place_of_its_size() {
        let value = serde_json::json!({ "key": "a\n\"b\"".repeat(5000), "order": null, "names": ["a", "b"] });
        let bytes = Sensitive::of_json(&value).unwrap();
        assert_eq!(bytes.expose(), serde_json::to_vec_pretty(&value).unwrap());
        assert_eq!(bytes.0.len(), bytes.0.capacity());
    }
}
