//! BER (X.690 section 8) made definite: indefinite lengths get their length, octet strings in pieces are joined.
//!
//! PKCS#7 and PKCS#12 of older tools (Windows, Java, Netscape, hardware modules) come like this. Everything that is definite
//! already stays byte for byte as it is, so that a certificate inside keeps its fingerprint.

use zeroize::Zeroizing;

use super::tlv::{Element, Header, OCTETS};

/// Levels of elements inside elements that are followed.
pub(super) const MAX_DEPTH: usize = 32;

/// The bytes cannot be made definite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BerError {
    /// A length beyond the end, no end, or bytes after it.
    Damaged,
    /// More than [`MAX_DEPTH`] levels.
    TooDeep,
}

/// Makes the one element that fills `ber` definite. Wiped, as it may hold a key.
pub(super) fn definite(ber: &[u8]) -> Result<Zeroizing<Vec<u8>>, BerError> {
    let mut out = room_for(ber.len());
    let rest = element(ber, &mut out, MAX_DEPTH)?;
    if rest.is_empty() { Ok(out) } else { Err(BerError::Damaged) }
}

/// Room for so many bytes made definite, reserved at once: growing would leave a copy behind. An end mark pays for the length that
/// replaces it, but for elements of 64 KiB and more, which cost a byte each.
fn room_for(length: usize) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(length + length / 1024 + 64))
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    debug_assert!(out.capacity() - out.len() >= bytes.len(), "it would grow");
    out.extend_from_slice(bytes);
}

const CONSTRUCTED: u8 = 0x20;
const INDEFINITE: u8 = 0x80;
const END: [u8; 2] = [0, 0];

/// Writes the first element of `ber` and gives what follows it.
fn element<'a>(ber: &'a [u8], out: &mut Zeroizing<Vec<u8>>, depth: usize) -> Result<&'a [u8], BerError> {
    let tag = *ber.first().ok_or(BerError::Damaged)?;
    if ber.get(1) == Some(&INDEFINITE) && tag & CONSTRUCTED != 0 {
        let (content, rest) = until_end(ber.get(2..).unwrap_or_default(), tag, depth)?;
        write(tag, &content, out);
        return Ok(rest);
    }
    let header = Header::read(ber).ok_or(BerError::Damaged)?;
    let end = header.size.checked_add(header.length).ok_or(BerError::Damaged)?;
    let (whole, rest) = ber.split_at_checked(end).ok_or(BerError::Damaged)?;
    let content = whole.get(header.size..).unwrap_or_default();
    if tag & CONSTRUCTED == 0 {
        put(out, whole);
        return Ok(rest);
    }
    let inner = all(content, tag, depth)?;
    if is_pieces(tag) || inner.as_slice() != content {
        write(tag, &inner, out);
    } else {
        put(out, whole);
    }
    Ok(rest)
}

/// Everything inside a definite element.
fn all(mut content: &[u8], tag: u8, depth: usize) -> Result<Zeroizing<Vec<u8>>, BerError> {
    let depth = depth.checked_sub(1).ok_or(BerError::TooDeep)?;
    let mut inner = room_for(content.len());
    while !content.is_empty() {
        content = piece(content, tag, &mut inner, depth)?;
    }
    Ok(inner)
}

/// Everything up to the end mark, and what follows that.
fn until_end(mut content: &[u8], tag: u8, depth: usize) -> Result<(Zeroizing<Vec<u8>>, &[u8]), BerError> {
    let depth = depth.checked_sub(1).ok_or(BerError::TooDeep)?;
    let mut inner = room_for(length_until_end(content, depth)?);
    loop {
        if let Some(rest) = content.strip_prefix(&END) {
            return Ok((inner, rest));
        }
        content = piece(content, tag, &mut inner, depth)?;
    }
}

/// One element inside another: of an octet string in pieces only its bytes count.
fn piece<'a>(content: &'a [u8], tag: u8, inner: &mut Zeroizing<Vec<u8>>, depth: usize) -> Result<&'a [u8], BerError> {
    if !is_pieces(tag) {
        return element(content, inner, depth);
    }
    let mut whole = room_for(length_of(content, depth)?);
    let rest = element(content, &mut whole, depth)?;
    let header = Header::read(&whole).filter(|header| header.tag == OCTETS).ok_or(BerError::Damaged)?;
    put(inner, whole.get(header.size..).unwrap_or_default());
    Ok(rest)
}

/// Whether the element is an octet string that comes in pieces.
fn is_pieces(tag: u8) -> bool {
    tag == OCTETS | CONSTRUCTED
}

fn write(tag: u8, content: &[u8], out: &mut Vec<u8>) {
    let whole = Zeroizing::new(Element::wrap(if is_pieces(tag) { OCTETS } else { tag }, content));
    put(out, &whole);
}

/// How many bytes the first element of `ber` takes, its end mark included.
fn length_of(ber: &[u8], depth: usize) -> Result<usize, BerError> {
    let tag = *ber.first().ok_or(BerError::Damaged)?;
    let length = if ber.get(1) == Some(&INDEFINITE) && tag & CONSTRUCTED != 0 {
        let depth = depth.checked_sub(1).ok_or(BerError::TooDeep)?;
        length_until_end(ber.get(2..).unwrap_or_default(), depth)?.saturating_add(2 + END.len())
    } else {
        let header = Header::read(ber).ok_or(BerError::Damaged)?;
        header.size.checked_add(header.length).ok_or(BerError::Damaged)?
    };
    if length > ber.len() { Err(BerError::Damaged) } else { Ok(length) }
}

/// How many bytes stand before the end mark.
fn length_until_end(content: &[u8], depth: usize) -> Result<usize, BerError> {
    let mut rest = content;
    while !rest.starts_with(&END) {
        let length = length_of(rest, depth)?;
        rest = rest.get(length..).ok_or(BerError::Damaged)?;
    }
    Ok(content.len() - rest.len())
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cert::codec::tlv::Elements;

    /// The same in the form of a tool that streams: no lengths, and octet strings in pieces.
    pub(in crate::cert::codec) fn streamed(der: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for element in Elements(der) {
            if element.tag & CONSTRUCTED != 0 {
                out.extend([element.tag, INDEFINITE]);
                out.extend(streamed(element.content));
                out.extend(END);
            } else if element.tag == OCTETS || element.tag == 0x80 {
                out.extend([element.tag | CONSTRUCTED, INDEFINITE]);
                element.content.chunks(100).for_each(|piece| out.extend(Element::wrap(OCTETS, piece)));
                out.extend(END);
            } else {
                out.extend(element.whole);
            }
        }
        out
    }
    use crate::cert::fixture::{Wish, self_signed};

    /// That nothing outgrows the room it was given is asserted where it is written.
    #[test]
    fn what_is_made_definite_fits_into_its_room() {
        for size in [0, 10, 100, 1000, 70_000, 300_000] {
            for depth in [0, 1, 5, 20] {
                let wrap = |der: Vec<u8>, _| Element::wrap(0x30, &der);
                let der = (0..depth).fold(Element::wrap(OCTETS, &vec![7; size]), wrap);
                assert_eq!(*definite(&streamed(&der)).unwrap(), der, "{size} bytes, {depth} levels");
            }
        }
    }

    #[test]
    fn what_is_definite_stays_and_all_else_becomes_so() {
        let der = self_signed(&Wish::ca("x")).certificate.der().to_vec();
        assert_eq!(*definite(&der).unwrap(), der);
        for (ber, der) in [
            (b"\x30\x80\x02\x01\x05\x00\x00".as_slice(), b"\x30\x03\x02\x01\x05".as_slice()),
            (b"\x30\x80\x30\x80\x00\x00\x00\x00", b"\x30\x02\x30\x00"),
            (b"\x24\x80\x04\x01\x61\x24\x80\x04\x01\x62\x00\x00\x00\x00", b"\x04\x02ab"),
            (b"\x24\x06\x04\x01\x61\x04\x01\x62", b"\x04\x02ab"),
            // A length longer than it need be is no reason to write anew, but where something inside changes.
            (b"\x30\x81\x03\x02\x01\x05", b"\x30\x81\x03\x02\x01\x05"),
            (b"\x30\x81\x04\x30\x80\x00\x00", b"\x30\x02\x30\x00"),
        ] {
            assert_eq!(definite(ber).unwrap().as_slice(), der, "{ber:?}");
        }
        let long = [b"\x24\x80\x04\x81\xc8".as_slice(), &[7; 200], b"\x00\x00"].concat();
        assert_eq!(*definite(&long).unwrap(), [b"\x04\x81\xc8".as_slice(), &[7; 200]].concat());
    }

    #[test]
    fn damage_and_bombs_are_refused() {
        for bad in
            [b"".as_slice(), b"\x30", b"\x30\x80", b"\x30\x80\x00", b"\x30\x00\x00", b"\x24\x80\x02\x01\x05\x00\x00"]
        {
            assert_eq!(definite(bad).err(), Some(BerError::Damaged), "{bad:?}");
        }
        let bomb = b"\x30\x80".repeat(8 << 20);
        assert_eq!(definite(&bomb).err(), Some(BerError::TooDeep));
        let bomb = b"\x24\x80".repeat(8 << 20);
        assert_eq!(definite(&bomb).err(), Some(BerError::TooDeep));
        let mut nested = Vec::new();
        for _ in 0..=MAX_DEPTH {
            nested = [b"\x30".as_slice(), &[u8::try_from(nested.len()).unwrap()], &nested].concat();
        }
        assert_eq!(definite(&nested).err(), Some(BerError::TooDeep));
        assert!(definite(&nested[2..]).is_ok());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_grow(bytes in proptest::collection::vec(
            prop_oneof![Just(0x30_u8), Just(0x80), Just(0x24), Just(0), Just(4), Just(1), any::<u8>()], 0..200
        )) {
            if let Ok(out) = definite(&bytes) {
                // Two bytes of an end mark pay for a length.
                prop_assert!(out.len() <= bytes.len());
                prop_assert_eq!(&*definite(&out).unwrap(), &*out);
            }
        }
    }
}
