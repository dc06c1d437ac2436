//! The kinds of clients whose trust is asked for: the operating system's roots, a bundle, a truststore. Each is read when it is first
//! needed, and once in a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::Refusal;
use crate::cert::codec::{self, BlockError, Contents, InputError};
use crate::cert::{Anchors, Profile};
use crate::host::{Host, dir, roots};
use crate::outcome::explain;
use crate::sensitive::Sensitive;
use crate::trust::java::USUAL_PASSPHRASE;

/// The word for the operating system's roots.
pub const SYSTEM: &str = "system";

/// The word for nobody.
pub const NONE: &str = "none";

/// A client, and what could not be read of its roots.
pub type Known = (Profile, Vec<String>);

/// Reads what is asked for.
pub struct Clients<'a> {
    host: &'a Host,
    /// `[trust.NAME]`.
    named: &'a BTreeMap<String, PathBuf>,
    /// What the command line asks for, instead of what is usual.
    asked: &'a [String],
    /// What opens their stores, where somebody has named it.
    passphrase: Option<&'a Sensitive>,
    known: Mutex<BTreeMap<String, Arc<Known>>>,
}

impl<'a> Clients<'a> {
    /// Nothing is read yet. `asked` are the words of the command line: `system`, `none`, a name of the configuration or a file.
    #[must_use]
    pub fn new(host: &'a Host, named: &'a BTreeMap<String, PathBuf>, asked: &'a [String]) -> Self {
        Self { host, named, asked, passphrase: None, known: Mutex::default() }
    }

    /// With the passphrase that was named for what is encrypted.
    #[must_use]
    pub fn opening_with(self, passphrase: Option<&'a Sensitive>) -> Self {
        Self { passphrase, ..self }
    }

    /// Those the command line asks for, else these: the usual ones for what is judged.
    ///
    /// # Errors
    /// One of them cannot be read, or holds no certificate.
    pub fn or(&self, usual: &[String]) -> Result<Vec<Arc<Known>>, Refusal> {
        let words = if self.asked.is_empty() { usual } else { self.asked };
        words.iter().filter(|word| *word != NONE).map(|word| self.one(word)).collect()
    }

    fn one(&self, word: &str) -> Result<Arc<Known>, Refusal> {
        // Held while reading: whoever comes second waits instead of reading the same files.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(word) {
            return Ok(Arc::clone(found));
        }
        let found = Arc::new(match (word, self.named.get(word)) {
            (SYSTEM, _) => {
                let (anchors, problems) = roots::system();
                let problems = problems.iter().map(|why| format!("the system's roots: {why}")).collect();
                (Profile::new(SYSTEM, anchors), problems)
            }
            (_, Some(path)) => self.read(word, path)?,
            (_, None) => self.read(word, Path::new(word))?,
        });
        known.insert(word.to_owned(), Arc::clone(&found));
        Ok(found)
    }

    /// The one place where a file becomes roots.
    fn read(&self, name: &str, path: &Path) -> Result<Known, Refusal> {
        let shown = path.display();
        let hint =
            "a file of PEM or DER certificates, `system`, `none`, or the name of a [trust.NAME] in the configuration";
        let bytes = self
            .host
            .read(path, dir::MAX_FILE)
            .map_err(|error| Refusal::new(format!("cannot read the roots {shown}: {error}")).hint(hint))?;
        let found = self
            .opened(&bytes)
            .map_err(|error| Refusal::new(format!("cannot read the roots {shown}: {}", explain(&error))).hint(hint))?;
        if is_locked(&found) {
            return Err(Refusal::new(format!("{shown} is encrypted, and nobody has named the passphrase that opens it")).hint(
                "`check` takes `--passphrase-file FILE` (tried was the usual one, `changeit`); `keytool -list -rfc` writes the roots as PEM",
            ));
        }
        if found.certificates.is_empty() {
            return Err(Refusal::new(format!("{shown} holds no certificate to trust")).hint(hint));
        }
        let mut problems: Vec<String> = found.bad.iter().map(|bad| format!("{shown}: {}", explain(bad))).collect();
        let (roots, reserved) = found.into_roots();
        if roots.is_empty() {
            let why = reserved.join("; ");
            return Err(Refusal::new(format!("{shown} holds no certificate to trust: {why}"))
                .hint("`openssl x509 -in FILE -out PLAIN` takes the certificate without what is said of it"));
        }
        problems.extend(reserved.iter().map(|why| format!("{shown}: {why}")));
        let count = roots.len();
        let anchors = Anchors::new(roots);
        let unusable = count - anchors.roots().len();
        if unusable > 0 {
            problems.push(format!("{shown}: {unusable} certificates cannot serve as roots: clients cannot read them"));
        }
        Ok((Profile::new(name, anchors), problems))
    }

    /// What is in a file: a store by itself, then with the passphrase that was named, then with the one that Java's have.
    fn opened(&self, bytes: &[u8]) -> Result<Contents, InputError> {
        let shut = codec::read(bytes, None)?;
        let usual = Sensitive::from(USUAL_PASSPHRASE.to_owned());
        for passphrase in self.passphrase.into_iter().chain([&usual]).take_while(|_| is_locked(&shut)) {
            let open = codec::read(bytes, Some(passphrase))?;
            if !is_locked(&open) {
                return Ok(open);
            }
        }
        Ok(shut)
    }
}

/// Whether all that is in it is encrypted.
fn is_locked(found: &Contents) -> bool {
    let locked = |why: &BlockError| matches!(why, BlockError::EncryptedNoPassphrase | BlockError::WrongPassphrase);
    found.certificates.is_empty() && found.bad.iter().any(|bad| locked(&bad.why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{NOW, Wish, self_signed};
    use crate::cert::{Chain, Untrusted};

    #[test]
    fn files_and_names_are_clients() {
        let dir = tempfile::tempdir().unwrap();
        let root = self_signed(&Wish::ca("Root"));
        let leaf = root.issue(&Wish::server("www"));
        let path = dir.path().join("roots.pem");
        std::fs::write(&path, root.certificate.to_pem()).unwrap();
        let empty = dir.path().join("empty.pem");
        std::fs::write(&empty, "x").unwrap();
        let host = Host::new(dir.path());
        let named = BTreeMap::from([("java".to_owned(), path.clone())]);
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
        let chain = Chain::as_given(vec![leaf.certificate]).unwrap();
        let asked = words(&["java", path.to_str().unwrap(), "none"]);
        let clients = Clients::new(&host, &named, &asked);
        let found = clients.or(&words(&["system"])).unwrap();
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|client| client.0.judge(&chain, &[], NOW).trusted && client.1.is_empty()));
        assert_eq!(found[0].0.name(), "java");
        assert!(Arc::ptr_eq(&found[0], &clients.or(&[]).unwrap()[0]), "read once");
        for bad in ["/nowhere", empty.to_str().unwrap()] {
            let asked = words(&[bad]);
            assert!(Clients::new(&host, &named, &asked).or(&[]).err().unwrap().why.contains(bad));
        }
        let usual = Clients::new(&host, &named, &[]);
        assert_eq!(usual.or(&[]).unwrap().len(), 0);
        let system = usual.or(&words(&["system"])).unwrap();
        assert_eq!(system[0].0.judge(&chain, &[], NOW).reason, Some(Untrusted::UnknownIssuer));
    }

    #[test]
    fn a_truststore_is_opened_by_the_usual_passphrase_or_the_one_that_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let root = self_signed(&Wish::ca("Root"));
        let pem = dir.path().join("root.pem");
        std::fs::write(&pem, root.certificate.to_pem()).unwrap();
        let (host, named) = (Host::new(dir.path()), BTreeMap::new());
        for (passphrase, given, opens) in [
            ("changeit", None, true),
            ("changeit", Some("another"), true),
            ("secret", Some("secret"), true),
            ("secret", Some("another"), false),
            ("secret", None, false),
        ] {
            let store = dir.path().join("roots.p12");
            let words = format!(
                "pkcs12 -export -nokeys -passout pass:{passphrase} -in {} -out {}",
                pem.display(),
                store.display()
            );
            assert!(std::process::Command::new("openssl").args(words.split(' ')).status().unwrap().success());
            let given = given.map(|text| Sensitive::from(text.to_owned()));
            let asked = [store.display().to_string()];
            let known = Clients::new(&host, &named, &asked).opening_with(given.as_ref()).or(&[]);
            match known {
                Ok(known) => assert_eq!((known.len(), opens), (1, true)),
                Err(refusal) => {
                    assert!(
                        !opens && refusal.why.ends_with("nobody has named the passphrase that opens it"),
                        "{}",
                        refusal.why
                    );
                }
            }
        }
    }

    #[test]
    fn what_openssl_is_told_to_reject_is_no_root_and_told() {
        let dir = tempfile::tempdir().unwrap();
        let (root, other) = (self_signed(&Wish::ca("Root")), self_signed(&Wish::ca("Other")));
        // Rejected for any use.
        let rejected = [root.certificate.der(), b"\x30\x08\xa0\x06\x06\x04\x55\x1d\x25\x00"].concat();
        let rejected = codec::pem::encode("TRUSTED CERTIFICATE", &rejected);
        let (alone, beside) = (dir.path().join("alone.pem"), dir.path().join("beside.pem"));
        std::fs::write(&alone, &rejected).unwrap();
        std::fs::write(&beside, format!("{rejected}{}", other.certificate.to_pem())).unwrap();
        let (host, named) = (Host::new(dir.path()), BTreeMap::new());
        let asked = [beside.display().to_string()];
        let known = Clients::new(&host, &named, &asked).or(&[]).unwrap();
        let why = "line 1, TRUSTED CERTIFICATE: Root is no root here: OpenSSL is told to reject it for TLS servers";
        assert_eq!(known[0].1, [format!("{}: {why}", beside.display())]);
        let verdict = |by: &crate::cert::fixture::Issued| {
            let chain = Chain::as_given(vec![by.issue(&Wish::server("www")).certificate]).unwrap();
            known[0].0.judge(&chain, &[], NOW).reason
        };
        assert_eq!((verdict(&root), verdict(&other)), (Some(Untrusted::UnknownIssuer), None));
        let asked = [alone.display().to_string()];
        let refusal = Clients::new(&host, &named, &asked).or(&[]).err().unwrap();
        assert_eq!(refusal.why, format!("{} holds no certificate to trust: {why}", alone.display()));
    }
}
