//! Why nothing was obtained by ACME.

use std::path::PathBuf;

use super::problem::Problem;
use crate::cert::Name;
use crate::host::challenge::{ListenError, WebrootError};
use crate::host::dir::DiskError;
use crate::host::http::WebError;
use crate::host::reach::Unreached;
use crate::source::import::ImportError;

/// Nothing was obtained, or an account could not be changed. Texts of a server are in it: whoever prints them must escape them.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// A call failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The server could not be asked.
    #[error(transparent)]
    Web(#[from] WebError),
    /// The name of an account is none.
    #[error(
        "{0:?} cannot be the name of an account: letters, digits, `-`, `_` and `.`, at most 64, the first a letter or digit"
    )]
    Name(String),
    /// There is no such account.
    #[error("there is no ACME account {name:?}{}", known_as(known))]
    Missing {
        /// The name.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// There is one already.
    #[error("there is an ACME account {name:?} already, at {directory}")]
    Exists {
        /// The name.
        name: String,
        /// Its directory.
        directory: String,
    },
    /// The server has not said yet that it knows it.
    #[error("the ACME account {name:?} was begun, and never registered")]
    Unregistered {
        /// The name.
        name: String,
        /// Its directory.
        directory: String,
    },
    /// It was ended.
    #[error("the ACME account {name:?} is deactivated")]
    Deactivated {
        /// The name.
        name: String,
        /// Its directory.
        directory: String,
    },
    /// The server says that there is no such account, or none any more.
    #[error("the ACME account {name:?} is of no use: {directory} {why}")]
    Gone {
        /// The name.
        name: String,
        /// Its directory.
        directory: String,
        /// What the server says of it.
        why: &'static str,
    },
    /// The target names another server than the account's.
    #[error("the ACME account {name:?} is at {theirs}, and not at {wanted}")]
    OtherDirectory {
        /// The account.
        name: String,
        /// Its directory.
        theirs: String,
        /// What the target says.
        wanted: String,
    },
    /// A file of ours is not what was written.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The file of roots cannot be used.
    #[error("cannot use the root {}: {why}", path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The directory cannot be read.
    #[error("{url} is no ACME directory: {why}")]
    Directory {
        /// Its URL.
        url: String,
        /// Why.
        why: String,
    },
    /// Nobody agreed to the terms.
    #[error("the CA's terms of service were not agreed to: {url}")]
    Terms {
        /// Where they are.
        url: String,
    },
    /// The server takes only accounts that are bound to one of its own.
    #[error("{directory} takes only accounts that are bound to one at the CA itself (external account binding)")]
    NeedsBinding {
        /// The directory.
        directory: String,
    },
    /// The MAC key is none.
    #[error("the key of the external account is not base64url")]
    BindingKey,
    /// The server said no.
    #[error("the ACME server refuses: {0}")]
    Refused(Problem),
    /// A challenge failed.
    #[error("{identifier} was not validated by {challenge}: {problem}")]
    NotValidated {
        /// The name.
        identifier: String,
        /// The challenge.
        challenge: &'static str,
        /// The server's reason.
        problem: Problem,
    },
    /// The server does not offer the challenge.
    #[error("the ACME server offers no {wanted} for {identifier}, only {}", offered.join(", "))]
    NotOffered {
        /// The name.
        identifier: String,
        /// What is configured.
        wanted: &'static str,
        /// What there is.
        offered: Vec<String>,
    },
    /// A wildcard needs DNS-01 (RFC 8555 section 7.1.3 and the CAs' rules).
    #[error("{0} is a wildcard, which is validated by dns-01 alone")]
    Wildcard(Name),
    /// An address has no DNS-01 (RFC 8738 section 7).
    #[error("{0} is an address, which dns-01 cannot validate")]
    Address(Name),
    /// The order ended without a certificate.
    #[error("the order ended without a certificate: {0}")]
    Ended(String),
    /// Time was up.
    #[error("the ACME server did not come to an end in time: {0}")]
    Late(String),
    /// A signal asked to stop.
    #[error("a signal asked to stop")]
    Interrupted,
    /// The server broke the protocol.
    #[error("the ACME server does not keep to the protocol: {0}")]
    Broken(String),
    /// The server cannot do this.
    #[error("the ACME server does not know {0}")]
    Unsupported(&'static str),
    /// The server has no such profile.
    #[error("the ACME server has no profile {wanted:?}{}", known_as(known))]
    Profile {
        /// What is configured.
        wanted: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// The listener could not be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The folder could not be used.
    #[error(transparent)]
    Webroot(#[from] WebrootError),
    /// The hook or `nsupdate` failed.
    #[error("{what} for {record} failed: it {how}")]
    Hook {
        /// `present` or `cleanup`, and of what.
        what: String,
        /// The record.
        record: String,
        /// How it ended, with its last words.
        how: String,
    },
    /// What came back cannot be read as a certificate with its key.
    #[error("what the CA issued cannot be used")]
    Unreadable(#[from] ImportError),
    /// What came back is not what was ordered.
    #[error("the CA issued something else than was ordered: {0}")]
    Other(String),
    /// The cryptographic library failed.
    #[error("the cryptographic library failed")]
    Crypto,
    /// The system refused what waiting needs.
    #[error("cannot wait for answers")]
    Wait(#[source] std::io::Error),
}

impl AcmeError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Disk(error) => return error.hint().map(str::to_owned),
            Self::Web(WebError::Url { .. }) => "ACME is spoken over HTTPS alone: give the directory's https address",
            Self::Web(WebError::Redirected { .. } | WebError::Answer { .. }) => {
                "see that the address is that of an ACME directory"
            }
            Self::Web(WebError::Reach(Unreached::Late { .. })) => "try again later; what was begun is gone on with",
            Self::Web(error) => error.hint(),
            Self::Name(_) => "choose another name",
            Self::Missing { name, .. } => {
                return Some(format!("`reseal acme account create {name} --directory URL` makes one"));
            }
            Self::Exists { name, .. } => {
                return Some(format!(
                    "choose another name, or end that one first: `reseal acme account deactivate {name}`"
                ));
            }
            Self::Unregistered { name, directory } => {
                return Some(format!(
                    "run the same `reseal acme account create {name} --directory {directory}` again: it goes on with its key"
                ));
            }
            Self::Deactivated { name, directory } => {
                return Some(format!(
                    "`reseal acme account create {name} --directory {directory}` makes a new one of that name"
                ));
            }
            Self::Gone { name, directory, .. } => {
                return Some(format!(
                    "`reseal acme account deactivate {name}` ends it here too, and then `reseal acme account create {name} --directory {directory}` makes another"
                ));
            }
            Self::OtherDirectory { .. } => "name the account that is at this directory, or leave `directory` out",
            Self::Damaged { .. } => "put it back from a backup of the state directory",
            Self::Root { .. } => "name a PEM file with the root of the ACME server's own HTTPS",
            Self::Directory { .. } => "see that the address is that of an ACME directory",
            Self::Terms { .. } => "read them, and say that you agree with `--agree-terms`",
            Self::NeedsBinding { .. } => "give `--eab-kid` and `--eab-key-file`, as the CA hands them out",
            Self::BindingKey => "give it as the CA hands it out, alone in the file",
            Self::Refused(problem) | Self::NotValidated { problem, .. } => problem.hint(),
            Self::NotOffered { .. } => "choose one of those as `challenge`",
            Self::Wildcard(_) => "set `challenge = \"dns-01\"` with a `hook` or a `nameserver`",
            Self::Address(_) => "set `challenge = \"http-01\"` or `\"tls-alpn-01\"` for addresses",
            Self::Ended(_) => "the next run begins a new order",
            Self::Late(_) => "the next run goes on with the same order; `deadline` gives it more time",
            Self::Interrupted => "the next run goes on with the same order",
            Self::Broken(_) => "tell whoever runs the server",
            Self::Unsupported(_) => "leave it out, or use another server",
            Self::Profile { .. } => "choose one of those as `profile`, or leave it out",
            Self::Listen(error) => error.hint(),
            Self::Webroot(error) => return error.hint(),
            Self::Hook { .. } => "run the command by hand with the JSON of docs/acme.md on its standard input",
            Self::Unreadable(error) => return error.hint().map(str::to_owned),
            Self::Other(_) => "nothing was replaced; tell whoever runs the CA",
            Self::Crypto | Self::Wait(_) => return None,
        };
        Some(text.to_owned())
    }
}

fn known_as(known: &[String]) -> String {
    if known.is_empty() { String::new() } else { format!("; those there are: {}", known.join(", ")) }
}
