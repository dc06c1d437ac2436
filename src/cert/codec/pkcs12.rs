//! PKCS#12 stores (RFC 7292), as OpenSSL, Java, Windows, Firefox and others write them.
//!
//! Read here and not by a library for what a file may do to its reader: a budget of work over all bags together, secrets wiped, an
//! unsupported algorithm named, one bad bag that hides no other, and certificates that stand unencrypted read without a passphrase.

pub(super) mod edit;
mod write;

pub use write::{Pkcs12Error, Protection, write};

use zeroize::Zeroizing;

use super::bag::{Content, DATA, Marks, bag_parts, shrouded};
use super::ber::definite;
use super::contents::{Contents, Entry, Format, Holds, MAX_ENTRIES};
use super::error::{BlockError, InputError, Place};
use super::linked::BySubject;
use super::mac::Mac;
use super::passphrase::{Reading, Readings, unasked};
use super::pbe::{self, PbeFailure};
use super::pkcs7::inside_outer;
use super::pkcs8::{key_of, parts};
use super::tlv::{Element, Elements, INTEGER, OBJECT, OCTETS, SEQUENCE, ZERO, dotted};
use super::work::Work;
use crate::cert::certificate::Certificate;
use crate::cert::key::PrivateKey;
use crate::sensitive::Sensitive;

/// Whether the bytes begin as one, DER or BER: version 3, then a sequence that begins with an object identifier of PKCS#7.
pub(super) fn begins(input: &[u8]) -> bool {
    let safe = inside_outer(input).and_then(|inside| inside.strip_prefix(b"\x02\x01\x03"));
    safe.and_then(inside_outer).is_some_and(|inside| inside.starts_with(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"))
}

/// Reads a store.
pub(super) fn read(input: &[u8], passphrase: Option<&Sensitive>) -> Result<Contents, InputError> {
    let unreadable = |why| InputError::Unreadable { format: Format::Pkcs12, why };
    let der = definite(input).map_err(|error| unreadable(error.into()))?;
    let (content, mac) = outer(&der).map_err(unreadable)?;
    let given = Readings::of(passphrase);
    let mut store = Store {
        contents: Contents::new(Format::Pkcs12),
        work: Work::new(given.given()),
        given: given.given(),
        readings: given.0.unwrap_or_else(unasked),
        told: false,
        keys: Vec::new(),
        certificates: Vec::new(),
        count: 0,
        number: 0,
    };
    // Taken apart before anything is believed of its checksum: the checksum costs work.
    let safes = definite(content).map_err(|error| unreadable(error.into()))?;
    let safes = Element::filling(&safes).and_then(|outer| outer.tagged(SEQUENCE));
    let safes = safes.ok_or_else(|| unreadable(BlockError::Damaged("it is no sequence of safes")))?;
    if let Some(mac) = mac {
        store.check(&mac, content, &safes.inside());
    }
    for safe in safes.inside() {
        store.safe(safe)?;
    }
    Ok(store.finish())
}

/// The content over which the checksum is, and the checksum.
fn outer(der: &[u8]) -> Result<(&[u8], Option<Mac<'_>>), BlockError> {
    let damaged = BlockError::Damaged("it is no PKCS#12 store");
    let parts = || {
        let mut outer = Element::filling(der)?.tagged(SEQUENCE)?.inside();
        outer.expect(INTEGER)?;
        let mut safe = outer.expect(SEQUENCE)?.inside();
        let kind = safe.expect(OBJECT)?.content;
        Some((kind, safe.expect(ZERO)?.only()?, outer.next()))
    };
    let (kind, content, mac) = parts().ok_or(damaged.clone())?;
    if kind != DATA {
        return Err(BlockError::UnsupportedChecksum(format!("the content type {} of public keys", dotted(kind))));
    }
    let content = content.tagged(OCTETS).ok_or(damaged.clone())?.content;
    let mac = mac.map(|mac| Mac::parse(mac).ok_or(damaged)).transpose()?;
    Ok((content, mac))
}

const X509_CERTIFICATE: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x16\x01";
/// Bags inside bags.
const MAX_NESTED: usize = 4;

/// A store while it is read.
struct Store {
    contents: Contents,
    work: Work,
    /// Whether a passphrase was given.
    given: bool,
    /// Readings of the passphrase that may still be the right one; none once it is known to be wrong.
    readings: Vec<Reading>,
    /// Whether it was told already, of the whole, why nothing encrypted is opened.
    told: bool,
    keys: Vec<KeyBag>,
    certificates: Vec<CertificateBag>,
    /// Safes and bags so far.
    count: usize,
    /// The bag that is being read, counted from 1.
    number: usize,
}

struct KeyBag {
    marks: Marks,
    /// Where in the contents it is; `None` where it could not be opened.
    key: Option<usize>,
}

struct CertificateBag {
    marks: Marks,
    certificate: Certificate,
}

impl Store {
    /// Finds the reading of the passphrase that the checksum was made with.
    fn check(&mut self, mac: &Mac<'_>, content: &[u8], safes: &Elements<'_>) {
        let mut failure = PbeFailure::WrongPassphrase;
        for reading in std::mem::take(&mut self.readings) {
            match mac.agrees(content, &reading, &mut self.work) {
                Ok(true) => {
                    self.readings = vec![reading];
                    return;
                }
                Ok(false) => {
                    // What the passphrase opens has another checksum: it was changed.
                    if self.given && self.opens(&reading, safes.clone()) {
                        self.told = true;
                        let why = BlockError::Damaged("its checksum is not the one made of what it holds");
                        self.contents.refuse(Place::Store(Format::Pkcs12), why);
                        return;
                    }
                }
                Err(other) => failure = other,
            }
        }
        let why = match failure {
            // Without a passphrase nobody said that it was the right one; what is locked is told where it is.
            PbeFailure::WrongPassphrase | PbeFailure::NoPassphrase if !self.given => return,
            PbeFailure::TooCostly(_) if !self.given => return,
            PbeFailure::Unsupported(what) => BlockError::UnsupportedChecksum(what),
            PbeFailure::Unreadable => BlockError::Damaged("its checksum cannot be read"),
            other @ (PbeFailure::WrongPassphrase | PbeFailure::NoPassphrase | PbeFailure::TooCostly(_)) => other.into(),
        };
        self.told = true;
        self.contents.refuse(Place::Store(Format::Pkcs12), why);
    }

    /// Whether this reading of the passphrase opens the first encrypted safe or bag.
    fn opens(&mut self, reading: &Reading, safes: Elements<'_>) -> bool {
        for safe in safes {
            let opened = match Content::of(safe) {
                Some(Content::Encrypted { scheme, data }) => pbe::open(scheme, &data, Some(reading), &mut self.work),
                Some(Content::Plain(octets)) => {
                    let Ok(bags) = definite(octets) else { return false };
                    let shrouded = Element::filling(&bags).into_iter().flat_map(Element::inside).find_map(shrouded);
                    let Some((scheme, data)) = shrouded.and_then(|value| parts(value.whole)) else { continue };
                    pbe::open(scheme, data, Some(reading), &mut self.work)
                }
                Some(Content::Other) | None => continue,
            };
            return opened.is_ok_and(|opened| definite(&opened).is_ok());
        }
        false
    }

    /// Opens something with whichever reading of the passphrase opens it; from then on it is the one. `None` where the reason why
    /// nothing is opened was told of the whole store.
    fn open(&mut self, scheme: Element<'_>, data: &[u8]) -> Result<Zeroizing<Vec<u8>>, Option<PbeFailure>> {
        if self.readings.is_empty() {
            // Still looked at for what is not supported in any case.
            return Err(match pbe::open(scheme, data, None, &mut Work::new(true)) {
                _ if self.told => None,
                Err(failure) => Some(failure),
                Ok(_) => Some(PbeFailure::NoPassphrase),
            });
        }
        let characters = pbe::takes_characters(scheme);
        for place in 0..if characters { self.readings.len() } else { 1 } {
            let Some(reading) = self.readings.get(place) else { break };
            match pbe::open(scheme, data, Some(reading), &mut self.work) {
                Ok(opened) => {
                    // Noise may end like padding.
                    if let Ok(opened) = definite(&opened) {
                        if characters {
                            self.readings.swap(0, place);
                            self.readings.truncate(1);
                        }
                        return Ok(opened);
                    }
                }
                Err(PbeFailure::WrongPassphrase) => {}
                Err(PbeFailure::TooCostly(_)) if !self.given => return Err(Some(PbeFailure::NoPassphrase)),
                Err(other) => return Err(Some(other)),
            }
        }
        Err(Some(if self.given { PbeFailure::WrongPassphrase } else { PbeFailure::NoPassphrase }))
    }

    fn safe(&mut self, safe: Element<'_>) -> Result<(), InputError> {
        let place = Place::Store(Format::Pkcs12);
        self.count()?;
        match Content::of(safe) {
            Some(Content::Plain(octets)) => match definite(octets) {
                Ok(bags) => return self.safe_contents(&bags, MAX_NESTED),
                Err(error) => self.contents.refuse(place, error),
            },
            Some(Content::Encrypted { scheme, data }) => match self.open(scheme, &data) {
                Ok(bags) => return self.safe_contents(&bags, MAX_NESTED),
                Err(None) => {}
                Err(Some(why)) => {
                    let why = BlockError::from(why);
                    // Once for however many safes.
                    if self.contents.bad.iter().all(|bad| bad.place != place || bad.why != why) {
                        self.contents.refuse(place, why);
                    }
                }
            },
            Some(Content::Other) => {
                let why = BlockError::UnsupportedEncryption("public keys (envelopedData)".to_owned());
                self.contents.refuse(place, why);
            }
            None => self.contents.refuse(place, BlockError::Damaged("a safe cannot be taken apart")),
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), InputError> {
        self.count += 1;
        if self.count > MAX_ENTRIES { Err(InputError::TooManyBlocks) } else { Ok(()) }
    }

    fn safe_contents(&mut self, bags: &[u8], depth: usize) -> Result<(), InputError> {
        let Some(bags) = Element::filling(bags).and_then(|bags| bags.tagged(SEQUENCE)) else {
            let why = BlockError::Damaged("a safe cannot be taken apart");
            self.contents.refuse(Place::Store(Format::Pkcs12), why);
            return Ok(());
        };
        for bag in bags.inside() {
            self.count()?;
            self.number += 1;
            let Some((kind, value, marks)) = bag_parts(bag) else {
                self.contents.refuse(self.place(None), BlockError::Damaged("a bag cannot be taken apart"));
                continue;
            };
            let name = marks.name.clone();
            let outcome = match kind {
                1 => PrivateKey::from_der(value.whole).map_err(BlockError::Key).map(|key| self.key(marks, Some(key))),
                2 => self.shrouded_key(marks, value),
                3 => self.certificate(marks, value),
                4 => {
                    self.contents.ignore("X509 CRL");
                    Ok(())
                }
                5 => {
                    self.contents.ignore("SECRET");
                    Ok(())
                }
                6 if depth > 0 => {
                    self.safe_contents(value.whole, depth - 1)?;
                    Ok(())
                }
                6 => Err(BlockError::TooDeep),
                _ => Err(BlockError::Damaged("a bag is of no known kind")),
            };
            if let Err(why) = outcome {
                self.contents.refuse(self.place(name), why);
            }
        }
        Ok(())
    }

    /// The bag that is being read.
    fn place(&self, name: Option<String>) -> Place {
        Place::Entry { number: self.number, name }
    }

    fn key(&mut self, marks: Marks, key: Option<PrivateKey>) {
        let key = key.map(|key| {
            self.contents.keys.push(key);
            self.contents.keys.len() - 1
        });
        self.keys.push(KeyBag { marks, key });
    }

    fn shrouded_key(&mut self, marks: Marks, value: Element<'_>) -> Result<(), BlockError> {
        let (scheme, data) = parts(value.whole).ok_or(BlockError::UnreadableEncrypted)?;
        let key = match self.open(scheme, data) {
            Ok(opened) => {
                key_of(&opened).map_err(|failure| failure.map_or(BlockError::WrongPassphrase, BlockError::from))
            }
            Err(None) => {
                self.key(marks, None);
                return Ok(());
            }
            Err(Some(why)) => Err(why.into()),
        };
        match key {
            Ok(key) => self.key(marks, Some(key)),
            Err(why) => {
                let place = self.place(marks.name.clone());
                self.key(marks, None);
                self.contents.refuse(place, why);
            }
        }
        Ok(())
    }

    fn certificate(&mut self, marks: Marks, value: Element<'_>) -> Result<(), BlockError> {
        let mut parts = value.tagged(SEQUENCE).ok_or(BlockError::Damaged("a bag cannot be taken apart"))?.inside();
        let (Some(kind), Some(wrapped)) = (parts.expect(OBJECT), parts.expect(ZERO)) else {
            return Err(BlockError::Damaged("a bag cannot be taken apart"));
        };
        if kind.content != X509_CERTIFICATE {
            self.contents.ignore("SDSI CERTIFICATE");
            return Ok(());
        }
        let der = wrapped.only().and_then(|octets| octets.tagged(OCTETS));
        let der = der.ok_or(BlockError::Damaged("a bag cannot be taken apart"))?.content;
        let certificate = Certificate::from_der(der).map_err(BlockError::Certificate)?;
        self.certificates.push(CertificateBag { marks, certificate });
        Ok(())
    }

    /// Gives each key its chain, and what is left entries of its own; so too what is trusted for itself.
    fn finish(self) -> Contents {
        let Self { mut contents, keys, certificates, .. } = self;
        let all: Vec<Certificate> = certificates.iter().map(|bag| bag.certificate.clone()).collect();
        let by_subject = BySubject::new(&all);
        let mut chained = vec![false; all.len()];
        for KeyBag { marks, key } in keys {
            let key_itself = key.and_then(|place| contents.keys.get(place));
            let own = |bag: &CertificateBag| key_itself.is_none_or(|key| key.matches(&bag.certificate));
            let marked =
                |bag: &CertificateBag| marks.local_key_id.is_some() && marks.local_key_id == bag.marks.local_key_id;
            // The mark says which of several certificates of the key; but a mark alone makes no pair where the key is known.
            let leaf = certificates.iter().position(|bag| marked(bag) && own(bag));
            let leaf = leaf.or_else(|| {
                key_itself.and_then(|key| certificates.iter().position(|bag| key.matches(&bag.certificate)))
            });
            let places = leaf.map(|leaf| by_subject.chain_from(leaf)).unwrap_or_default();
            // Windows names the key after its place on that machine; elsewhere both have one name.
            let name = leaf.and_then(|leaf| certificates.get(leaf)?.marks.name.clone()).or(marks.name);
            for place in &places {
                if let Some(mark) = chained.get_mut(*place) {
                    *mark = true;
                }
            }
            let chain = places.iter().filter_map(|place| all.get(*place).cloned()).collect();
            contents.entries.push(Entry { name, holds: Holds::Key { key, chain }, trusted: false });
        }
        let alone = certificates.into_iter().zip(chained).filter(|(bag, chained)| bag.marks.trusted || !chained);
        contents.entries.extend(alone.map(|(bag, _)| Entry {
            name: bag.marks.name,
            holds: Holds::Certificate(bag.certificate),
            trusted: bag.marks.trusted,
        }));
        contents.gather();
        contents
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cert::codec::bag::BAG;
    use crate::cert::codec::ber::tests::streamed;
    use crate::cert::codec::{self, BadBlock};
    use crate::cert::fixture::{Issued, Wish, self_signed};
    use crate::cert::key::tests::openssl;

    /// Leaf, intermediate and root.
    fn chain() -> (Issued, [Certificate; 3]) {
        let root = self_signed(&Wish::ca("Root"));
        let middle = root.issue(&Wish::ca("Middle"));
        let leaf = middle.issue(&Wish::server("www.example.com"));
        let certificates = [leaf.certificate.clone(), middle.certificate, root.certificate];
        (leaf, certificates)
    }

    fn store(leaf: &Issued, certificates: &[Certificate], words: &str) -> Vec<u8> {
        let mut text = leaf.key.to_pem().expose().to_vec();
        for one in certificates {
            text.extend(one.to_pem().bytes());
        }
        openssl(format!("pkcs12 -export -provider legacy -provider default {words}").trim_end(), &text)
    }

    fn read(store: &[u8], passphrase: Option<&str>) -> Contents {
        codec::read(store, passphrase.map(|text| text.to_owned().into()).as_ref()).unwrap()
    }

    fn whole(why: BlockError) -> Vec<BadBlock> {
        vec![BadBlock { place: Place::Store(Format::Pkcs12), why }]
    }

    fn assert_whole(contents: &Contents, leaf: &Issued, certificates: &[Certificate], what: &str) {
        assert_eq!(contents.bad, [], "{what}");
        assert_eq!((contents.format, contents.certificates.as_slice()), (Format::Pkcs12, certificates), "{what}");
        assert_eq!(contents.keys.len(), 1, "{what}");
        assert_eq!(contents.keys[0].spki(), leaf.key.spki(), "{what}");
        let holds = Holds::Key { key: Some(0), chain: certificates.to_vec() };
        assert_eq!(contents.entries, [Entry { name: Some("tomcat".to_owned()), holds, trusted: false }], "{what}");
        assert_eq!(contents.key_of(&contents.entries[0]).map(PrivateKey::spki), Some(leaf.key.spki()));
    }

    #[test]
    fn what_openssl_writes_is_read() {
        let (leaf, certificates) = chain();
        for words in [
            "",
            "-legacy",
            "-certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -macalg sha1",
            "-certpbe PBE-SHA1-RC2-128 -keypbe PBE-SHA1-2DES -macalg sha224",
            "-certpbe AES-128-CBC -keypbe AES-192-CBC -macalg sha384",
            "-certpbe AES-256-CBC -keypbe AES-256-CBC -macalg sha512 -iter 20000",
            "-certpbe NONE",
            "-nomac",
            "-nomac -certpbe AES-256-CBC",
        ] {
            let sealed = store(&leaf, &certificates, &format!("-name tomcat -passout pass:sécret {words}"));
            assert_whole(&read(&sealed, Some("sécret")), &leaf, &certificates, words);
            assert_whole(&read(&streamed(&sealed), Some("sécret")), &leaf, &certificates, words);

            let wrong = read(&sealed, Some("Secret"));
            assert!(wrong.bad.iter().all(|bad| bad.why == BlockError::WrongPassphrase), "{words}: {:?}", wrong.bad);
            assert!(wrong.keys.is_empty() && !wrong.bad.is_empty(), "{words}");
            let shut = read(&sealed, None);
            assert!(shut.bad.iter().all(|bad| bad.why == BlockError::EncryptedNoPassphrase), "{words}: {:?}", shut.bad);
            assert!(shut.keys.is_empty() && !shut.bad.is_empty());
            // What stands open is read all the same.
            let open = if ["-certpbe NONE", "-nomac"].contains(&words) { &certificates[..] } else { &[] };
            for contents in [shut, wrong] {
                assert_eq!(contents.certificates, open, "{words}");
            }
        }
    }

    #[test]
    fn an_empty_passphrase_is_tried_and_no_other() {
        let (leaf, certificates) = chain();
        for words in ["", "-legacy", "-nomac", "-certpbe NONE -keypbe NONE"] {
            let sealed = store(&leaf, &certificates, &format!("-name tomcat -passout pass: {words}"));
            assert_whole(&read(&sealed, None), &leaf, &certificates, words);
            assert_whole(&read(&sealed, Some("")), &leaf, &certificates, words);
        }
        let sealed = store(&leaf, &certificates, "-passout pass:changeit");
        assert_eq!(read(&sealed, None).keys.len(), 0);
    }

    #[test]
    fn certificates_alone_and_keys_alone_are_read() {
        let (leaf, certificates) = chain();
        let alone = store(&leaf, &certificates, "-nokeys -passout pass:x");
        let contents = read(&alone, Some("x"));
        assert_eq!((contents.certificates.len(), contents.keys.len(), contents.bad.len()), (3, 0, 0));
        assert!(contents.entries.iter().all(|entry| matches!(entry.holds, Holds::Certificate(_))));
        let alone = store(&leaf, &[], "-nocerts -passout pass:x");
        let contents = read(&alone, Some("x"));
        assert_eq!((contents.certificates.len(), contents.keys.len(), contents.bad.len()), (0, 1, 0));
        assert_eq!(
            contents.entries,
            [Entry { name: None, holds: Holds::Key { key: Some(0), chain: vec![] }, trusted: false }]
        );
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let (leaf, certificates) = chain();
        for passphrase in [Some("x"), None] {
            let sealed = store(&leaf, &certificates, "-passout pass:x -certpbe PBE-SHA1-RC4-128");
            let contents = read(&sealed, passphrase);
            let named = BlockError::UnsupportedEncryption("PBE-SHA1-RC4-128".to_owned());
            assert!(contents.bad.contains(&whole(named)[0]), "{:?}", contents.bad);
            assert_eq!(contents.keys.len(), usize::from(passphrase.is_some()), "the key is in another safe");
        }
        for (digest, name) in
            [("md5", "MD5"), ("sha512-224", "SHA-512/224"), ("sha512-256", "SHA-512/256"), ("sha3-256", "SHA3-256")]
        {
            let sealed = store(&leaf, &certificates, &format!("-passout pass:x -macalg {digest}"));
            // With a wrong passphrase too: nobody can tell.
            for passphrase in ["x", "y"] {
                let why = BlockError::UnsupportedChecksum(format!("a MAC by {name}"));
                assert_eq!(read(&sealed, Some(passphrase)).bad, whole(why), "{digest}");
            }
        }
    }

    #[test]
    fn damage_is_told_from_a_wrong_passphrase() {
        let (leaf, certificates) = chain();
        let mut sealed = store(&leaf, &certificates, "-passout pass:secret -name tomcat");
        assert_eq!(read(&sealed, Some("other")).bad, whole(BlockError::WrongPassphrase));
        // The friendly name stands outside of what is encrypted.
        let place = sealed.windows(6).position(|at| at == b"\0t\0o\0m").unwrap();
        sealed[place + 1] = b'T';
        let contents = read(&sealed, Some("secret"));
        assert!(matches!(contents.bad[..], [BadBlock { why: BlockError::Damaged(_), .. }]), "{:?}", contents.bad);
        assert!(contents.keys.is_empty());
        assert_eq!(read(&sealed, Some("other")).bad, whole(BlockError::WrongPassphrase));
        for cut in (1..sealed.len()).step_by(97) {
            assert!(codec::read(&sealed[..cut], None).is_err(), "{cut}");
        }
    }

    /// A store of these safes, with a checksum of so many rounds that fits nothing.
    fn crafted(safes: &[Vec<u8>], rounds: Option<&[u8]>) -> Vec<u8> {
        let sequence = |parts: &[&[u8]]| Element::wrap(SEQUENCE, &parts.concat());
        let content = Element::wrap(OCTETS, &sequence(&[&safes.concat()]));
        let safe = sequence(&[&Element::wrap(OBJECT, DATA), &Element::wrap(ZERO, &content)]);
        let mac = rounds.map(|rounds| {
            let sha256 = sequence(&[&Element::wrap(OBJECT, b"\x60\x86\x48\x01\x65\x03\x04\x02\x01")]);
            let info = sequence(&[&sha256, &Element::wrap(OCTETS, &[7; 32])]);
            sequence(&[&info, &Element::wrap(OCTETS, b"saltsalt"), &Element::wrap(INTEGER, rounds)])
        });
        sequence(&[b"\x02\x01\x03", &safe, &mac.unwrap_or_default()])
    }

    fn bag(kind: u8, value: &[u8]) -> Vec<u8> {
        let kind = Element::wrap(OBJECT, &[BAG, &[kind]].concat());
        Element::wrap(SEQUENCE, &[kind, Element::wrap(ZERO, value)].concat())
    }

    fn plain(bags: &[Vec<u8>]) -> Vec<u8> {
        let content = Element::wrap(OCTETS, &Element::wrap(SEQUENCE, &bags.concat()));
        Element::wrap(SEQUENCE, &[Element::wrap(OBJECT, DATA), Element::wrap(ZERO, &content)].concat())
    }

    #[test]
    fn bombs_end_soon() {
        let start = std::time::Instant::now();
        let bomb = crafted(&[], Some(&[0x7f, 0xff, 0xff, 0xff]));
        let contents = read(&bomb, Some("x"));
        let why = BlockError::TooCostly("2147483647 rounds of the MAC's key derivation".to_owned());
        assert_eq!(contents.bad, whole(why));
        assert_eq!(read(&bomb, None).bad, []);

        // Each of a thousand keys asks for little enough.
        let parameters = [Element::wrap(OCTETS, b"saltsalt"), Element::wrap(INTEGER, &[0x0f, 0, 0])].concat();
        let triple_des = Element::wrap(OBJECT, b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03");
        let scheme = Element::wrap(SEQUENCE, &[triple_des, Element::wrap(SEQUENCE, &parameters)].concat());
        let key = Element::wrap(SEQUENCE, &[scheme, Element::wrap(OCTETS, &[7; 64])].concat());
        let keys = vec![bag(2, &key); 900];
        let contents = read(&crafted(&[plain(&keys)], None), None);
        assert_eq!(contents.bad.len(), 900);
        let contents = read(&crafted(&[plain(&keys)], None), Some("x"));
        let costly = contents.bad.iter().filter(|bad| matches!(bad.why, BlockError::TooCostly(_))).count();
        assert!((890..900).contains(&costly), "{costly}");

        // Too many, and too deep.
        let many = crafted(&[plain(&vec![bag(4, b"\x05\0"); 1_001])], None);
        assert_eq!(codec::read(&many, None).err(), Some(InputError::TooManyBlocks));
        let mut nested = Element::wrap(SEQUENCE, &[]);
        for _ in 0..6 {
            nested = Element::wrap(SEQUENCE, &bag(6, &nested));
        }
        let contents = read(&crafted(&[plain(&[bag(6, &nested)])], None), None);
        assert!(matches!(contents.bad[..], [BadBlock { why: BlockError::TooDeep, .. }]), "{:?}", contents.bad);
        let open =
            [b"\x30\x80\x02\x01\x03\x30\x80\x06\x09".as_slice(), DATA, &b"\xa0\x80".repeat(8 << 20)[..16_000_000]]
                .concat();
        let error = codec::read(&open, None).err();
        assert_eq!(error, Some(InputError::Unreadable { format: Format::Pkcs12, why: BlockError::TooDeep }));
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }

    proptest! {
        #[test]
        fn no_change_makes_it_panic(places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            static STORES: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(|| {
                let (leaf, certificates) = chain();
                ["-certpbe NONE -keypbe NONE -nomac", "-nomac -iter 1", "-iter 1"]
                    .map(|words| store(&leaf, &certificates, &format!("-passout pass: -name tomcat {words}"))).to_vec()
            });
            for store in STORES.iter() {
                let mut store = store.clone();
                for (place, byte) in &places {
                    let place = place.index(store.len());
                    store[place] = *byte;
                }
                let _ = codec::read(&store, None);
                let _ = codec::read(&streamed(&store), None);
            }
        }
    }
}
