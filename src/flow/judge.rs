//! The verdict over the bytes of a file and over what a server showed. Opens nothing: whoever calls has read or asked already.

use time::{Duration, OffsetDateTime};

use super::check::{Checked, Seen};
use crate::assess::{self, Code, Facts, Finding};
use crate::cert::codec::pem::{self, Contents, InputError};
use crate::cert::installed::{Installed, KeyFound, Link};
use crate::cert::{Certificate, Chain, Name};
use crate::change::{Probe, Shown};
use crate::config::{Policy, RenewBefore};
use crate::host::tls::Served;
use crate::outcome::explain;

/// What files and endpoints are held against.
#[derive(Clone, Copy, Debug)]
pub struct Judge {
    now: OffsetDateTime,
    renew_before: RenewBefore,
}

impl Judge {
    /// By the rules that hold where no configuration says otherwise, at `now`, UTC.
    #[must_use]
    pub fn by_default(now: OffsetDateTime) -> Self {
        Self { now, renew_before: Policy::default().renew_before }
    }

    /// The verdict over the bytes of a file.
    #[must_use]
    pub fn file(&self, subject: &str, bytes: &[u8]) -> Checked {
        match pem::read(bytes, None) {
            Ok(found) => self.contents(subject, found),
            Err(error) => unreadable(subject, &error),
        }
    }

    /// The same for a file that was come across: none where it holds neither a certificate nor what should be one.
    #[must_use]
    pub fn found(&self, subject: &str, bytes: &[u8]) -> Option<Checked> {
        let mut checked = match pem::read(bytes, None) {
            Ok(found) => self.contents(subject, found),
            Err(InputError::Empty | InputError::Unknown) => return None,
            Err(error @ (InputError::TooLarge(_) | InputError::TooManyBlocks)) => unreadable(subject, &error),
        };
        if checked.leaf.is_none() {
            checked.findings.retain(|finding| finding.code != Code::NoCertificate);
        }
        let empty = checked.leaf.is_none()
            && checked.chain.is_empty()
            && checked.problem.is_none()
            && checked.findings.is_empty();
        (!empty).then_some(checked)
    }

    /// The moment that everything is held against, UTC.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.now
    }

    fn contents(&self, subject: &str, found: Contents) -> Checked {
        let mut checked = Checked::blank(subject, "file");
        if found.keys.is_empty() && found.bad.is_empty() && is_trust_store(&found.certificates) {
            let ended = found.certificates.iter().filter(|root| root.not_after() < self.now).count();
            checked
                .notes
                .push(format!("it holds {} root certificates, {ended} of them out of date", found.certificates.len()));
            checked.chain = found.certificates.iter().map(Link::of).collect();
            return checked;
        }
        let problems = found.bad.iter().map(|bad| explain(bad)).collect();
        let key = match (found.certificates.first(), found.keys.as_slice()) {
            (_, []) => KeyFound::None,
            (None, [_, ..]) => KeyFound::NoLeaf,
            (Some(leaf), keys) if keys.iter().any(|key| key.matches(leaf)) => KeyFound::Matches,
            (Some(_), [_, ..]) => KeyFound::Mismatch,
        };
        let installed = Installed { chain: Chain::as_given(found.certificates), key, problems };
        self.judge(&mut checked, &installed, &[], &[]);
        if key == KeyFound::NoLeaf {
            checked.findings.retain(|finding| finding.code != Code::NoCertificate);
            checked.notes.push("it holds a private key and no certificate".to_owned());
        }
        checked
    }

    /// The verdict over what a server showed at `address`, asked for `name`.
    #[must_use]
    pub fn served(&self, address: &str, name: Option<&Name>, served: &Served) -> Checked {
        let mut checked = Checked::blank(address, "endpoint");
        let chain: Result<Vec<Certificate>, _> =
            served.chain.iter().map(|der| Certificate::from_der(der.clone())).collect();
        let chain = match chain.map(Chain::as_given) {
            Ok(Some(chain)) => chain,
            Ok(None) => {
                return self.not_served(address, Shown::Failing { why: "the server sent no certificate".to_owned() });
            }
            Err(error) => {
                let why = format!("the server's certificate cannot be read: {}", explain(&error));
                return self.not_served(address, Shown::Failing { why });
            }
        };
        let shown = Shown::Leaf { fingerprint: chain.leaf().fingerprint(), proved: served.proved };
        let installed = Installed { chain: Some(chain), key: KeyFound::None, problems: Vec::new() };
        let wanted: Vec<Name> = name.cloned().into_iter().collect();
        let server_name = name.filter(|name| matches!(name, Name::Dns(_))).map(ToString::to_string);
        let probe = Probe::Tls { address: address.to_owned(), name: server_name, family: None };
        self.judge(&mut checked, &installed, &wanted, &[(probe, shown.clone())]);
        checked.served.push(Seen { probe: address.to_owned(), shown });
        checked
    }

    /// The verdict over an address at which no certificate was seen.
    #[must_use]
    pub fn not_served(&self, address: &str, shown: Shown) -> Checked {
        let mut checked = Checked::blank(address, "endpoint");
        if let Shown::Nobody { why } | Shown::Failing { why } = &shown {
            let code = if matches!(shown, Shown::Nobody { .. }) { Code::Unreachable } else { Code::HandshakeFails };
            checked.findings.push(Finding::new(code, format!("{address}: {why}")));
        }
        checked.served.push(Seen { probe: address.to_owned(), shown });
        checked
    }

    fn judge(&self, checked: &mut Checked, installed: &Installed, wanted: &[Name], served: &[(Probe, Shown)]) {
        let before = |lifetime: Duration| self.renew_before.left_of(lifetime);
        let facts = Facts {
            installed,
            key_expected: false,
            key_files: &[],
            wanted,
            served,
            regression: None,
            renew_before: &before,
            now: self.now,
        };
        checked.findings = assess::findings(&facts);
        checked.leaf = installed.leaf();
        checked.chain = installed.links();
    }
}

/// Whether these are roots to be trusted, and not a server's chain: several, each a CA that names itself as issuer. In any order and out
/// of date they do no harm.
fn is_trust_store(certificates: &[Certificate]) -> bool {
    let root = |certificate: &Certificate| certificate.is_ca() && certificate.issuer() == certificate.subject();
    certificates.len() > 1 && certificates.iter().all(root)
}

fn unreadable(subject: &str, error: &InputError) -> Checked {
    let problem = Some(format!("cannot read {subject}: {}", explain(error)));
    Checked { problem, ..Checked::blank(subject, "file") }
}
