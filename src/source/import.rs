//! A certificate and key that somebody already has: in any format, order and packing.

use crate::cert::codec::{self, BadBlock, BlockError, Contents, Holds, InputError, Stop, Stopped};
use crate::cert::{Bundle, Certificate, Chain, ChainError, ChainNote, PairError, PrivateKey};
use crate::digest::Digest;
use crate::sensitive::Sensitive;

/// One piece of what is imported.
pub struct Part {
    /// What to call it in messages, a path for one.
    pub label: String,
    /// Its bytes.
    pub bytes: Sensitive,
}

/// What an import yields.
pub struct Imported {
    /// The chain and its key.
    pub bundle: Bundle,
    /// What was left out or looks wrong, a line each.
    pub notes: Vec<Note>,
}

/// Something about the input that stops nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Note {
    /// About the chain.
    Chain(ChainNote),
    /// The chain goes on with this one, which stands where it is to be installed and was not given.
    Continued(Certificate),
    /// Blocks that are neither certificate nor key.
    Ignored {
        /// The part.
        part: String,
        /// Their label.
        label: String,
        /// How many.
        count: usize,
    },
    /// A block that OpenSSL would refuse and that was read nevertheless.
    Broken {
        /// The part.
        part: String,
        /// The block, and at what it stops.
        block: Stopped,
    },
    /// A key that belongs to none of the certificates, beside one that does.
    OtherKey {
        /// The part.
        part: String,
        /// SHA-256 of its public half.
        key: Digest,
    },
}

impl Imported {
    /// Whether the chain may go on: the issuer of its last certificate was not given.
    #[must_use]
    pub fn lacks_issuer(&self) -> bool {
        self.notes.iter().any(|note| matches!(note, Note::Chain(ChainNote::IssuerMissing(_))))
    }

    /// The same with these at the end of its chain, each the issuer of the one before.
    #[must_use]
    pub fn continued(mut self, issuers: Vec<Certificate>) -> Self {
        if issuers.is_empty() {
            return self;
        }
        self.notes.retain(|note| !matches!(note, Note::Chain(ChainNote::IssuerMissing(_))));
        self.notes.extend(issuers.iter().cloned().map(Note::Continued));
        Self { bundle: self.bundle.continued(issuers), notes: self.notes }
    }
}

impl std::fmt::Display for Note {
    /// One line; names are not escaped.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Chain(note) => note.fmt(out),
            Self::Continued(one) => {
                write!(out, "the chain goes on with {}, which stands in the files in place", one.title())
            }
            Self::Ignored { part, label, count } => write!(out, "ignored {count} × {label} in {part}"),
            Self::Broken { part, block } => {
                write!(out, "read {part} in spite of what OpenSSL refuses it for ({block})")
            }
            Self::OtherKey { part, key } => {
                write!(out, "ignored a private key in {part}: {} belongs to none of the certificates", key.short())
            }
        }
    }
}

/// An import cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// No parts, or only empty ones.
    #[error("there is nothing to import")]
    Empty,
    /// A part cannot be read at all.
    #[error("cannot read {part}")]
    Part {
        /// The part.
        part: String,
        /// Why not.
        #[source]
        why: InputError,
    },
    /// A block of a part cannot be read. None is passed over: the chain would be silently shorter.
    #[error("cannot read {part}")]
    Block {
        /// The part.
        part: String,
        /// Which block and why not.
        #[source]
        why: BadBlock,
    },
    /// No certificate anywhere.
    #[error("no certificate was found in {}", .0.join(", "))]
    NoCertificate(Vec<String>),
    /// No private key anywhere.
    #[error("no private key was found in {}", .0.join(", "))]
    NoKey(Vec<String>),
    /// None of the keys belongs to any of the certificates.
    #[error("none of the private keys belongs to any of the certificates; keys: {}; certificates: {}", keys.join(", "), certificates.join(", "))]
    NoneMatch {
        /// Each key: its part, kind and fingerprint.
        keys: Vec<String>,
        /// Each certificate: its part, title and the fingerprint of its key.
        certificates: Vec<String>,
    },
    /// More than one pair.
    #[error("several pairs of certificate and key were found, for the keys {}", .0.join(", "))]
    SeveralPairs(Vec<String>),
    /// No store has an entry of the name that was asked for.
    #[error("no store has an entry {alias:?}; the entries are {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    NoEntry {
        /// The name.
        alias: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The certificates make no chain.
    #[error("the certificates make no chain")]
    Chain(#[from] ChainError),
    /// The key does not belong to the leaf.
    #[error("the certificate and the private key do not belong together")]
    Pair(#[from] PairError),
}

impl ImportError {
    /// Whether a passphrase might have helped.
    #[must_use]
    pub fn wants_passphrase(&self) -> bool {
        matches!(self, Self::Block { why, .. } if why.why == BlockError::EncryptedNoPassphrase)
    }

    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Empty => Some("name the files of the certificate, its intermediates and the private key"),
            Self::Part { why, .. } => why.hint(),
            Self::Block { why, .. } => why.why.hint(),
            Self::NoCertificate(_) => Some("add the file of the server's certificate"),
            Self::NoKey(_) => Some("add the file of the private key the certificate was requested with"),
            Self::NoneMatch { .. } => {
                Some("find the key the certificate was requested with, or request a new certificate")
            }
            Self::SeveralPairs(_) => {
                Some("choose one by its name in the store: `--alias NAME`; or bring one pair alone")
            }
            Self::NoEntry { .. } => Some("write the name as the store has it; JKS has small letters alone"),
            Self::Chain(error) => Some(error.hint()),
            Self::Pair(error) => Some(error.hint()),
        }
    }
}

/// Makes a bundle of everything the parts hold: the key that belongs to a certificate, that certificate, and the intermediates
/// above it in order. A root at the end is left out. Opens no file; the passphrase opens every encrypted key.
///
/// # Errors
/// A part or a block that cannot be read, no certificate, no key, or none that belong together. See [`ImportError`].
pub fn bundle_from(parts: &[Part], passphrase: Option<&Sensitive>) -> Result<Imported, ImportError> {
    bundle_of(parts, passphrase, None)
}

/// The same, where of the stores among the parts only the entries of this name are looked at.
///
/// # Errors
/// As [`bundle_from`], and where no store has such an entry.
pub fn bundle_of(parts: &[Part], passphrase: Option<&Sensitive>, alias: Option<&str>) -> Result<Imported, ImportError> {
    if parts.iter().all(|part| part.bytes.expose().trim_ascii().is_empty()) {
        return Err(ImportError::Empty);
    }
    let mut found = Found { alias: alias.map(str::to_owned), ..Found::default() };
    for part in parts {
        found.take(part, passphrase)?;
    }
    if let Some(alias) = alias.filter(|_| !found.chosen) {
        found.entries.sort();
        return Err(ImportError::NoEntry { alias: alias.to_owned(), known: found.entries });
    }
    let labels = || parts.iter().map(|part| part.label.clone()).collect();
    if found.certificates.is_empty() {
        return Err(ImportError::NoCertificate(labels()));
    }
    if found.keys.is_empty() {
        return Err(ImportError::NoKey(labels()));
    }
    let Found { certificates, keys, mut notes, names, .. } = found;
    let key = choose_key(keys, &certificates, &names, &mut notes)?;
    let certificates = certificates.into_iter().map(|(_, certificate)| certificate).collect();
    let assembled = Chain::assemble(certificates, Some(&key))?;
    notes.extend(assembled.notes.into_iter().map(Note::Chain));
    Ok(Imported { bundle: Bundle::pair(assembled.chain, key)?, notes })
}

/// All certificates of the parts, in their order.
///
/// # Errors
/// A part or a block that cannot be read, or no certificate.
pub fn certificates(parts: &[Part]) -> Result<Vec<Certificate>, ImportError> {
    let mut found = Found::default();
    for part in parts {
        found.take(part, None)?;
    }
    if found.certificates.is_empty() {
        return Err(ImportError::NoCertificate(parts.iter().map(|part| part.label.clone()).collect()));
    }
    Ok(found.certificates.into_iter().map(|(_, certificate)| certificate).collect())
}

/// What the parts hold, each with the label of its part.
#[derive(Default)]
struct Found {
    certificates: Vec<(String, Certificate)>,
    keys: Vec<(String, PrivateKey)>,
    notes: Vec<Note>,
    /// The entry that was asked for.
    alias: Option<String>,
    /// Whether a store had it.
    chosen: bool,
    /// The names of the entries that hold keys.
    entries: Vec<String>,
    /// The public keys of those, each with its entry.
    names: Vec<(Digest, String)>,
}

impl Found {
    fn take(&mut self, part: &Part, passphrase: Option<&Sensitive>) -> Result<(), ImportError> {
        let mut contents = codec::read(part.bytes.expose(), passphrase)
            .map_err(|why| ImportError::Part { part: part.label.clone(), why })?;
        if let Some(why) = std::mem::take(&mut contents.bad).into_iter().next() {
            return Err(ImportError::Block { part: part.label.clone(), why });
        }
        self.name(&contents);
        let contents = self.only_chosen(contents);
        self.certificates.extend(contents.certificates.into_iter().map(|one| (part.label.clone(), one)));
        for key in contents.keys {
            // The same key in a combined file and beside it is one key.
            if self.keys.iter().all(|(_, other)| other.spki() != key.spki()) {
                self.keys.push((part.label.clone(), key));
            }
        }
        // PKCS#7 is a packing as good as another for what is imported.
        let broken = contents.broken.into_iter().filter(|block| block.why != Stop::Pkcs7);
        self.notes.extend(broken.map(|block| Note::Broken { part: part.label.clone(), block }));
        self.notes.extend(contents.ignored.into_iter().map(|(label, count)| Note::Ignored {
            part: part.label.clone(),
            label,
            count,
        }));
        Ok(())
    }
}

impl Found {
    fn name(&mut self, contents: &Contents) {
        for entry in &contents.entries {
            if let (Some(name), Holds::Key { .. }) = (&entry.name, &entry.holds) {
                self.entries.push(name.clone());
                self.names.extend(contents.key_of(entry).map(|key| (Digest::of(key.spki()), name.clone())));
            }
        }
    }

    /// What a store holds in the entry that was asked for; all of it where none was, or where there are no entries.
    fn only_chosen(&mut self, mut contents: Contents) -> Contents {
        let Some(alias) = self.alias.clone().filter(|_| !contents.entries.is_empty()) else { return contents };
        let chosen = contents.entries.iter().position(|entry| entry.name.as_ref() == Some(&alias));
        let found = chosen.map(|at| contents.entries.swap_remove(at).holds);
        let (key, certificates) = match found {
            Some(Holds::Key { key, chain }) => (key, chain),
            Some(Holds::Certificate(one)) => (None, vec![one]),
            None => (None, Vec::new()),
        };
        self.chosen |= chosen.is_some();
        let keys = std::mem::take(&mut contents.keys).into_iter().enumerate();
        contents.keys = keys.filter(|(at, _)| Some(*at) == key).map(|(_, key)| key).collect();
        contents.certificates = certificates;
        contents
    }
}

fn choose_key(
    keys: Vec<(String, PrivateKey)>,
    certificates: &[(String, Certificate)],
    names: &[(Digest, String)],
    notes: &mut Vec<Note>,
) -> Result<PrivateKey, ImportError> {
    let (mut fitting, others): (Vec<_>, Vec<_>) =
        keys.into_iter().partition(|(_, key)| certificates.iter().any(|(_, one)| key.matches(one)));
    let name = |(part, key): &(String, PrivateKey)| {
        let digest = Digest::of(key.spki());
        let entry = names.iter().find(|(of, _)| *of == digest).map(|(_, name)| format!(", entry {name:?}"));
        format!("{} in {part} ({}{})", digest.short(), key.kind(), entry.unwrap_or_default())
    };
    // A CA's key beside the server's, as test set-ups leave it, is not a second pair.
    if fitting.len() > 1 {
        let of_server = |key: &PrivateKey| certificates.iter().any(|(_, one)| !one.is_ca() && key.matches(one));
        if fitting.iter().any(|(_, key)| of_server(key)) {
            fitting.retain(|(_, key)| of_server(key));
        }
    }
    if fitting.len() > 1 {
        return Err(ImportError::SeveralPairs(fitting.iter().map(name).collect()));
    }
    let Some((_, key)) = fitting.pop() else {
        let certificates = certificates
            .iter()
            .map(|(part, one)| format!("{} in {part} (for {})", one.title(), one.spki_digest().short()))
            .collect();
        return Err(ImportError::NoneMatch { keys: others.iter().map(name).collect(), certificates });
    };
    notes.extend(others.into_iter().map(|(part, key)| Note::OtherKey { part, key: Digest::of(key.spki()) }));
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::codec::pem;
    use crate::cert::codec::pkcs8::encrypt;
    use crate::cert::fixture::{Issued, Wish, copy, self_signed};

    fn part(label: &str, bytes: impl AsRef<[u8]>) -> Part {
        Part { label: label.to_owned(), bytes: bytes.as_ref().to_vec().into() }
    }

    fn key_part(label: &str, key: &PrivateKey) -> Part {
        part(label, key.to_pem().expose())
    }

    fn family() -> (Issued, Issued, Issued) {
        let root = self_signed(&Wish::ca("Root"));
        let middle = root.issue(&Wish::ca("Middle"));
        let leaf = middle.issue(&Wish::server("www.example.com"));
        (root, middle, leaf)
    }

    fn failure(parts: &[Part], passphrase: Option<&Sensitive>) -> ImportError {
        bundle_from(parts, passphrase).err().unwrap()
    }

    #[test]
    fn any_packing_becomes_the_same_bundle() {
        let (root, middle, leaf) = family();
        let pem = |of: &[&Issued]| of.iter().map(|one| one.certificate.to_pem()).collect::<String>();
        let key = leaf.key.to_pem();
        let key_text = String::from_utf8(key.expose().to_vec()).unwrap();
        for parts in [
            vec![part("one", pem(&[&root, &middle, &leaf]) + &key_text)],
            vec![part("one", key_text.clone() + &pem(&[&leaf, &middle, &root, &middle]))],
            vec![part("key", &key_text), part("chain", pem(&[&root, &middle])), part("cert", pem(&[&leaf]))],
            vec![
                part("root.der", root.certificate.der()),
                part("key.der", leaf.key.pkcs8_der().expose()),
                part("leaf.der", leaf.certificate.der()),
                part("middle.der", middle.certificate.der()),
            ],
            vec![part("full", pem(&[&leaf, &middle, &root]) + &key_text), part("again", &key_text)],
        ] {
            let imported = bundle_from(&parts, None).unwrap();
            assert_eq!(imported.bundle.chain().fullchain_pem(), pem(&[&leaf, &middle]));
            assert_eq!(imported.bundle.key().spki(), leaf.key.spki());
            assert_eq!(imported.notes, [Note::Chain(ChainNote::RootDropped(root.certificate.clone()))]);
        }
    }

    #[test]
    fn of_several_keys_the_fitting_one_is_taken() {
        let (root, middle, leaf) = family();
        let stranger = crate::cert::fixture::key();
        let certificates = leaf.certificate.to_pem() + &middle.certificate.to_pem();
        let parts = [key_part("other", &stranger), part("chain", certificates), key_part("own", &leaf.key)];
        let imported = bundle_from(&parts, None).unwrap();
        assert_eq!(imported.bundle.key().spki(), leaf.key.spki());
        let other = Note::OtherKey { part: "other".to_owned(), key: Digest::of(stranger.spki()) };
        assert_eq!(imported.notes, [other]);

        let parts = [
            key_part("ca", &middle.key),
            part("chain", middle.certificate.to_pem()),
            parts[1].copy(),
            key_part("own", &leaf.key),
        ];
        assert_eq!(bundle_from(&parts, None).unwrap().bundle.leaf(), &leaf.certificate);

        let second = root.issue(&Wish::server("mail.example.com"));
        let parts = [
            part("certs", leaf.certificate.to_pem() + &second.certificate.to_pem()),
            key_part("one", &leaf.key),
            key_part("two", &second.key),
        ];
        assert!(matches!(failure(&parts, None), ImportError::SeveralPairs(keys) if keys.len() == 2));
    }

    #[test]
    fn what_is_missing_is_named() {
        let (_, middle, leaf) = family();
        let (certificate, key) = (part("cert.pem", leaf.certificate.to_pem()), key_part("key.pem", &leaf.key));
        for (parts, text) in [
            (vec![], "there is nothing to import"),
            (vec![part("a", " \n"), part("b", "")], "there is nothing to import"),
            (vec![certificate.copy()], "no private key was found in cert.pem"),
            (vec![key.copy()], "no certificate was found in key.pem"),
            (vec![certificate.copy(), key.copy(), part("c.pem", "")], "cannot read c.pem"),
            (vec![certificate.copy(), part("c.pem", "hello")], "cannot read c.pem"),
        ] {
            let error = failure(&parts, None);
            assert_eq!(error.to_string(), text);
            assert!(error.hint().is_some(), "{text}");
        }
        let error = failure(&[certificate, key_part("wrong.pem", &middle.key)], None);
        let text = error.to_string();
        for word in ["wrong.pem", "cert.pem", "www.example.com", &leaf.certificate.spki_digest().short()] {
            assert!(text.contains(word), "{word} in {text}");
        }
    }

    #[test]
    fn a_bad_block_refuses_the_whole() {
        let (_, middle, leaf) = family();
        let damaged = middle.certificate.to_pem().replacen('M', "*", 1);
        let parts = [part("full.pem", leaf.certificate.to_pem() + &damaged), key_part("key.pem", &leaf.key)];
        let error = failure(&parts, None);
        assert_eq!(error.to_string(), "cannot read full.pem");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("line ") && cause.contains("not base64"), "{cause}");
    }

    #[test]
    fn passphrases_open_keys() {
        let (_, _, leaf) = family();
        let secret = |text: &str| Sensitive::from(text.to_owned());
        let sealed = encrypt(&leaf.key, &secret("open")).unwrap();
        let parts = [part("cert", leaf.certificate.to_pem()), part("key", sealed.expose())];
        assert!(bundle_from(&parts, Some(&secret("open"))).is_ok());
        for (passphrase, why) in
            [(None, BlockError::EncryptedNoPassphrase), (Some(secret("shut")), BlockError::WrongPassphrase)]
        {
            let error = failure(&parts, passphrase.as_ref());
            assert!(error.hint().is_some());
            assert!(matches!(error, ImportError::Block { why: found, .. } if found.why == why));
        }
        let plain = [part("cert", leaf.certificate.to_pem()), key_part("key", &copy(&leaf.key))];
        assert!(bundle_from(&plain, Some(&secret("unneeded"))).is_ok());
    }

    #[test]
    fn other_blocks_are_told() {
        let (_, middle, leaf) = family();
        let parameters = pem::encode("EC PARAMETERS", b"\x06\x00");
        let parts = [
            part("all", parameters + &leaf.certificate.to_pem() + &middle.certificate.to_pem()),
            key_part("key", &leaf.key),
        ];
        let notes = bundle_from(&parts, None).unwrap().notes;
        assert_eq!(notes.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ignored 1 × EC PARAMETERS in all"]);
    }

    impl Part {
        fn copy(&self) -> Self {
            part(&self.label, self.bytes.expose())
        }
    }
}
