//! One trusted certificate more or less in a PKCS#12 store: every safe that is not concerned stays byte for byte, with its keys
//! encrypted as they are.

use zeroize::Zeroizing;

use super::super::bag::{Content, DATA, ENCRYPTED_DATA, FRIENDLY_NAME, TRUSTED_KEY_USAGE, bag_parts};
use super::super::ber::definite;
use super::super::error::BlockError;
use super::super::passphrase::{Reading, Readings, unasked};
use super::super::pbe;
use super::super::tlv::{BMP, Element, OBJECT, OCTETS, SEQUENCE, SET, ZERO, ZERO_PRIMITIVE};
use super::super::truststore::EditError;
use super::super::work::Work;
use super::write::{ROUNDS, bag, checksum, content, encrypt, integer, sequence};
use super::{Protection, X509_CERTIFICATE, outer};
use crate::cert::certificate::Certificate;
use crate::sensitive::Sensitive;

/// anyExtendedKeyUsage (RFC 5280 section 4.2.1.12).
const ANY_USAGE: &[u8] = b"\x55\x1d\x25\x00";
/// SHA-1, by which a store is known to be for old readers.
const SHA1: &[u8] = b"\x2b\x0e\x03\x02\x1a";

/// See [`super::super::truststore::add`].
pub(in crate::cert::codec) fn add(
    store: &[u8],
    alias: &str,
    certificate: &Certificate,
    passphrase: &Sensitive,
) -> Result<Sensitive, EditError> {
    let der = definite(store).map_err(part)?;
    let mut store = Store::open(&der, passphrase)?;
    let bags = Element::wrap(SEQUENCE, &trusted(alias, certificate));
    let safe = store.safe(&bags, store.encrypted())?;
    store.safes.push(safe);
    store.write()
}

/// See [`super::super::truststore::remove`].
pub(in crate::cert::codec) fn remove(
    store: &[u8],
    alias: &str,
    certificate: &Certificate,
    passphrase: &Sensitive,
) -> Result<Sensitive, EditError> {
    let der = definite(store).map_err(part)?;
    let mut store = Store::open(&der, passphrase)?;
    let mut kept = Vec::new();
    for safe in std::mem::take(&mut store.safes) {
        let Some((bags, encrypted)) = store.bags(&safe)? else {
            kept.push(safe);
            continue;
        };
        let bags = definite(&bags).map_err(part)?;
        let inside = Element::filling(&bags).and_then(|bags| bags.tagged(SEQUENCE)).ok_or_else(broken)?;
        let all: Vec<Element<'_>> = inside.inside().collect();
        let others: Vec<&[u8]> =
            all.iter().filter(|bag| !holds(**bag, alias, certificate)).map(|bag| bag.whole).collect();
        if others.len() == all.len() {
            kept.push(safe);
        } else if !others.is_empty() {
            kept.push(store.safe(&sequence(&others), encrypted)?);
        }
    }
    store.safes = kept;
    store.write()
}

/// See [`super::super::truststore::opens`].
pub(in crate::cert::codec) fn opens(store: &[u8], passphrase: &Sensitive) -> Result<(), EditError> {
    let der = definite(store).map_err(part)?;
    let store = Store::open(&der, passphrase)?;
    store.safes.iter().try_for_each(|safe| store.bags(safe).map(drop))
}

/// A store taken apart.
struct Store {
    /// Each as it stands.
    safes: Vec<Vec<u8>>,
    reading: Reading,
    /// How what is written anew is protected; none: as the store, by nothing.
    protection: Option<Protection>,
    /// Rounds of the checksum's key derivation: never fewer than the store had, for they guard its passphrase.
    rounds: u32,
}

impl Store {
    fn open(der: &[u8], passphrase: &Sensitive) -> Result<Self, EditError> {
        let (content, mac) = outer(der).map_err(part)?;
        let safes = definite(content).map_err(part)?;
        let safes = Element::filling(&safes).and_then(|outer| outer.tagged(SEQUENCE)).ok_or_else(broken)?;
        let safes: Vec<Vec<u8>> = safes.inside().map(|safe| safe.whole.to_vec()).collect();
        let mut readings = Readings::of(Some(passphrase)).0.unwrap_or_default();
        let (mut reading, mut protection, mut rounds) = (None, None, ROUNDS);
        if let Some(mac) = mac {
            let mut work = Work::new(true);
            // A truststore without a passphrase has a checksum of the empty one at most.
            readings.extend(unasked());
            for one in readings.drain(..) {
                if mac.agrees(content, &one, &mut work).map_err(part)? {
                    reading = Some(one);
                    break;
                }
            }
            if reading.is_none() {
                return Err(EditError::WrongPassphrase);
            }
            let old = mac.algorithm().is_some_and(|oid| oid == SHA1);
            protection = Some(if old { Protection::Legacy } else { Protection::Modern });
            rounds = u32::try_from(mac.rounds()).map_or(ROUNDS, |had| had.max(ROUNDS));
        }
        let reading = reading.or_else(|| readings.into_iter().next()).ok_or(EditError::WrongPassphrase)?;
        Ok(Self { safes, reading, protection, rounds })
    }

    /// Whether its certificates are encrypted: as a truststore without passphrase, they need not be.
    fn encrypted(&self) -> bool {
        self.safes.iter().any(|safe| {
            Element::filling(safe).is_some_and(|safe| matches!(Content::of(safe), Some(Content::Encrypted { .. })))
        })
    }

    /// The bags of a safe, and whether they were encrypted; none of a safe that holds something else.
    fn bags(&self, safe: &[u8]) -> Result<Option<Bags>, EditError> {
        let safe = Element::filling(safe).ok_or_else(broken)?;
        match Content::of(safe).ok_or_else(broken)? {
            Content::Plain(octets) => Ok(Some((Zeroizing::new(octets.to_vec()), false))),
            Content::Encrypted { scheme, data } => {
                let opened = pbe::open(scheme, &data, Some(&self.reading), &mut Work::new(true));
                let opened = opened.map_err(|error| {
                    if error == pbe::PbeFailure::WrongPassphrase { EditError::WrongPassphrase } else { part(error) }
                })?;
                Ok(Some((opened, true)))
            }
            Content::Other => Ok(None),
        }
    }

    /// A safe of these bags.
    fn safe(&self, bags: &[u8], encrypted: bool) -> Result<Vec<u8>, EditError> {
        if !encrypted {
            return Ok(content(DATA, &Element::wrap(OCTETS, bags)));
        }
        let sealed = encrypt(bags, &self.reading, self.protection.unwrap_or_default())?;
        let info =
            sequence(&[&Element::wrap(OBJECT, DATA), &sealed.scheme, &Element::wrap(ZERO_PRIMITIVE, &sealed.data)]);
        Ok(content(ENCRYPTED_DATA, &sequence(&[&integer(0), &info])))
    }

    fn write(&self) -> Result<Sensitive, EditError> {
        let safes: Vec<&[u8]> = self.safes.iter().map(Vec::as_slice).collect();
        let safes = sequence(&safes);
        let mac = match self.protection {
            Some(protection) => checksum(&safes, &self.reading, protection, self.rounds)?,
            None => Vec::new(),
        };
        Ok(sequence(&[&integer(3), &content(DATA, &Element::wrap(OCTETS, &safes)), &mac]).into())
    }
}

/// What is in a safe, and whether it was encrypted.
type Bags = (Zeroizing<Vec<u8>>, bool);

/// A bag with a certificate that Java trusts.
fn trusted(alias: &str, certificate: &Certificate) -> Vec<u8> {
    let attribute = |kind: &[u8], value: &[u8]| sequence(&[&Element::wrap(OBJECT, kind), &Element::wrap(SET, value)]);
    let name: Vec<u8> = alias.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let mut marks = [
        attribute(FRIENDLY_NAME, &Element::wrap(BMP, &name)),
        attribute(TRUSTED_KEY_USAGE, &Element::wrap(OBJECT, ANY_USAGE)),
    ];
    // As DER has a set.
    marks.sort();
    let value = Element::wrap(ZERO, &Element::wrap(OCTETS, certificate.der()));
    let value = sequence(&[&Element::wrap(OBJECT, X509_CERTIFICATE), &value]);
    bag(3, &value, &Element::wrap(SET, &marks.concat()))
}

/// Whether a bag holds this certificate under this alias.
fn holds(bag: Element<'_>, alias: &str, certificate: &Certificate) -> bool {
    let Some((3, value, marks)) = bag_parts(bag) else { return false };
    let der = || {
        let mut parts = value.tagged(SEQUENCE)?.inside();
        parts.expect(OBJECT).filter(|kind| kind.content == X509_CERTIFICATE)?;
        Some(parts.expect(ZERO)?.only()?.tagged(OCTETS)?.content)
    };
    marks.name.is_some_and(|name| name.eq_ignore_ascii_case(alias)) && der() == Some(certificate.der())
}

fn broken() -> EditError {
    EditError::Part("a part of it cannot be taken apart".to_owned())
}

fn part(error: impl Into<BlockError>) -> EditError {
    EditError::Part(error.into().to_string())
}
