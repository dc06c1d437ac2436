//! The shared words between those who describe a change and the one that makes it.
//!
//! Everything here is plain data. What is written to the journal is made of these words, so that `recover` needs nothing
//! but the journal and the backups: no adapter, no configuration, no healthy server.

mod hook;
mod role;
mod typed;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::endpoint::Start;
use crate::sensitive::Sensitive;

pub use hook::{Hooks, Point};
pub use role::Role;
pub use typed::{Typed, typed};

/// One place the service reads: the path as it stands in the service's own configuration.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Slot {
    /// Absolute path, links not resolved.
    pub path: PathBuf,
    /// What the file at that path holds.
    pub role: Role,
}

/// Owner, group, mode and extended attributes (POSIX ACLs and security labels among them) of a file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attributes {
    /// Permission bits, at most `0o7777`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Extended attributes by name; values in hexadecimal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub xattrs: Vec<(String, String)>,
}

/// What stands at a path: enough to know it again, and to put it back once the bytes are at hand.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Image {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// Digest of its bytes.
        sha256: Digest,
        /// Its attributes.
        attributes: Attributes,
    },
    /// A symbolic link.
    Link {
        /// Its text.
        to: PathBuf,
    },
    /// A directory.
    Dir {
        /// Permission bits.
        mode: u32,
    },
}

impl Image {
    /// The digest of a file's bytes; none of anything else.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Self::File { sha256, .. } => Some(*sha256),
            Self::Absent | Self::Link { .. } | Self::Dir { .. } => None,
        }
    }

    /// Whether `other` is the same thing, as far as undo must know: contents of a file, text of a link.
    ///
    /// Attributes do not count: somebody who widened a mode meanwhile changed neither the certificate nor the key, and an undo
    /// that refused for it would leave the server with a pair it must not have.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Absent, Self::Absent) | (Self::Dir { .. }, Self::Dir { .. }) => true,
            (Self::File { sha256: a, .. }, Self::File { sha256: b, .. }) => a == b,
            (Self::Link { to: a }, Self::Link { to: b }) => a == b,
            (Self::Absent | Self::File { .. } | Self::Link { .. } | Self::Dir { .. }, _) => false,
        }
    }
}

impl fmt::Display for Image {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => out.write_str("nothing"),
            Self::File { sha256, .. } => write!(out, "file {}", sha256.short()),
            Self::Link { to } => write!(out, "link to {}", to.display()),
            Self::Dir { .. } => out.write_str("directory"),
        }
    }
}

/// One act on the machine. The set is closed: whoever adds a kind is led by the compiler to its capture, its act and its undo.
pub enum Step {
    /// A new directory, which must not exist yet.
    MakeDir {
        /// Absolute path; the parent exists or is made by an earlier step.
        path: PathBuf,
        /// Permission bits.
        mode: u32,
    },
    /// A file with these contents in place of whatever file or link is there.
    PutFile {
        /// Absolute path with no link as its last component, unless that link itself is to be replaced.
        path: PathBuf,
        /// The path of the [`Slot`] it serves: the same, or one that leads here.
        slot: PathBuf,
        /// Whether the contents hold a key, which decides the mode where no file is there to take it from.
        role: Role,
        /// The bytes.
        content: Sensitive,
        /// The attributes to give it; `None`: those of the file it replaces.
        attributes: Option<Attributes>,
    },
    /// A symbolic link in place of whatever file or link is there.
    PutLink {
        /// Absolute path of the link itself.
        path: PathBuf,
        /// Its text.
        to: PathBuf,
    },
    /// No file or link any more.
    RemoveFile {
        /// Absolute path.
        path: PathBuf,
    },
}

impl Step {
    /// The path the step acts on.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::MakeDir { path, .. }
            | Self::PutFile { path, .. }
            | Self::PutLink { path, .. }
            | Self::RemoveFile { path } => path,
        }
    }
}

/// A program to run: an absolute path and its arguments, never a shell line.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Seconds after which its whole process group is killed.
    pub timeout: u32,
}

impl Command {
    /// A command with the default limit of 30 seconds.
    #[must_use]
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), timeout: 30 }
    }

    /// How long it may take.
    #[must_use]
    pub fn limit(&self) -> Duration {
        Duration::from_secs(u64::from(self.timeout))
    }
}

impl fmt::Display for Command {
    /// As a person would type it; arguments that a shell would split are quoted, with control characters as in `$'...'` of POSIX.1-2024.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, argument) in self.argv.iter().enumerate() {
            if index > 0 {
                out.write_str(" ")?;
            }
            Typed(argument).fmt(out)?;
        }
        Ok(())
    }
}

/// How a service takes new files up. Every command may be run again at any time: it reads the files anew, so it serves after
/// an undo as well.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Apply {
    /// Tests the service's own configuration; a failure before the change refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Command>,
    /// Makes the running service read the files again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<Command>,
    /// Starts the service again: only in an undo, and only when it does not answer after the reload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Command>,
}

/// Kinds of keys as a TLS client tells them apart by the signatures it offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyFamily {
    /// RSA keys.
    Rsa,
    /// Elliptic curve and Edwards curve keys.
    Ecdsa,
}

/// A way to see what is served.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// A TLS handshake.
    Tls {
        /// `host:port`, `[v6]:port`.
        address: String,
        /// How TLS begins there.
        #[serde(default, skip_serializing_if = "at_once")]
        start: Start,
        /// Server name to ask for (RFC 6066 section 3); none for an IP address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Offer only signatures by this kind of key, so that a server with an RSA and an ECDSA pair shows the one in question.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        family: Option<KeyFamily>,
    },
    /// A command that exits with 0 when the service is well.
    Command(Command),
    /// A file of certificates that clients trust.
    Bundle {
        /// The file.
        path: PathBuf,
        /// SHA-256 of the certificate in question.
        anchor: Digest,
        /// Whether all is well when it is in it, or when it is not.
        held: bool,
    },
}

impl Probe {
    /// A handshake with `address` that begins at once and asks for `name`, whatever the kind of the key.
    #[must_use]
    pub fn tls(address: impl Into<String>, name: Option<String>) -> Self {
        Self::Tls { address: address.into(), start: Start::Tls, name, family: None }
    }

    /// The probe that is well where this one fails; none where there is no such thing.
    #[must_use]
    pub fn opposite(&self) -> Option<Self> {
        match self {
            Self::Bundle { path, anchor, held } => {
                Some(Self::Bundle { path: path.clone(), anchor: *anchor, held: !held })
            }
            Self::Tls { .. } | Self::Command(_) => None,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn at_once(start: &Start) -> bool {
    *start == Start::Tls
}

impl fmt::Display for Probe {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls { address, start, name, family } => {
                if !at_once(start) {
                    write!(out, "{}://", start.scheme())?;
                }
                out.write_str(address)?;
                if let Some(name) = name {
                    write!(out, " ({name})")?;
                }
                match family {
                    Some(KeyFamily::Rsa) => out.write_str(" [RSA]"),
                    Some(KeyFamily::Ecdsa) => out.write_str(" [ECDSA]"),
                    None => Ok(()),
                }
            }
            Self::Command(command) => command.fmt(out),
            Self::Bundle { path, anchor, held } => {
                let what = if *held { "with" } else { "without" };
                write!(out, "{} {what} certificate {}", path.display(), anchor.short())
            }
        }
    }
}

impl Probe {
    /// The same, asked for this kind of key alone; none where it names one already, or where there is no handshake.
    #[must_use]
    pub fn of_family(&self, family: KeyFamily) -> Option<Self> {
        match self {
            Self::Tls { address, start, name, family: None } => {
                Some(Self::Tls { address: address.clone(), start: *start, name: name.clone(), family: Some(family) })
            }
            Self::Tls { .. } | Self::Command(_) | Self::Bundle { .. } => None,
        }
    }
}

/// What a probe showed at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "showed", rename_all = "kebab-case")]
pub enum Shown {
    /// A TLS handshake got this leaf.
    Leaf {
        /// SHA-256 of its DER.
        fingerprint: Digest,
        /// Whether the server proved that it holds the leaf's key.
        proved: bool,
    },
    /// The command succeeded.
    Well,
    /// Nobody listens there.
    Nobody {
        /// What was seen instead, for people.
        why: String,
    },
    /// Somebody answers, but not as wanted: no TLS, an alert, a failing command, no answer in time.
    Failing {
        /// What was seen, for people.
        why: String,
    },
}

impl Shown {
    /// What was seen at this place, which is named once: reasons name the address themselves.
    #[must_use]
    pub fn at(&self, place: &str) -> String {
        placed(place, &self.to_string())
    }
}

/// A reason with the place that it is about, which is named once.
#[must_use]
pub fn placed(place: &str, why: &str) -> String {
    let address = place.split(" (").next().unwrap_or(place);
    let address = address.split_once("://").map_or(address, |(_, address)| address);
    if !address.is_empty() && why.contains(address) {
        why.replacen(address, place, 1)
    } else {
        format!("{place}: {why}")
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf { fingerprint, proved: true } => write!(out, "certificate {}", fingerprint.short()),
            Self::Leaf { fingerprint, proved: false } => {
                write!(out, "certificate {} without proof of its key", fingerprint.short())
            }
            Self::Well => out.write_str("success"),
            Self::Nobody { why } | Self::Failing { why } => out.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_is_typed() {
        let shown = |argument: &str| Command::new(["/bin/x", argument]).to_string();
        assert_eq!(shown("plain-1.2"), "/bin/x plain-1.2");
        assert_eq!(shown("it's"), r"/bin/x 'it'\''s'");
        assert_eq!(shown(""), "/bin/x ''");
        assert_eq!(shown(r#"a "b" \ c"#), r#"/bin/x 'a "b" \ c'"#);
        assert_eq!(shown("Größe"), "/bin/x 'Größe'");
        assert_eq!(shown("a\n'b'\u{1b}"), r"/bin/x $'a\n\'b\'\033'");
    }

    #[test]
    fn a_place_is_named_once() {
        let at = "192.0.2.1:443 (app.lan)";
        assert_eq!(placed(at, "192.0.2.1:443 answers without TLS"), "192.0.2.1:443 (app.lan) answers without TLS");
        assert_eq!(placed(at, "it has no address"), "192.0.2.1:443 (app.lan): it has no address");
        assert_eq!(placed("a:1", "connecting to a:1: refused"), "connecting to a:1: refused");
    }

    /// Journals of before probes knew protocols stay readable, and those without one are still written as they were.
    #[test]
    fn a_probe_without_a_protocol_is_written_as_ever() {
        let old = r#"{"tls":{"address":"a:1","name":"a.example","family":"rsa"}}"#;
        let probe: Probe = serde_json::from_str(old).unwrap();
        assert!(matches!(&probe, Probe::Tls { start: Start::Tls, .. }), "{probe}");
        assert_eq!(serde_json::to_string(&probe).unwrap(), old);

        let mail = Probe::Tls { address: "a:25".to_owned(), start: Start::Smtp, name: None, family: None };
        let written = serde_json::to_string(&mail).unwrap();
        assert_eq!(written, r#"{"tls":{"address":"a:25","start":"smtp"}}"#);
        assert_eq!(serde_json::from_str::<Probe>(&written).unwrap(), mail);
        assert_eq!(mail.to_string(), "smtp://a:25");
    }
}
