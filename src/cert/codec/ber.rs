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
///
/// In two walks, each over every byte once: what is long or deep costs no more than what is short. The first finds how long each element
/// becomes, so that the second writes everything straight to its place and no copy of a key is left behind by growing.
pub(super) fn definite(ber: &[u8]) -> Result<Zeroizing<Vec<u8>>, BerError> {
    let mut plan = Vec::new();
    let (size, rest) = measure(ber, MAX_DEPTH, &mut plan)?;
    if !rest.is_empty() {
        return Err(BerError::Damaged);
    }
    let mut out = Zeroizing::new(Vec::with_capacity(size));
    write(ber, &mut plan.iter().copied(), &mut out)?;
    Ok(out)
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    debug_assert!(out.capacity() - out.len() >= bytes.len(), "it would grow");
    out.extend_from_slice(bytes);
}

const CONSTRUCTED: u8 = 0x20;
const INDEFINITE: u8 = 0x80;
const END: [u8; 2] = [0, 0];

/// What becomes of an element that holds others.
#[derive(Clone, Copy)]
enum Becomes {
    /// It stays as it stands, with everything inside.
    Same,
    /// It gets a header for so many bytes of content: in as few bytes as do, for millions of elements.
    Of(u32),
}

/// The beginning of an element.
struct Start<'a> {
    tag: u8,
    /// Whether an end mark ends it, and not its length.
    open: bool,
    header: &'a [u8],
    /// What follows the header: the content alone where the length is known.
    content: &'a [u8],
    /// What follows the element, where the length is known.
    rest: &'a [u8],
}

impl<'a> Start<'a> {
    fn of(ber: &'a [u8]) -> Result<Self, BerError> {
        let tag = *ber.first().ok_or(BerError::Damaged)?;
        if ber.get(1) == Some(&INDEFINITE) && tag & CONSTRUCTED != 0 {
            let (header, content) = ber.split_at_checked(2).ok_or(BerError::Damaged)?;
            return Ok(Self { tag, open: true, header, content, rest: &[] });
        }
        let found = Header::read(ber).ok_or(BerError::Damaged)?;
        let (header, after) = ber.split_at_checked(found.size).ok_or(BerError::Damaged)?;
        let (content, rest) = after.split_at_checked(found.length).ok_or(BerError::Damaged)?;
        Ok(Self { tag, open: false, header, content, rest })
    }

    /// Whether it holds other elements.
    fn holds_others(&self) -> bool {
        self.tag & CONSTRUCTED != 0
    }

    /// Shows what stands before each element inside, until `step` has gone past the last; gives what follows this one.
    fn each(&self, mut step: impl FnMut(&'a [u8]) -> Result<&'a [u8], BerError>) -> Result<&'a [u8], BerError> {
        let mut content = self.content;
        loop {
            match content.strip_prefix(&END) {
                Some(rest) if self.open => return Ok(rest),
                Some(_) | None if !self.open && content.is_empty() => return Ok(self.rest),
                Some(_) | None => content = step(content)?,
            }
        }
    }
}

/// How many bytes the first element of `ber` becomes, and what follows it. What becomes of each element that holds others is added to the
/// plan, in the order in which they begin; nothing of those inside one that stays as it is, or inside an octet string in pieces.
fn measure<'a>(ber: &'a [u8], depth: usize, plan: &mut Vec<Becomes>) -> Result<(usize, &'a [u8]), BerError> {
    let start = Start::of(ber)?;
    let whole = start.header.len() + start.content.len();
    if !start.holds_others() {
        return Ok((whole, start.rest));
    }
    let depth = depth.checked_sub(1).ok_or(BerError::TooDeep)?;
    let place = plan.len();
    plan.push(Becomes::Same);
    let pieces = is_pieces(start.tag);
    let (mut length, mut changed) = (0_usize, start.open || pieces);
    let rest = start.each(|inner| {
        let (before, known) = (plan.len(), Start::of(inner)?);
        let (size, rest) = measure(inner, depth, plan)?;
        // Of an octet string in pieces only their bytes count.
        length += match (pieces, plan.get(before)) {
            (false, _) => size,
            (true, None) if known.tag == OCTETS => known.content.len(),
            (true, Some(Becomes::Of(content))) if is_pieces(known.tag) => *content as usize,
            (true, _) => return Err(BerError::Damaged),
        };
        changed |= matches!(plan.get(before), Some(Becomes::Of(_)));
        if pieces {
            plan.truncate(before);
        }
        Ok(rest)
    })?;
    if !changed {
        plan.truncate(place + 1);
        return Ok((whole, rest));
    }
    if let Some(becomes) = plan.get_mut(place) {
        *becomes = Becomes::Of(u32::try_from(length).map_err(|_| BerError::Damaged)?);
    }
    Ok((Element::header(OCTETS, length).len() + length, rest))
}

/// Writes the first element of `ber` as it was planned, and gives what follows it.
fn write<'a>(
    ber: &'a [u8],
    plan: &mut impl Iterator<Item = Becomes>,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<&'a [u8], BerError> {
    let start = Start::of(ber)?;
    let becomes = if start.holds_others() { plan.next().ok_or(BerError::Damaged)? } else { Becomes::Same };
    let Becomes::Of(length) = becomes else {
        put(out, start.header);
        put(out, start.content);
        return Ok(start.rest);
    };
    if is_pieces(start.tag) {
        put(out, &Element::header(OCTETS, length as usize));
        return join(&start, out);
    }
    put(out, &Element::header(start.tag, length as usize));
    start.each(|inner| write(inner, plan, out))
}

/// Writes the bytes of an octet string in pieces, and gives what follows it.
fn join<'a>(whole: &Start<'a>, out: &mut Zeroizing<Vec<u8>>) -> Result<&'a [u8], BerError> {
    whole.each(|inner| {
        let piece = Start::of(inner)?;
        if piece.holds_others() {
            return join(&piece, out);
        }
        put(out, piece.content);
        Ok(piece.rest)
    })
}

/// Whether the element is an octet string that comes in pieces.
fn is_pieces(tag: u8) -> bool {
    tag == OCTETS | CONSTRUCTED
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

    #[test]
    fn pieces_are_joined_from_whatever_depth() {
        let pieces = b"\x04\x01x\x04\x00".repeat(200_000);
        let joined = Element::wrap(OCTETS, &b"x".repeat(200_000));
        for depth in [1, MAX_DEPTH - 1] {
            let deep = [b"\x24\x80".repeat(depth), pieces.clone(), b"\x00\x00".repeat(depth)].concat();
            assert_eq!(*definite(&deep).unwrap(), joined, "{depth} levels");
        }
    }

    /// Pieces of a kind that none is, at any level, and what stands beside what changes.
    #[test]
    fn only_octets_are_pieces_and_what_does_not_change_stays_as_it_is() {
        for bad in [
            b"\x24\x80\x24\x80\x30\x00\x00\x00\x00\x00".as_slice(),
            b"\x24\x80\x30\x80\x00\x00\x00\x00",
            b"\x24\x02\x05\x00",
            b"\x24\x04\x34\x02\x04\x00",
        ] {
            assert_eq!(definite(bad).err(), Some(BerError::Damaged), "{bad:02x?}");
        }
        for (ber, der) in [
            // Lengths that are longer than they need be, beside an end mark.
            (b"\x30\x80\x30\x81\x04\x30\x81\x01\x00\x30\x80\x00\x00\x00\x00".as_slice(), b"".as_slice()),
            (b"\x30\x80\x30\x81\x03\x30\x81\x00\x30\x80\x00\x00\x00\x00", b"\x30\x08\x30\x81\x03\x30\x81\x00\x30\x00"),
            (b"\x24\x08\x24\x80\x04\x81\x01a\x00\x00\x04\x00", b""),
            (b"\x24\x0a\x24\x80\x04\x81\x01a\x00\x00\x04\x00", b"\x04\x01a"),
            (b"\x24\x80\x00\x00", b"\x04\x00"),
            (b"\xa0\x80\x24\x04\x24\x02\x04\x00\x02\x01\x05\x00\x00", b"\xa0\x05\x04\x00\x02\x01\x05"),
        ] {
            let made = definite(ber).map(|made| made.to_vec());
            assert_eq!(made.unwrap_or_default(), der, "{ber:02x?}");
        }
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
