//! What the files of a target amount to: the chain in the order in which a server would send it, and whether the key belongs to it.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::codec::{self, Contents, Format, InputError, Stop};
use super::{Bundle, Certificate, Chain, Name, PrivateKey};
use crate::change::Role;
use crate::digest::Digest;

/// A pair as it stands in files, good or bad.
pub struct Installed {
    /// The leaf, which is the first where none or several could be it, and the others in file order; `None` when there is none.
    pub chain: Option<Chain>,
    /// The key.
    pub key: KeyFound,
    /// What could not be read, for people.
    pub problems: Vec<String>,
    /// Private keys of kinds that are not read here, for people: nobody knows whose they are.
    pub unsupported: Vec<String>,
    /// Keystores that stand where the service is taken to read PEM, for people.
    pub stores: Vec<String>,
    /// Where blocks stand that were read although OpenSSL stops at them, and at what it does.
    pub stops: Vec<(String, Stop)>,
    /// How many certificates stand before the leaf where the files should begin with it.
    pub leaf_place: usize,
    /// Where keys stand that are encrypted, if that is no problem.
    pub encrypted: Vec<String>,
}

/// How the key stands to the leaf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyFound {
    /// No file holds a readable key.
    None,
    /// It is the leaf's.
    Matches,
    /// It is another's.
    Mismatch,
    /// The first is another's, and one behind it the leaf's: servers read no more than the first.
    NotFirst,
    /// There is no leaf to hold it against.
    NoLeaf,
}

impl KeyFound {
    /// How the first of these public halves, in the order of a file, stands to the leaf.
    #[must_use]
    pub fn of(leaf: Option<&Certificate>, halves: &[&[u8]]) -> Self {
        match (leaf, halves) {
            (_, []) => Self::None,
            (None, [_, ..]) => Self::NoLeaf,
            (Some(leaf), [first, ..]) if leaf.certifies(first) => Self::Matches,
            (Some(leaf), [_, others @ ..]) if others.iter().any(|half| leaf.certifies(half)) => Self::NotFirst,
            (Some(_), [_, ..]) => Self::Mismatch,
        }
    }

    /// Whether a server has another's key in the place of the leaf's.
    #[must_use]
    pub fn is_anothers(self) -> bool {
        matches!(self, Self::Mismatch | Self::NotFirst)
    }
}

/// A leaf certificate in brief, for manifests and reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaf {
    /// SHA-256 of its DER.
    pub fingerprint: Digest,
    /// Its subject.
    pub subject: String,
    /// Its issuer.
    pub issuer: String,
    /// Its serial number, as [`Certificate::serial`]; empty in records of before it was kept.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub serial: String,
    /// The subject's common name, by which exporters call a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_name: Option<String>,
    /// The issuer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_common_name: Option<String>,
    /// The names it is for.
    pub names: Vec<String>,
    /// First moment of validity, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_before: OffsetDateTime,
    /// Last moment of validity, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// The kind of its key.
    pub key: String,
    /// Whether the key beside it is its own.
    pub paired: bool,
}

impl Leaf {
    /// A leaf whose key is known to be at hand (`paired`), or not.
    #[must_use]
    pub fn of(certificate: &Certificate, paired: bool) -> Self {
        Self {
            fingerprint: certificate.fingerprint(),
            subject: certificate.subject().to_owned(),
            issuer: certificate.issuer().to_owned(),
            serial: certificate.serial(),
            common_name: certificate.common_name().map(str::to_owned),
            issuer_common_name: certificate.issuer_common_name(),
            names: certificate.names().iter().map(Name::text).collect(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            key: certificate.key_kind().to_string(),
            paired,
        }
    }
}

/// Bytes of a text of a certificate that are kept. A name of a few hundred is long already, and one of megabytes would make a record that
/// is larger than what is read of it.
const MOST_TEXT: usize = 4096;

impl Leaf {
    /// The same for a record, which people read: a longer text is cut, and says so. Two that differ stay two.
    #[must_use]
    pub fn in_brief(self) -> Self {
        Self {
            subject: cut(self.subject),
            issuer: cut(self.issuer),
            serial: cut(self.serial),
            common_name: self.common_name.map(cut),
            issuer_common_name: self.issuer_common_name.map(cut),
            key: cut(self.key),
            ..self
        }
    }
}

fn cut(text: String) -> String {
    if text.len() <= MOST_TEXT {
        return text;
    }
    let mark = format!("… (cut: {} bytes, SHA-256 {})", text.len(), Digest::of(text.as_bytes()));
    let end = (0..=MOST_TEXT - mark.len()).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text.get(..end).unwrap_or_default().to_owned() + &mark
}

/// A certificate beside a leaf in brief.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// SHA-256 of its DER.
    pub fingerprint: Digest,
    /// Its subject.
    pub subject: String,
    /// Its issuer.
    pub issuer: String,
    /// First moment of validity, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_before: OffsetDateTime,
    /// Last moment of validity, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
}

impl Link {
    /// What there is to say of one that is not the leaf.
    #[must_use]
    pub fn of(certificate: &Certificate) -> Self {
        Self {
            fingerprint: certificate.fingerprint(),
            subject: certificate.subject().to_owned(),
            issuer: certificate.issuer().to_owned(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
        }
    }
}

impl Installed {
    /// Whether a server can load it, as far as is known: a key and its certificate, written as OpenSSL reads them.
    #[must_use]
    pub fn is_loadable(&self) -> bool {
        let read = self.problems.is_empty() && self.unsupported.is_empty() && self.stores.is_empty();
        let written = read && self.stops.is_empty() && self.leaf_place == 0;
        let taken = self.chain.as_ref().is_none_or(|chain| {
            chain.leaf().strict_refusal().is_none() && chain.certificates().all(|one| one.load_refusal().is_none())
        });
        self.key == KeyFound::Matches && written && taken
    }

    /// The certificates beside the leaf in brief.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        self.chain.iter().flat_map(|chain| chain.intermediates().iter().map(Link::of)).collect()
    }

    /// The leaf in brief, where there is one.
    #[must_use]
    pub fn leaf(&self) -> Option<Leaf> {
        let chain = self.chain.as_ref()?;
        Some(Leaf::of(chain.leaf(), self.key == KeyFound::Matches))
    }
}

/// Reads the bytes that stand in a target's files, each with its role.
#[must_use]
pub fn read(parts: &[(Role, &[u8])]) -> Installed {
    gather(parts).0
}

/// The pair in a target's files, where they hold one that belongs together and whose key is not encrypted.
#[must_use]
pub fn bundle(parts: &[(Role, &[u8])]) -> Option<Bundle> {
    let (installed, keys) = gather(parts);
    let chain = installed.chain?;
    // The first is what the service reads.
    let key = keys.into_iter().next().filter(|key| key.matches(chain.leaf()))?;
    Bundle::pair(chain, key).ok()
}

/// The keystore that these bytes are, for people: what holds certificates and keys for a product that reads no PEM. None where they are none.
#[must_use]
pub fn keystore(bytes: &[u8]) -> Option<String> {
    store_of(&codec::read(bytes, None))
}

fn store_of(read: &Result<Contents, InputError>) -> Option<String> {
    let named =
        |format: &Format| matches!(format, Format::Pkcs12 | Format::Jks).then(|| format!("a {format} keystore"));
    match read {
        Ok(Contents { format, .. }) | Err(InputError::Unreadable { format, .. }) => named(format),
        // Nothing but keystores is known and not read.
        Err(InputError::Unsupported(what)) => Some((*what).to_owned()),
        Err(InputError::Empty | InputError::Unknown | InputError::TooLarge(_) | InputError::TooManyBlocks) => None,
    }
}

fn gather(parts: &[(Role, &[u8])]) -> (Installed, Vec<PrivateKey>) {
    let (mut certificates, mut intermediates, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    let (mut problems, mut unsupported, mut stores, mut stops) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (role, bytes) in parts {
        // What clients trust is nobody's leaf.
        if matches!(role, Role::Anchor | Role::Store | Role::Record | Role::Fitting) {
            continue;
        }
        let read = codec::read(bytes, None);
        let store = store_of(&read);
        stores.extend(store.iter().map(|store| format!("{role}: it is {store}, and reseal writes PEM")));
        match read {
            Ok(found) => {
                // That a keystore is locked is as it should be.
                for bad in found.bad.iter().filter(|_| store.is_none()) {
                    let kind = if bad.is_unsupported_key() { &mut unsupported } else { &mut problems };
                    kind.push(format!("{role}: {bad}"));
                }
                // We read them all; the services whose files have these roles read one.
                if store.is_none() && found.format != Format::Pem {
                    problems.push(format!("{role}: it is {}, and the service reads PEM", found.format));
                }
                // Nobody loads a key from where there is to be none.
                let read = found.broken.iter().filter(|one| role.holds_key() || !one.why.is_of_key());
                stops.extend(read.map(|one| (format!("{role}: {}", one.place), one.why)));
                match role {
                    Role::Chain => intermediates.extend(found.certificates),
                    Role::Leaf | Role::FullChain | Role::Combined => certificates.extend(found.certificates),
                    Role::Key | Role::Anchor | Role::Store | Role::Record | Role::Fitting => {}
                }
                if role.holds_key() {
                    keys.extend(found.keys);
                }
            }
            Err(error) if store.is_none() => problems.push(format!("{role}: {error}")),
            Err(_) => {}
        }
    }
    certificates.extend(intermediates);
    let halves: Vec<&[u8]> = keys.iter().map(PrivateKey::spki).collect();
    let (chain, leaf_place) = Chain::in_file(certificates, &halves);
    let key = KeyFound::of(chain.as_ref().map(Chain::leaf), &halves);
    (Installed { chain, key, problems, unsupported, stores, stops, leaf_place, encrypted: Vec::new() }, keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::codec::pem::encode;
    use crate::cert::codec::tlv::Element;
    use crate::cert::fixture::{Wish, rebuilt, self_signed};

    #[test]
    fn the_only_leaf_of_a_target_is_its_own_wherever_it_stands() {
        let root = self_signed(&Wish::ca("Root"));
        let leaf = root.issue(&Wish::server("www"));
        let (full, key) = (root.certificate.to_pem() + &leaf.certificate.to_pem(), leaf.key.to_pem());
        let installed = read(&[(Role::FullChain, full.as_bytes()), (Role::Key, key.expose())]);
        assert_eq!((installed.key, installed.leaf_place), (KeyFound::Matches, 1));
        assert_eq!(installed.chain.unwrap().leaf(), &leaf.certificate);
    }

    #[test]
    fn a_keystore_is_one_whether_it_is_opened_or_not() {
        let root = self_signed(&Wish::ca("Root"));
        let leaf = root.issue(&Wish::server("www"));
        let pem = [leaf.certificate.to_pem().as_bytes(), leaf.key.to_pem().expose()].concat();
        let jceks = [&[0xce, 0xce, 0xce, 0xce, 0, 0, 0, 2][..], &[0; 32]].concat();
        let cut = [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 9];
        assert_eq!(keystore(&jceks).as_deref(), Some("a JCEKS keystore of Java"));
        assert_eq!(keystore(&cut).as_deref(), Some("a JKS keystore"));
        for other in [&pem[..], leaf.certificate.der(), b"", b"garbage"] {
            assert_eq!(keystore(other), None);
        }
        let installed = read(&[(Role::Combined, jceks.as_slice())]);
        assert_eq!((installed.problems.len(), installed.stores.len(), installed.is_loadable()), (0, 1, false));
    }

    #[test]
    fn texts_of_a_record_are_cut_between_characters_and_told_apart() {
        let leaf = Leaf::of(&self_signed(&Wish::server("www")).certificate, true);
        assert_eq!(leaf.clone().in_brief(), leaf);
        let long = |end: &str| "\u{1}é€😀".repeat(100_000) + end;
        for shift in ["", "x", "xx", "xxx"] {
            let (one, other) = (shift.to_owned() + &long("a"), shift.to_owned() + &long("b"));
            let brief = Leaf { subject: one.clone(), issuer: other, common_name: Some(one), ..leaf.clone() }.in_brief();
            assert!((MOST_TEXT - 3..=MOST_TEXT).contains(&brief.subject.len()), "{}", brief.subject.len());
            assert!(brief.subject.contains("(cut: 1000001") || brief.subject.contains("(cut: 100000"));
            assert_ne!(brief.subject, brief.issuer);
            assert_eq!(brief.common_name.as_ref(), Some(&brief.subject));
            assert_eq!(brief.clone().in_brief(), brief);
        }
    }

    #[test]
    fn of_several_keys_the_first_is_the_service_s() {
        let root = self_signed(&Wish::ca("Root"));
        let (leaf, other) = (root.issue(&Wish::server("www")), root.issue(&Wish::server("other")));
        let certificate = leaf.certificate.to_pem();
        let text = |key: &PrivateKey| String::from_utf8(key.to_pem().expose().to_vec()).unwrap();
        let (own, anothers) = (text(&leaf.key), text(&other.key));
        for (keys, found) in [
            (own.clone() + &anothers, KeyFound::Matches),
            (anothers.clone() + &own, KeyFound::NotFirst),
            (anothers.clone(), KeyFound::Mismatch),
        ] {
            let pair = [(Role::FullChain, certificate.as_bytes()), (Role::Key, keys.as_bytes())];
            let installed = read(&pair);
            let good = found == KeyFound::Matches;
            assert_eq!((installed.key, installed.is_loadable(), bundle(&pair).is_some()), (found, good, good));
            let both = certificate.clone() + &keys;
            assert_eq!(read(&[(Role::Combined, both.as_bytes())]).key, found);
        }
    }

    #[test]
    fn a_certificate_that_openssl_does_not_load_makes_no_good_pair_wherever_it_stands() {
        let root = self_signed(&Wish::ca("Root"));
        let middle = root.issue(&Wish::ca("Middle"));
        let leaf = middle.issue(&Wish::server("www"));
        let loadable = |middle: &Certificate| {
            let full = leaf.certificate.to_pem() + &middle.to_pem();
            read(&[(Role::FullChain, full.as_bytes()), (Role::Key, leaf.key.to_pem().expose())]).is_loadable()
        };
        let numbered = |serial: &[u8]| {
            let serial = Element::wrap(0x02, serial);
            Certificate::from_der(rebuilt(&middle.certificate, |parts| parts[1] = serial)).unwrap()
        };
        assert!(loadable(&middle.certificate) && loadable(&numbered(&[1])));
        assert!(!loadable(&numbered(&[0, 1])));
    }

    #[test]
    fn a_key_in_a_form_that_servers_do_not_load_makes_no_good_pair() {
        let root = self_signed(&Wish::ca("Root"));
        let leaf = root.issue(&Wish::server("www"));
        let (certificate, key) = (leaf.certificate.to_pem(), leaf.key.pkcs8_der().expose());
        let pair = |label: &str| {
            read(&[(Role::FullChain, certificate.as_bytes()), (Role::Key, encode(label, key).as_bytes())])
        };
        assert!(pair("PRIVATE KEY").is_loadable() && pair("EC PRIVATE KEY").is_loadable());
        let other = pair("RSA PRIVATE KEY");
        assert_eq!((other.key, other.is_loadable()), (KeyFound::Matches, false));
        assert_eq!(other.stops, [("key: line 1, RSA PRIVATE KEY".to_owned(), codec::Stop::Label)]);
        // Beside the certificate, where the service takes none.
        let both = certificate.clone() + &encode("RSA PRIVATE KEY", key);
        assert_eq!(read(&[(Role::FullChain, both.as_bytes()), (Role::Key, leaf.key.to_pem().expose())]).stops, []);
    }
}
