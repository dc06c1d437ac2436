//! One trusted certificate more or less in a store of Java, with every other entry as it is.

use time::OffsetDateTime;

use super::contents::{Contents, Format, Holds};
use super::error::InputError;
use super::pkcs12::Pkcs12Error;
use super::{jks, pkcs12, read};
use crate::cert::certificate::Certificate;
use crate::sensitive::Sensitive;

/// A store cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[from] InputError),
    /// It is something else.
    #[error("it is no truststore of Java, but {0}")]
    OtherFormat(Format),
    /// Its checksum does not fit the passphrase.
    #[error("the passphrase does not fit")]
    WrongPassphrase,
    /// A part of it cannot be taken apart, or is protected in a way that is not known here.
    #[error("{0}")]
    Part(String),
    /// Another entry has the alias.
    #[error("it has an entry {0:?} already")]
    AliasTaken(String),
    /// There is no such entry, or it holds something else.
    #[error("it has no trusted certificate {0:?}, or that entry holds another one")]
    NotThere(String),
    /// The new bytes could not be made.
    #[error("the new store could not be made")]
    Write(#[from] Pkcs12Error),
    /// What was made does not read as meant: a bug, and nothing is done with it.
    #[error("the new store does not read as it should")]
    NotAsMeant,
}

impl EditError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreadable(error) => error.hint(),
            Self::OtherFormat(_) => Some("name a truststore in JKS or PKCS#12, as `keytool` makes it"),
            Self::WrongPassphrase => Some("name the file with the store's passphrase: `--passphrase-file FILE`"),
            Self::Part(_) => Some("`keytool -importkeystore` writes the store anew, in a form that is read here"),
            Self::AliasTaken(_) => Some("choose another name: `--name NAME`"),
            Self::NotThere(_) => Some("`keytool -list` tells what is in it"),
            Self::Write(_) => Some("use a passphrase that is text"),
            Self::NotAsMeant => Some("this is a bug in reseal; please report it with how the store was made"),
        }
    }
}

/// The store with one more trusted certificate under `alias`, which must be in small letters.
///
/// # Errors
/// See [`EditError`].
pub fn add(
    store: &[u8],
    alias: &str,
    certificate: &Certificate,
    passphrase: &Sensitive,
    now: OffsetDateTime,
) -> Result<Sensitive, EditError> {
    let before = contents(store, passphrase)?;
    if before.entries.iter().any(|entry| entry.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(alias))) {
        return Err(EditError::AliasTaken(alias.to_owned()));
    }
    let made = if before.format == Format::Jks {
        jks::edit::add(store, alias, certificate, passphrase, now)?
    } else {
        pkcs12::edit::add(store, alias, certificate, passphrase)?
    };
    let after = contents(made.expose(), passphrase)?;
    proved(made, &before, &after, 1)
}

/// The store without the trusted certificate under `alias`.
///
/// # Errors
/// See [`EditError`].
pub fn remove(
    store: &[u8],
    alias: &str,
    certificate: &Certificate,
    passphrase: &Sensitive,
) -> Result<Sensitive, EditError> {
    let before = contents(store, passphrase)?;
    if find(&before, alias) != Some(certificate) {
        return Err(EditError::NotThere(alias.to_owned()));
    }
    let made = if before.format == Format::Jks {
        jks::edit::remove(store, alias, passphrase)?
    } else {
        pkcs12::edit::remove(store, alias, certificate, passphrase)?
    };
    let after = contents(made.expose(), passphrase)?;
    proved(made, &after, &before, 1)
}

/// Whether a passphrase is the one of a store.
///
/// # Errors
/// It is not, or the store cannot be changed with any.
pub fn opens(store: &[u8], passphrase: &Sensitive) -> Result<(), EditError> {
    if contents(store, passphrase)?.format == Format::Jks {
        jks::edit::opens(store, passphrase)
    } else {
        pkcs12::edit::opens(store, passphrase)
    }
}

/// The trusted certificate of this alias; Java does not tell case apart.
#[must_use]
pub fn find<'c>(contents: &'c Contents, alias: &str) -> Option<&'c Certificate> {
    contents.entries.iter().find_map(|entry| match &entry.holds {
        Holds::Certificate(one) if entry.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(alias)) => {
            Some(one)
        }
        Holds::Certificate(_) | Holds::Key { .. } => None,
    })
}

/// What is in a store of one of the two kinds.
fn contents(store: &[u8], passphrase: &Sensitive) -> Result<Contents, EditError> {
    let contents = read(store, Some(passphrase))?;
    match contents.format {
        Format::Jks | Format::Pkcs12 => Ok(contents),
        other @ (Format::Pem | Format::CertificateDer | Format::KeyDer | Format::Pkcs7) => {
            Err(EditError::OtherFormat(other))
        }
    }
}

/// What was made holds every entry of the smaller store, in its order, and so many more.
fn proved(made: Sensitive, smaller: &Contents, larger: &Contents, more: usize) -> Result<Sensitive, EditError> {
    let mut rest = larger.entries.iter();
    let all = smaller.entries.iter().all(|entry| rest.any(|other| other.name == entry.name));
    let same = all && larger.entries.len() == smaller.entries.len() + more && larger.bad == smaller.bad;
    if same && larger.keys.len() == smaller.keys.len() { Ok(made) } else { Err(EditError::NotAsMeant) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::codec::jks::NewEntry;
    use crate::cert::fixture::{Issued, NOW, Wish, self_signed};
    use crate::cert::key::tests::openssl;

    fn secret(text: &str) -> Sensitive {
        text.to_owned().into()
    }

    /// A key whose chain ends below its root, another root, and the root.
    fn people() -> (Issued, Certificate, Certificate) {
        let root = self_signed(&Wish::ca("Root"));
        let leaf = root.issue(&Wish::server("www.example.com"));
        (leaf, self_signed(&Wish::ca("Other")).certificate, root.certificate)
    }

    /// The same store in every form: JKS, PKCS#12 of today and of old, PKCS#12 with certificates in the clear and without a checksum.
    fn stores(passphrase: &str) -> Vec<(&'static str, Vec<u8>, Certificate)> {
        let (leaf, other, root) = people();
        let chain = std::slice::from_ref(&leaf.certificate);
        let entries = [("app", NewEntry::Key(&leaf.key, chain)), ("other", NewEntry::Trusted(&other))];
        let pair = [leaf.key.to_pem().expose(), leaf.certificate.to_pem().as_bytes()].concat();
        let export = |words: &str| {
            openssl(format!("pkcs12 -export -name app -passout pass:{passphrase} {words}").trim_end(), &pair)
        };
        vec![
            ("jks", jks::write(&entries, &secret(passphrase), NOW).unwrap().expose().to_vec(), root.clone()),
            ("modern", export(""), root.clone()),
            ("sha1", export("-macalg sha1 -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES"), root.clone()),
            ("plain certificates", export("-certpbe NONE"), root.clone()),
            ("no checksum", export("-nomac"), root),
        ]
    }

    #[test]
    fn one_comes_and_goes_and_all_others_stay_as_they_are() {
        for passphrase in ["changeit", "pässwörd"] {
            for (kind, store, root) in stores(passphrase) {
                let at = format!("{kind} {passphrase}");
                let before = contents(&store, &secret(passphrase)).unwrap();
                let with = add(&store, "reseal-root", &root, &secret(passphrase), NOW).unwrap();
                opens(with.expose(), &secret(passphrase)).unwrap();
                let after = contents(with.expose(), &secret(passphrase)).unwrap();
                assert_eq!(after.bad, [], "{at}");
                assert_eq!(after.keys[0].spki(), before.keys[0].spki(), "{at}");
                assert_eq!(
                    find(&after, "RESEAL-root"),
                    Some(&root),
                    "{at}: trusted for itself though its leaf is there too"
                );
                // Their own tool takes it as well.
                if kind != "jks" {
                    let words = format!("pkcs12 -nodes -passin pass:{passphrase}");
                    let words = if kind == "no checksum" { format!("{words} -nomacver") } else { words };
                    let text = openssl(&words, with.expose());
                    let text = String::from_utf8_lossy(&text);
                    assert!(text.contains("reseal-root") && text.contains("BEGIN PRIVATE KEY"), "{at}: {text}");
                }
                let again = add(with.expose(), "reseal-root", &root, &secret(passphrase), NOW);
                assert!(matches!(again, Err(EditError::AliasTaken(_))), "{at}");
                let without = remove(with.expose(), "reseal-root", &root, &secret(passphrase)).unwrap();
                let end = contents(without.expose(), &secret(passphrase)).unwrap();
                assert_eq!(end.entries, before.entries, "{at}");
                if kind == "jks" {
                    assert_eq!(without.expose(), store, "not one byte is another");
                }
                let gone = remove(without.expose(), "reseal-root", &root, &secret(passphrase));
                assert!(matches!(gone, Err(EditError::NotThere(_))), "{at}");
            }
        }
    }

    #[test]
    fn nothing_is_made_with_another_passphrase_or_of_something_else() {
        let (_, other, root) = people();
        for (kind, store, root) in stores("changeit") {
            if kind == "no checksum" {
                continue;
            }
            for (edited, done) in [
                (add(&store, "reseal-root", &root, &secret("changed"), NOW), "add"),
                (remove(&store, "app", &root, &secret("changeit")), "remove a key"),
            ] {
                assert!(edited.is_err(), "{kind}: {done}");
            }
            let wrong = opens(&store, &secret("changed"));
            assert!(matches!(wrong, Err(EditError::WrongPassphrase)), "{kind}: {wrong:?}");
            let same = add(&store, "APP", &root, &secret("changeit"), NOW);
            assert!(matches!(same, Err(EditError::AliasTaken(_))), "{kind}");
        }
        let (_, store, _) = stores("changeit").swap_remove(0);
        assert!(matches!(remove(&store, "other", &root, &secret("changeit")), Err(EditError::NotThere(_))));
        let pem = add(other.to_pem().as_bytes(), "a", &root, &secret("changeit"), NOW);
        assert!(matches!(pem, Err(EditError::OtherFormat(Format::Pem))));
    }

    /// Where somebody else's tool has written the store anew, ours lies in one safe with others: those stay.
    #[test]
    fn others_in_the_same_safe_stay() {
        let (leaf, other, root) = people();
        let pair = [
            leaf.key.to_pem().expose(),
            leaf.certificate.to_pem().as_bytes(),
            other.to_pem().as_bytes(),
            root.to_pem().as_bytes(),
        ]
        .concat();
        let words = "pkcs12 -export -name app -caname other -caname reseal-root -passout pass:changeit";
        let store = openssl(words, &pair);
        let before = contents(&store, &secret("changeit")).unwrap();
        let without = remove(&store, "other", &other, &secret("changeit")).unwrap();
        let after = contents(without.expose(), &secret("changeit")).unwrap();
        assert_eq!(after.entries.len(), before.entries.len() - 1);
        assert_eq!(after.keys[0].spki(), leaf.key.spki());
        assert!(find(&after, "other").is_none() && after.bad.is_empty());
    }

    /// The rounds that guard a store's passphrase are not made fewer.
    #[test]
    fn a_checksum_is_made_no_cheaper() {
        let (leaf, _, root) = people();
        let pair = [leaf.key.to_pem().expose(), leaf.certificate.to_pem().as_bytes()].concat();
        for (rounds, after) in [(300_000, 300_000), (2_048, 100_000)] {
            let words = format!("pkcs12 -export -name app -iter {rounds} -passout pass:changeit");
            let store = openssl(&words, &pair);
            let made = add(&store, "reseal-root", &root, &secret("changeit"), crate::cert::fixture::NOW).unwrap();
            assert_eq!(mac_rounds(made.expose()), after);
        }
    }

    /// The last number in a store.
    fn mac_rounds(store: &[u8]) -> u64 {
        let tail = store.iter().rposition(|byte| *byte == 0x02).unwrap();
        store[tail + 2..].iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }
}
