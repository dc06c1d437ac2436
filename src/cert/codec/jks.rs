//! Java's older keystore, JKS: read within bounds, and written.
//!
//! The format has no specification; it is what Java's own reader takes. Every length in it is held against what is left before
//! anything is allocated. Certificates stand in it unencrypted; keys are hidden by a SHA-1 key stream, and SHA-1 over passphrase and
//! content is its only checksum. Nothing of this is a protection by today's measure: `keytool` itself advises against it.

pub(super) mod edit;

use aws_lc_rs::digest::{Context, Digest, SHA1_FOR_LEGACY_USE_ONLY, SHA1_OUTPUT_LEN};
use aws_lc_rs::rand;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::contents::{Contents, Entry, Format, Holds, MAX_ENTRIES};
use super::error::{BlockError, InputError, Place};
use super::passphrase::{Reading, Readings};
use super::pbe::PbeFailure;
use super::pkcs8::{key_of, parts};
use super::tlv::{Element, OBJECT, dotted};
use crate::cert::certificate::Certificate;
use crate::cert::key::PrivateKey;
use crate::sensitive::Sensitive;

const MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
const KEY: u32 = 1;
const TRUSTED: u32 = 2;
const X509: &str = "X.509";
/// 1.3.6.1.4.1.42.2.17.1.1, the protector of keys.
const PROTECTOR: &[u8] = b"\x2b\x06\x01\x04\x01\x2a\x02\x11\x01\x01";
/// What Java puts between passphrase and content.
const WHITENER: &[u8] = b"Mighty Aphrodite";

/// Reads a store, which must begin with the magic number.
pub(super) fn read(input: &[u8], passphrase: Option<&Sensitive>) -> Result<Contents, InputError> {
    let unreadable = |why| InputError::Unreadable { format: Format::Jks, why: BlockError::Damaged(why) };
    let (body, sum) = input.split_last_chunk::<SHA1_OUTPUT_LEN>().ok_or_else(|| unreadable("it is cut off"))?;
    let mut rest = Bytes(body);
    let (Some(_), Some(version), Some(count)) = (rest.take(4), rest.number(), rest.number()) else {
        return Err(unreadable("it is cut off"));
    };
    if !(1..=2).contains(&version) {
        return Err(unreadable("its version is not known"));
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > MAX_ENTRIES {
        return Err(InputError::TooManyBlocks);
    }
    let mut store = Store { contents: Contents::new(Format::Jks), readings: Readings::of(passphrase), certificates: 0 };
    for number in 1..=count {
        let read = store.entry(&mut rest, version, number);
        if store.certificates > MAX_ENTRIES {
            return Err(InputError::TooManyBlocks);
        }
        if read.is_none() {
            return Err(unreadable("a length in it leads beyond its end, or an entry is of no known kind"));
        }
    }
    if !rest.0.is_empty() {
        return Err(unreadable("more follows its last entry"));
    }
    store.check(body, sum);
    store.contents.gather();
    Ok(store.contents)
}

/// A store while it is read.
struct Store {
    contents: Contents,
    readings: Readings,
    certificates: usize,
}

impl Store {
    /// Reads one entry; `None` where the store cannot be taken apart.
    fn entry(&mut self, rest: &mut Bytes<'_>, version: u32, number: usize) -> Option<()> {
        let kind = rest.number()?;
        let name = rest.text()?;
        let place = Place::Entry { number, name: Some(name.clone()) };
        // When it was made, in milliseconds since 1970.
        rest.take(8)?;
        match kind {
            KEY => {
                let sealed = rest.counted()?;
                let key = match self.open(sealed) {
                    Ok(key) => {
                        self.contents.keys.push(key);
                        Some(self.contents.keys.len() - 1)
                    }
                    Err(why) => {
                        self.contents.refuse(place.clone(), why);
                        None
                    }
                };
                let mut chain = Vec::new();
                for _ in 0..rest.number()? {
                    chain.extend(self.certificate(rest, version, &place)?);
                }
                self.contents.entries.push(Entry {
                    name: Some(name),
                    holds: Holds::Key { key, chain },
                    trusted: false,
                });
            }
            TRUSTED => {
                if let Some(certificate) = self.certificate(rest, version, &place)? {
                    self.contents.entries.push(Entry {
                        name: Some(name),
                        holds: Holds::Certificate(certificate),
                        trusted: true,
                    });
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// One certificate; an inner `None` where it is none that can be read, which was told.
    fn certificate(&mut self, rest: &mut Bytes<'_>, version: u32, place: &Place) -> Option<Option<Certificate>> {
        self.certificates += 1;
        if self.certificates > MAX_ENTRIES {
            return None;
        }
        let kind = if version == 1 { X509.to_owned() } else { rest.text()? };
        let der = rest.counted()?;
        if kind != X509 {
            self.contents.ignore("CERTIFICATE OF ANOTHER KIND");
            return Some(None);
        }
        Some(match Certificate::from_der(der) {
            Ok(certificate) => Some(certificate),
            Err(error) => {
                self.contents.refuse(place.clone(), BlockError::Certificate(error));
                None
            }
        })
    }

    /// Opens an EncryptedPrivateKeyInfo with whichever reading of the passphrase opens it.
    fn open(&self, sealed: &[u8]) -> Result<PrivateKey, BlockError> {
        let (scheme, data) = parts(sealed).ok_or(BlockError::UnreadableEncrypted)?;
        let oid = scheme.inside().expect(OBJECT).map(|oid| oid.content).unwrap_or_default();
        if oid != PROTECTOR {
            return Err(PbeFailure::Unsupported(format!("the algorithm {}", dotted(oid))).into());
        }
        let Some(readings) = &self.readings.0 else { return Err(BlockError::EncryptedNoPassphrase) };
        let opened = readings.iter().find_map(|reading| unprotect(data, reading));
        let opened = opened.ok_or(BlockError::WrongPassphrase)?;
        key_of(&opened).map_err(|failure| failure.map_or(BlockError::UnreadableEncrypted, BlockError::from))
    }

    /// Holds the checksum against the passphrase. A key may have another one than the store.
    fn check(&mut self, body: &[u8], sum: &[u8; SHA1_OUTPUT_LEN]) {
        let Some(readings) = &self.readings.0 else { return };
        if readings.iter().any(|reading| checksum(reading, body).as_ref() == sum) {
            return;
        }
        let place = Place::Store(Format::Jks);
        if self.contents.keys.is_empty() {
            // Said once, of the whole.
            self.contents.bad.retain(|bad| bad.why != BlockError::WrongPassphrase);
            self.contents.refuse(place, BlockError::WrongPassphrase);
        } else {
            let why = "its checksum does not fit: it was changed, or has another passphrase than its key";
            self.contents.refuse(place, BlockError::Damaged(why));
        }
    }
}

fn checksum(reading: &Reading, body: &[u8]) -> Digest {
    let mut sum = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for part in [&reading.wide, WHITENER, body] {
        sum.update(part);
    }
    sum.finish()
}

/// A salt, what is hidden, and SHA-1 over passphrase and what was hidden.
fn unprotect(data: &[u8], reading: &Reading) -> Option<Zeroizing<Vec<u8>>> {
    let (salt, rest) = data.split_first_chunk::<SHA1_OUTPUT_LEN>()?;
    let (hidden, sum) = rest.split_last_chunk::<SHA1_OUTPUT_LEN>()?;
    let plain = with_key_stream(hidden, salt, reading);
    (seal(&plain, reading).as_ref() == sum).then_some(plain)
}

fn seal(plain: &[u8], reading: &Reading) -> Digest {
    let mut sum = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    sum.update(&reading.wide);
    sum.update(plain);
    sum.finish()
}

/// Hides or shows: each 20 bytes of the stream are SHA-1 over the passphrase and the 20 before, the salt at first.
fn with_key_stream(text: &[u8], salt: &[u8], reading: &Reading) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut last = Zeroizing::new(salt.to_vec());
    for piece in text.chunks(SHA1_OUTPUT_LEN) {
        let mut next = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        next.update(&reading.wide);
        next.update(&last);
        last = Zeroizing::new(next.finish().as_ref().to_vec());
        out.extend(piece.iter().zip(last.iter()).map(|(byte, key)| byte ^ key));
    }
    out
}

/// What is left of the input.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    /// Bytes after their number.
    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    /// Java's modified UTF-8 after its length: NUL in two bytes, and characters beyond 16 bits as two halves of three bytes each.
    fn text(&mut self) -> Option<String> {
        let (length, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        let mut bytes = self.take(u16::from_be_bytes(*length).into())?.iter().map(|byte| u16::from(*byte));
        let mut units = Vec::new();
        while let Some(first) = bytes.next() {
            let mut more = || bytes.next().unwrap_or_default() & 0x3f;
            units.push(match first {
                0..0x80 => first,
                0x80..0xe0 => (first & 0x1f) << 6 | more(),
                _ => (first & 0x0f) << 12 | more() << 6 | more(),
            });
        }
        Some(String::from_utf16_lossy(&units))
    }
}

/// A store cannot be written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JksError {
    /// An alias of more than 65,535 bytes, or one that another entry has: Java does not tell case apart.
    #[error("the alias {0:?} is too long or there twice")]
    Alias(String),
    /// A key without a certificate, which Java cannot hold.
    #[error("the key {0:?} has no certificate")]
    NoChain(String),
    /// A passphrase that is no text, or has less than the six characters `keytool` asks for.
    #[error("the passphrase is no text of six characters or more")]
    Passphrase,
    /// The cryptographic library made no random numbers.
    #[error("the key could not be encrypted")]
    NotEncrypted,
}

/// What an entry to be written holds.
pub enum NewEntry<'a> {
    /// A key and its certificates from the leaf up.
    Key(&'a PrivateKey, &'a [Certificate]),
    /// A trusted certificate.
    Trusted(&'a Certificate),
}

/// Writes a store of these entries, each under its alias, which becomes lower case as `keytool` does it. Store and keys have the one
/// passphrase, which is what servers ask for.
///
/// # Errors
/// See [`JksError`].
pub fn write(
    entries: &[(&str, NewEntry<'_>)],
    passphrase: &Sensitive,
    now: OffsetDateTime,
) -> Result<Sensitive, JksError> {
    let text = std::str::from_utf8(passphrase.expose()).map_err(|_| JksError::Passphrase)?;
    let readings = Readings::of(Some(passphrase)).0.unwrap_or_default();
    let reading = readings.first().filter(|_| text.chars().count() >= 6).ok_or(JksError::Passphrase)?;
    let mut out = Vec::from(MAGIC);
    put_number(&mut out, 2);
    put_number(&mut out, entries.len());
    let made = i64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    let mut aliases = std::collections::HashSet::new();
    for (alias, holds) in entries {
        let alias = alias.to_lowercase();
        let kind = match holds {
            NewEntry::Key(..) => KEY,
            NewEntry::Trusted(_) => TRUSTED,
        };
        out.extend(kind.to_be_bytes());
        put_text(&mut out, &alias).ok_or_else(|| JksError::Alias(alias.clone()))?;
        out.extend(made.to_be_bytes());
        match holds {
            NewEntry::Key(_, []) => return Err(JksError::NoChain(alias)),
            NewEntry::Key(key, chain) => {
                put_counted(&mut out, &protect(key, reading)?);
                put_number(&mut out, chain.len());
                chain.iter().for_each(|certificate| put_certificate(&mut out, certificate));
            }
            NewEntry::Trusted(certificate) => put_certificate(&mut out, certificate),
        }
        if !aliases.insert(alias.clone()) {
            return Err(JksError::Alias(alias));
        }
    }
    let sum = checksum(reading, &out);
    out.extend_from_slice(sum.as_ref());
    Ok(out.into())
}

fn protect(key: &PrivateKey, reading: &Reading) -> Result<Vec<u8>, JksError> {
    let plain = key.pkcs8_der().expose();
    let mut salt = [0; SHA1_OUTPUT_LEN];
    rand::fill(&mut salt).map_err(|_| JksError::NotEncrypted)?;
    let data = [&salt[..], &with_key_stream(plain, &salt, reading), seal(plain, reading).as_ref()].concat();
    let scheme = Element::wrap(0x30, &[&Element::wrap(OBJECT, PROTECTOR)[..], &[5, 0]].concat());
    Ok(Element::wrap(0x30, &[scheme, Element::wrap(4, &data)].concat()))
}

fn put_number(out: &mut Vec<u8>, number: usize) {
    out.extend(u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
}

fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_text(out: &mut Vec<u8>, text: &str) -> Option<()> {
    let mut bytes = Vec::new();
    for unit in text.encode_utf16() {
        let [low, middle, high] = [unit & 0x3f, unit >> 6 & 0x3f, unit >> 12].map(|part| part.to_be_bytes()[1]);
        match unit {
            1..0x80 => bytes.push(low | middle << 6),
            0 | 0x80..0x800 => bytes.extend([0xc0 | (unit >> 6).to_be_bytes()[1], 0x80 | low]),
            _ => bytes.extend([0xe0 | high, 0x80 | middle, 0x80 | low]),
        }
    }
    out.extend(u16::try_from(bytes.len()).ok()?.to_be_bytes());
    out.extend(bytes);
    Some(())
}

fn put_certificate(out: &mut Vec<u8>, certificate: &Certificate) {
    // Five bytes of plain ASCII.
    out.extend([0, 5]);
    out.extend_from_slice(X509.as_bytes());
    put_counted(out, certificate.der());
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;
    use crate::cert::codec::{self, BadBlock};
    use crate::cert::fixture::{Issued, NOW, Wish, self_signed};

    fn chain() -> (Issued, [Certificate; 2]) {
        let root = self_signed(&Wish::ca("Root"));
        let leaf = root.issue(&Wish::server("www.example.com"));
        let certificates = [leaf.certificate.clone(), root.certificate];
        (leaf, certificates)
    }

    fn secret(text: &str) -> Sensitive {
        text.to_owned().into()
    }

    fn sample(passphrase: &str) -> (Issued, [Certificate; 2], Vec<u8>) {
        let (leaf, certificates) = chain();
        let entries =
            [("Röot 🔑", NewEntry::Trusted(&certificates[1])), ("tomcat", NewEntry::Key(&leaf.key, &certificates))];
        let store = write(&entries, &secret(passphrase), NOW).unwrap().expose().to_vec();
        (leaf, certificates, store)
    }

    #[test]
    fn what_is_written_is_read() {
        for passphrase in ["changeit", "pässwörd", "схема🔑x"] {
            let (leaf, certificates, store) = sample(passphrase);
            let contents = codec::read(&store, Some(&secret(passphrase))).unwrap();
            assert_eq!((contents.format, contents.bad.as_slice()), (Format::Jks, [].as_slice()));
            assert_eq!(contents.certificates, certificates, "the chain, and its root once");
            assert_eq!(contents.entries[0].name.as_deref(), Some("röot 🔑"));
            assert_eq!(contents.entries[0].holds, Holds::Certificate(certificates[1].clone()));
            assert_eq!(contents.entries[1].holds, Holds::Key { key: Some(0), chain: certificates.to_vec() });
            assert_eq!(contents.key_of(&contents.entries[1]).unwrap().spki(), leaf.key.spki());

            let shut = codec::read(&store, None).unwrap();
            assert_eq!(shut.certificates, certificates, "they stand open");
            let place = Place::Entry { number: 2, name: Some("tomcat".to_owned()) };
            assert_eq!(shut.bad, [BadBlock { place, why: BlockError::EncryptedNoPassphrase }]);
            assert_eq!(shut.bad[0].to_string(), "entry 2, \"tomcat\": encrypted, and no passphrase was given");
            for wrong in ["changeme", ""] {
                let wrong = codec::read(&store, Some(&secret(wrong))).unwrap();
                let place = Place::Store(Format::Jks);
                assert_eq!(wrong.bad, [BadBlock { place, why: BlockError::WrongPassphrase }]);
                assert_eq!((wrong.certificates.len(), wrong.keys.len()), (2, 0));
            }
        }
    }

    #[test]
    fn java_reads_what_is_written_and_is_read() {
        let Ok(found) = Command::new("keytool").arg("-help").output() else {
            println!("skipped: no keytool");
            return;
        };
        assert!(found.status.success());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.jks");
        let keytool = |words: &str| {
            let mut command = Command::new("keytool");
            command
                .args(["-J-Duser.language=en", "-storepass", "changeit", "-keystore"])
                .arg(&path)
                .args(words.split(' '));
            let output = command.output().unwrap();
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(output.status.success(), "keytool {words}: {text}");
            text
        };
        let (_, certificates, store) = sample("changeit");
        std::fs::write(&path, &store).unwrap();
        let listed = keytool("-list -v");
        assert!(listed.contains("2 entries") && listed.contains("Certificate chain length: 2"), "{listed}");
        // The key is proved to open by a store that keytool makes of it.
        let copy = dir.path().join("copy.p12");
        let target = format!("-destkeystore {} -deststoretype PKCS12 -deststorepass changeit", copy.display());
        let status = Command::new("keytool")
            .args(["-importkeystore", "-srcstorepass", "changeit", "-srckeystore"])
            .arg(&path)
            .args(target.split(' '))
            .output()
            .unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
        let contents = codec::read(&std::fs::read(&copy).unwrap(), Some(&secret("changeit"))).unwrap();
        assert_eq!((contents.format, contents.bad.as_slice()), (Format::Pkcs12, [].as_slice()));
        assert_eq!((contents.certificates.as_slice(), contents.keys.len()), (certificates.as_slice(), 1));

        std::fs::remove_file(&path).unwrap();
        keytool("-genkeypair -storetype JKS -alias Web -keyalg EC -dname CN=www.example.com -keypass changeit");
        keytool("-genkeypair -storetype JKS -alias other -keyalg RSA -dname CN=other -keypass different");
        let contents = codec::read(&std::fs::read(&path).unwrap(), Some(&secret("changeit"))).unwrap();
        assert_eq!((contents.format, contents.certificates.len(), contents.keys.len()), (Format::Jks, 2, 1));
        assert!(contents.keys[0].matches(
            match &contents.entries.iter().find(|e| e.name.as_deref() == Some("web")).unwrap().holds {
                Holds::Key { chain, .. } => &chain[0],
                Holds::Certificate(one) => one,
            }
        ));
        let [BadBlock { place: Place::Entry { name: Some(name), .. }, why: BlockError::WrongPassphrase }] =
            &contents.bad[..]
        else {
            panic!("{:?}", contents.bad)
        };
        assert_eq!(name, "other");
    }

    #[test]
    fn damage_is_told_from_a_wrong_passphrase() {
        let (_, _, mut store) = sample("changeit");
        let place = store.windows(6).position(|at| at == b"tomcat").unwrap();
        store[place] = b'T';
        let contents = codec::read(&store, Some(&secret("changeit"))).unwrap();
        assert!(matches!(contents.bad[..], [BadBlock { why: BlockError::Damaged(_), .. }]), "{:?}", contents.bad);
        for cut in 4..store.len() - 1 {
            let error = codec::read(&store[..cut], None).err();
            assert!(matches!(error, Some(InputError::Unreadable { format: Format::Jks, .. })), "{cut}: {error:?}");
        }
    }

    #[test]
    fn a_length_is_held_against_what_is_left() {
        let head = |count: u32| [MAGIC.as_slice(), &2_u32.to_be_bytes(), &count.to_be_bytes()].concat();
        let key = [&1_u32.to_be_bytes()[..], &[0, 1, b'a'], &[0; 8]].concat();
        // An entry with no key and 2^32 - 1 certificates; a key of 4 GiB; more entries than there can be.
        for (body, what) in [
            ([&head(1)[..], &key, &[0; 4], &[0xff; 4], &[0; 20]].concat(), "certificates"),
            ([&head(1)[..], &key, &[0xff; 4], &[0; 20]].concat(), "a length"),
            ([&head(1)[..], &1_u32.to_be_bytes(), &[0xff, 0xff], &[0; 20]].concat(), "an alias"),
            ([&head(1)[..], &3_u32.to_be_bytes(), &[0, 0], &[0; 28]].concat(), "a kind"),
            ([&head(0)[..], &[1], &[0; 20]].concat(), "a byte after the last"),
        ] {
            let error = codec::read(&body, None).err();
            assert!(matches!(error, Some(InputError::Unreadable { format: Format::Jks, .. })), "{what}: {error:?}");
        }
        assert_eq!(codec::read(&[&head(u32::MAX)[..], &[0; 58]].concat(), None).err(), Some(InputError::TooManyBlocks));
        assert_eq!(codec::read(&[&head(0)[..], &[0; 20]].concat(), None).unwrap().entries, []);
    }

    #[test]
    fn what_java_could_not_hold_is_not_written() {
        let (leaf, certificates) = chain();
        let key = || NewEntry::Key(&leaf.key, &certificates);
        let error = |entries: &[(&str, NewEntry<'_>)], passphrase| write(entries, &secret(passphrase), NOW).err();
        assert_eq!(error(&[("a", key()), ("A", key())], "changeit"), Some(JksError::Alias("a".to_owned())));
        assert_eq!(error(&[("a", NewEntry::Key(&leaf.key, &[]))], "changeit"), Some(JksError::NoChain("a".to_owned())));
        assert_eq!(error(&[("a", key())], "short"), Some(JksError::Passphrase));
        assert!(matches!(error(&[(&"a".repeat(70_000), key())], "changeit"), Some(JksError::Alias(_))));
    }

    proptest! {
        #[test]
        fn no_change_makes_it_panic(places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            static STORE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| sample("changeit").2);
            let mut store = STORE.clone();
            for (place, byte) in places {
                let place = place.index(store.len());
                store[place] = byte;
            }
            let _ = codec::read(&store, None);
            let _ = codec::read(&store, Some(&secret("changeit")));
        }

        #[test]
        fn a_text_is_read_as_it_is_written(text in "\\PC{0,40}|\\x00") {
            let mut out = Vec::new();
            put_text(&mut out, &text).unwrap();
            prop_assert_eq!(Bytes(&out).text().unwrap(), text);
        }
    }
}
