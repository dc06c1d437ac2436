//! What an input holds, told by its bytes and never by its name.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use super::auxiliary::Reserve;
use super::error::{BadBlock, BlockError, InputError, Place, Stopped};
use super::tlv::{Elements, Header, SEQUENCE};
use super::{jks, pem, pkcs7, pkcs8, pkcs12};
use crate::cert::certificate::Certificate;
use crate::cert::key::{KeyError, Look, PrivateKey, StatedKey};
use crate::cert::recent::Recent;
use crate::sensitive::Sensitive;

/// Bytes of input that are read.
pub const MAX_INPUT: usize = 16 << 20;

/// PEM blocks, certificates of a PKCS#7 file, or entries and certificates of a store that are read.
pub const MAX_ENTRIES: usize = 1_000;

/// What an input holds, in its order. Of PKCS#7 and the stores, which have none or another: the chain of each key from its leaf
/// up, then all other certificates.
pub struct Contents {
    /// What the input is.
    pub format: Format,
    /// Certificates.
    pub certificates: Vec<Certificate>,
    /// Private keys, decrypted.
    pub keys: Vec<PrivateKey>,
    /// Private keys that were only looked at.
    pub stated: Vec<StatedKey>,
    /// The entries of a store; none in any other format.
    pub entries: Vec<Entry>,
    /// What is neither certificate nor key, by PEM label or kind: requests, revocation lists, parameters.
    pub ignored: BTreeMap<String, usize>,
    /// What should be one of these and cannot be read.
    pub bad: Vec<BadBlock>,
    /// Blocks that were read although OpenSSL, and so most servers, do not load them.
    pub broken: Vec<Stopped>,
    /// Certificates that are no roots of TLS servers, whoever takes this for a file of roots.
    pub reserved: Vec<Reserved>,
}

/// A certificate that is no root of TLS servers, by what OpenSSL has written behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reserved {
    /// Where in [`Contents::certificates`] it is.
    pub certificate: usize,
    /// Where in the input it is.
    pub place: Place,
    /// What was said of it.
    pub why: Reserve,
}

/// What an input is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Format {
    /// Text blocks (RFC 7468).
    Pem,
    /// DER of a certificate, or of several one after the other.
    CertificateDer,
    /// DER of one private key, encrypted or not.
    KeyDer,
    /// PKCS#7 or CMS `SignedData` (RFC 5652), DER or BER.
    Pkcs7,
    /// PKCS#12 (RFC 7292), DER or BER.
    Pkcs12,
    /// The older keystore of Java.
    Jks,
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Pem => "PEM",
            Self::CertificateDer => "DER of a certificate",
            Self::KeyDer => "DER of a private key",
            Self::Pkcs7 => "PKCS#7",
            Self::Pkcs12 => "PKCS#12",
            Self::Jks => "JKS",
        })
    }
}

/// An entry of a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its alias (JKS) or friendly name (PKCS#12). Whoever prints it must escape it. Not unique in PKCS#12.
    pub name: Option<String>,
    /// What it holds.
    pub holds: Holds,
    /// Whether Java trusts it: in PKCS#12 a certificate alone is trusted only with Oracle's mark.
    pub trusted: bool,
}

/// What an entry of a store holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Holds {
    /// A private key and its certificates.
    Key {
        /// Where in [`Contents::keys`] the key is; `None` where it could not be opened.
        key: Option<usize>,
        /// Its certificates from the leaf up; empty where there is none.
        chain: Vec<Certificate>,
    },
    /// A certificate without a key: a trusted one, or one that merely lies there.
    Certificate(Certificate),
}

impl Contents {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            certificates: Vec::new(),
            keys: Vec::new(),
            stated: Vec::new(),
            entries: Vec::new(),
            ignored: BTreeMap::new(),
            bad: Vec::new(),
            broken: Vec::new(),
            reserved: Vec::new(),
        }
    }

    /// The certificates as roots of TLS servers, each once; and, for people, which of them are none. Of a certificate that is there
    /// twice the first counts, as it does for OpenSSL.
    #[must_use]
    pub fn into_roots(self) -> (Vec<Certificate>, Vec<String>) {
        let (mut seen, mut told) = (BTreeSet::new(), Vec::new());
        let mut roots = Vec::with_capacity(self.certificates.len());
        for (index, one) in self.certificates.into_iter().enumerate() {
            if !seen.insert(one.fingerprint()) {
                continue;
            }
            match self.reserved.iter().find(|reserved| reserved.certificate == index) {
                Some(Reserved { place, why, .. }) => {
                    told.push(format!("{place}: {} is no root here: {why}", one.title()));
                }
                None => roots.push(one),
            }
        }
        (roots, told)
    }

    /// The public halves of the keys, each a SubjectPublicKeyInfo.
    #[must_use]
    pub fn halves(&self) -> Vec<&[u8]> {
        self.keys.iter().map(PrivateKey::spki).chain(self.stated.iter().map(StatedKey::spki)).collect()
    }

    pub(super) fn ignore(&mut self, what: &str) {
        *self.ignored.entry(what.to_owned()).or_default() += 1;
    }

    pub(super) fn refuse(&mut self, place: Place, why: impl Into<BlockError>) {
        self.bad.push(BadBlock { place, why: why.into() });
    }

    /// The key of an entry, where it could be opened.
    #[must_use]
    pub fn key_of(&self, entry: &Entry) -> Option<&PrivateKey> {
        match &entry.holds {
            Holds::Key { key, .. } => self.keys.get((*key)?),
            Holds::Certificate(_) => None,
        }
    }

    /// Makes the certificates of the entries those of the whole: chains first, each certificate once.
    pub(super) fn gather(&mut self) {
        let mut seen = HashSet::new();
        let chains = self.entries.iter().flat_map(|entry| match &entry.holds {
            Holds::Key { chain, .. } => chain.as_slice(),
            Holds::Certificate(_) => &[],
        });
        let alone = self.entries.iter().filter_map(|entry| match &entry.holds {
            Holds::Key { .. } => None,
            Holds::Certificate(one) => Some(one),
        });
        self.certificates = chains.chain(alone).filter(|one| seen.insert(one.der())).cloned().collect();
    }
}

/// Reads whatever holds certificates and keys: PEM with any number of blocks in any order, DER of one certificate or key, PKCS#7,
/// PKCS#12 and JKS. What can be read is read even where other parts cannot; those are told in [`Contents::bad`].
///
/// The passphrase opens everything that is encrypted. Without one a PKCS#12 store is tried with the empty passphrase and no
/// other, and what stands unencrypted in a locked store is read.
///
/// PEM is taken as it is found: a byte order mark, UTF-16, any line ends, indentation, text between blocks, blank lines and header
/// lines inside them, blocks without a line end between them.
///
/// # Errors
/// Nothing in the input can be read, or it is too large.
pub fn read(input: &[u8], passphrase: Option<&Sensitive>) -> Result<Contents, InputError> {
    read_with(input, passphrase, None, Look::Into)
}

/// The same as one of many inputs, in which the certificates of a few CAs stand again and again; keys that stand there unencrypted in PEM
/// are looked into or not.
///
/// # Errors
/// As [`read`].
pub fn read_beside(
    input: &[u8],
    passphrase: Option<&Sensitive>,
    recent: &mut Recent,
    keys: Look,
) -> Result<Contents, InputError> {
    read_with(input, passphrase, Some(recent), keys)
}

fn read_with(
    input: &[u8],
    passphrase: Option<&Sensitive>,
    recent: Option<&mut Recent>,
    keys: Look,
) -> Result<Contents, InputError> {
    if input.len() > MAX_INPUT {
        return Err(InputError::TooLarge(input.len()));
    }
    match input {
        [0x30, ..] => {
            // DER may hold any bytes, a BEGIN line among them, so what is DER is no PEM.
            if let Some(contents) = read_binary(input, passphrase) {
                return contents;
            }
        }
        [0xfe, 0xed, 0xfe, 0xed, ..] => return jks::read(input, passphrase),
        [0xce, 0xce, 0xce, 0xce, ..] => return Err(InputError::Unsupported("a JCEKS keystore of Java")),
        // The version, and a salt of 20 bytes.
        [0, 0, 0, 1 | 2, 0, 0, 0, 20, ..] => {
            return Err(InputError::Unsupported("a BKS or UBER keystore of Bouncy Castle"));
        }
        _ => {}
    }
    pem::read_text(input, passphrase, recent, keys)
}

/// Whether it begins as a certificate that says its version: two sequences, the version and the serial number (RFC 5280 section 4.1),
/// which nothing else begins with. Costs a few bytes.
#[must_use]
pub fn begins_as_certificate(input: &[u8]) -> bool {
    fn inside(der: &[u8]) -> Option<&[u8]> {
        let header = Header::read(der).filter(|header| header.tag == SEQUENCE)?;
        der.get(header.size..)
    }
    inside(input).and_then(inside).is_some_and(|signed| matches!(signed, [0xa0, 3, 2, 1, _, 2, ..]))
}

/// What begins as DER of a certificate: that one and any that follow it directly. A line end behind them is what transfer as text leaves.
fn read_certificates(input: &[u8]) -> Result<Contents, InputError> {
    let unreadable = |why| InputError::Unreadable { format: Format::CertificateDer, why };
    let mut contents = Contents::new(Format::CertificateDer);
    let mut elements = Elements(input);
    loop {
        let Some(one) = elements.next() else {
            let why = BlockError::Damaged("it is cut off");
            if contents.certificates.is_empty() {
                return Err(unreadable(why));
            }
            contents.refuse(Place::Der, why);
            return Ok(contents);
        };
        match Certificate::from_der(one.whole) {
            Ok(certificate) => contents.certificates.push(certificate),
            Err(error) if contents.certificates.is_empty() => return Err(unreadable(BlockError::Certificate(error))),
            Err(error) => contents.refuse(Place::Der, BlockError::Certificate(error)),
        }
        if elements.0.trim_ascii().is_empty() {
            return Ok(contents);
        }
        if !begins_as_certificate(elements.0) {
            contents.refuse(Place::Der, BlockError::Damaged("something else follows the certificate"));
            return Ok(contents);
        }
        if contents.certificates.len() + contents.bad.len() >= MAX_ENTRIES {
            return Err(InputError::TooManyBlocks);
        }
    }
}

/// DER or BER of a certificate, key, PKCS#7 or PKCS#12; `None` where it is none.
fn read_binary(input: &[u8], passphrase: Option<&Sensitive>) -> Option<Result<Contents, InputError>> {
    if pkcs7::begins(input) {
        return Some(pkcs7::read(input));
    }
    if pkcs12::begins(input) {
        return Some(pkcs12::read(input, passphrase));
    }
    if begins_as_certificate(input) {
        return Some(read_certificates(input));
    }
    let mut elements = Elements(input);
    let first = elements.expect(SEQUENCE).filter(|_| elements.0.trim_ascii().is_empty())?;
    let input = first.whole;
    if let Ok(certificate) = Certificate::from_der(input) {
        let mut contents = Contents::new(Format::CertificateDer);
        contents.certificates.push(certificate);
        return Some(Ok(contents));
    }
    let key = match PrivateKey::from_der(input) {
        Err(KeyError::Unreadable) if pkcs8::looks_encrypted(input) => {
            pkcs8::decrypt(input, passphrase).map_err(BlockError::from)
        }
        Err(KeyError::Unreadable) => return None,
        key => key.map_err(BlockError::Key),
    };
    let mut contents = Contents::new(Format::KeyDer);
    match key {
        Ok(key) => contents.keys.push(key),
        Err(why) => contents.refuse(Place::Der, why),
    }
    Some(Ok(contents))
}
