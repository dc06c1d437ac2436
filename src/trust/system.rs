//! The store of the operating system: a file for each certificate in a directory of the administrator's, and a command that makes of
//! them, and of the distribution's own, the bundle that clients read.

use std::path::{Path, PathBuf};

use super::{Entry, OURS, Standing, Store, StoreError};
use crate::cert::{Certificate, codec};
use crate::change::{Apply, Command, Probe};
use crate::config::SystemStore;
use crate::digest::Digest;
use crate::host::{Host, bundle};

/// How a system keeps what it trusts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// The directory for certificates of the administrator's.
    pub directory: PathBuf,
    /// What their names end with.
    pub suffix: String,
    /// The file that clients read.
    pub bundle: PathBuf,
    /// What makes it anew.
    pub update: Command,
}

/// What is known of systems: directory, suffix, bundle, command. A system is the first whose directory and program are there.
const KNOWN: &[(&str, &str, &str, &[&str])] = &[
    // Fedora, RHEL and what is made of them.
    (
        "/etc/pki/ca-trust/source/anchors",
        ".pem",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        &["/usr/bin/update-ca-trust", "extract"],
    ),
    // Arch.
    (
        "/etc/ca-certificates/trust-source/anchors",
        ".pem",
        "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
        &["/usr/bin/update-ca-trust", "extract"],
    ),
    // SUSE.
    ("/etc/pki/trust/anchors", ".pem", "/var/lib/ca-certificates/ca-bundle.pem", &["/usr/sbin/update-ca-certificates"]),
    // Debian, Ubuntu and Alpine.
    (
        "/usr/local/share/ca-certificates",
        ".crt",
        "/etc/ssl/certs/ca-certificates.crt",
        &["/usr/sbin/update-ca-certificates"],
    ),
];

/// Stores of Java that the systems above make themselves out of their own.
const MADE_FOR_JAVA: &[&str] = &[
    "/etc/ssl/certs/java/cacerts",
    "/etc/pki/ca-trust/extracted/java/cacerts",
    "/etc/ca-certificates/extracted/java-cacerts.jks",
    "/etc/ca-certificates/extracted/java/cacerts",
    "/var/lib/ca-certificates/java-cacerts",
];

/// Seconds that the command may take: hundreds of certificates, on a small machine, with the hooks of others.
const UPDATE_SECONDS: u32 = 180;

/// What Debian's packages bring.
const DISTRIBUTION: &str = "/usr/share/ca-certificates";

/// How deep and how many files are looked at for another copy of a certificate.
const DEPTH: usize = 4;
const MOST_FILES: usize = 10_000;

/// What may be read of a file beside ours.
const MOST: u64 = 1 << 20;

impl Layout {
    /// As the configuration says, else as the system is found to be.
    ///
    /// # Errors
    /// It is of no known kind.
    pub fn find(host: &Host, configured: Option<&SystemStore>) -> Result<Self, StoreError> {
        // Through links once: the steps of a change and what is kept of them name the same place.
        let real = |directory: &Path| host.real(directory).unwrap_or_else(|| directory.to_owned());
        if let Some(SystemStore { directory, suffix, bundle, update }) = configured {
            return Ok(Self {
                directory: real(directory),
                suffix: suffix.clone(),
                bundle: bundle.clone(),
                update: update.clone(),
            });
        }
        let there = |(directory, _, _, argv): &&(&str, &str, &str, &[&str])| {
            host.is_folder(Path::new(directory)) && argv.first().is_some_and(|program| host.exists(Path::new(program)))
        };
        let Some((directory, suffix, bundle, argv)) = KNOWN.iter().find(there) else {
            let looked: Vec<&str> = KNOWN.iter().map(|(directory, ..)| *directory).collect();
            return Err(StoreError::new(
                &Store::System,
                format!("this system is of no known kind: none of {} is there with its program", looked.join(", ")),
                "install the package `ca-certificates`, or describe the store in the configuration: [system_store] (docs/trust.md)",
            ));
        };
        let update = Command { argv: argv.iter().map(ToString::to_string).collect(), timeout: UPDATE_SECONDS };
        Ok(Self { directory: real(Path::new(directory)), suffix: (*suffix).to_owned(), bundle: bundle.into(), update })
    }

    /// Where the file of a name is.
    #[must_use]
    pub fn place(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{OURS}{name}{}", self.suffix))
    }

    /// How the system takes changes up. In an undo the command may have to run a second time: one of Debian's that was killed leaves half a
    /// bundle, to which the next one adds.
    #[must_use]
    pub fn apply(&self) -> Apply {
        let update = Some(self.update.clone());
        Apply { check: None, reload: update.clone(), restart: update }
    }

    /// Whether clients have a certificate, or do not, as is wanted.
    #[must_use]
    pub fn probe(&self, anchor: Digest, held: bool) -> Probe {
        Probe::Bundle { path: self.bundle.clone(), anchor, held }
    }

    /// Whether clients have a certificate.
    ///
    /// # Errors
    /// The bundle cannot be read.
    pub fn holds(&self, anchor: Digest) -> Result<bool, StoreError> {
        bundle::holds(&self.bundle, anchor).map_err(unread)
    }

    /// All that clients have.
    ///
    /// # Errors
    /// The bundle cannot be read.
    pub fn trusted(&self) -> Result<Vec<Certificate>, StoreError> {
        bundle::certificates(&self.bundle).map_err(unread)
    }

    /// How an entry stands now.
    #[must_use]
    pub fn standing(&self, host: &Host, entry: &Entry) -> Standing {
        if Path::new(&entry.place).parent() != Some(&self.directory) {
            let why = format!(
                "it was added to another store, as {}: the one that is configured now is {}",
                entry.place,
                self.directory.display()
            );
            return Standing::Unknown(why);
        }
        // A link is nobody's but the one who made it, wherever it leads.
        if host.is_link(Path::new(&entry.place)) {
            return Standing::Changed;
        }
        match host.read(Path::new(&entry.place), MOST) {
            Ok(bytes) if bytes == entry.pem.as_bytes() => match self.holds(entry.fingerprint) {
                Ok(true) => Standing::InPlace,
                Ok(false) => Standing::NotTakenUp,
                Err(error) => Standing::Unknown(error.why),
            },
            Ok(_) => Standing::Changed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Standing::Gone,
            Err(error) => Standing::Unknown(format!("{}: {error}", entry.place)),
        }
    }

    /// The link to a file of ours that Debian's command has put beside the bundle. It leaves the link when the file goes, and takes the
    /// next certificate of that name for one that was there all along.
    #[must_use]
    pub fn link_to(&self, host: &Host, file: &Path) -> Option<PathBuf> {
        let mut name = file.file_stem()?.to_owned();
        name.push(".pem");
        let link = self.bundle.parent()?.join(name);
        (host.is_link(&link) && host.real(&link) == host.real(file)).then_some(link)
    }

    /// Another file of the administrator's with the same certificate: clients go on to trust it then.
    #[must_use]
    pub fn also_in(&self, host: &Host, entry: &Entry) -> Option<PathBuf> {
        let mut others = Vec::new();
        for directory in [self.directory.as_path(), Path::new(DISTRIBUTION)] {
            below(host, directory, DEPTH, &mut others);
        }
        others.into_iter().filter(|path| *path != Path::new(&entry.place)).find(|path| {
            let bytes = host.read(path, MOST).unwrap_or_default();
            let found = codec::read(&bytes, None).map(|found| found.certificates).unwrap_or_default();
            found.iter().any(|one| one.fingerprint() == entry.fingerprint)
        })
    }
}

fn unread(why: String) -> StoreError {
    StoreError::new(&Store::System, why, "see to it that it is the file that clients read, then run the same again")
}

/// The files below a directory.
fn below(host: &Host, directory: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for name in host.list(directory).unwrap_or_default() {
        let path = directory.join(name);
        if !host.is_folder(&path) {
            found.push(path);
        } else if depth > 0 {
            below(host, &path, depth - 1, found);
        }
        if found.len() >= MOST_FILES {
            return;
        }
    }
}

/// The store of Java that the system makes out of its own and that still holds a certificate which is to be trusted no longer: Debian's
/// hook hears of what is added and not of what an administrator takes away.
#[must_use]
pub fn java_still_holds(host: &Host, anchor: Digest) -> Option<&'static str> {
    MADE_FOR_JAVA.iter().copied().find(|path| {
        let bytes = host.read(Path::new(path), crate::host::dir::MAX_FILE).unwrap_or_default();
        let found = codec::read(&bytes, None).map(|found| found.certificates).unwrap_or_default();
        found.iter().any(|one| one.fingerprint() == anchor)
    })
}

/// Whether a store of Java is one that the system makes.
#[must_use]
pub fn makes(path: &Path) -> bool {
    MADE_FOR_JAVA.iter().any(|made| Path::new(made) == path)
}
