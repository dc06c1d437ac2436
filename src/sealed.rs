//! One record, one line, with a checksum in front: a torn or altered one is seen. Pure.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::digest::Digest;

const HEX: usize = 64;

/// `SHA-256 of the JSON, space, JSON, newline`; the checksum as hexadecimal digits.
///
/// # Errors
/// The value has no form in JSON.
pub fn line<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let json = serde_json::to_vec(value)?;
    let mut line = Digest::of(&json).to_string().into_bytes();
    line.push(b' ');
    line.extend_from_slice(&json);
    line.push(b'\n');
    Ok(line)
}

/// The JSON of a line (with or without its newline), if its checksum holds.
#[must_use]
pub fn json(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let (seal, json) = (line.get(..HEX)?, line.get(HEX + 1..)?);
    let seal: Digest = std::str::from_utf8(seal).ok()?.parse().ok()?;
    (line[HEX] == b' ' && Digest::of(json) == seal).then_some(json)
}

/// The value in a line, if its checksum holds and it is what was expected.
#[must_use]
pub fn open<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    serde_json::from_slice(json(line)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_seen() {
        let whole = line(&vec!["a", "b"]).unwrap();
        assert_eq!(open::<Vec<String>>(&whole).unwrap(), ["a", "b"]);
        for index in 0..whole.len() - 1 {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[index] ^= 1 << bit;
                // Upper and lower case hexadecimal digits are the same checksum.
                let same_digits = flipped.eq_ignore_ascii_case(&whole) && index < HEX;
                assert!(same_digits || json(&flipped).is_none(), "byte {index} bit {bit}");
            }
        }
    }

    #[test]
    fn a_torn_line_is_nothing() {
        let whole = line(&7).unwrap();
        for length in 0..whole.len() - 1 {
            assert!(json(&whole[..length]).is_none());
        }
    }
}
