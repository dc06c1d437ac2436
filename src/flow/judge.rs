//! The verdict over the bytes of a file and over what a server showed. Opens nothing: whoever calls has read or asked already.

mod addresses;
mod bad;
mod issuers;

use std::sync::Arc;

use time::{Duration, OffsetDateTime};

pub use self::addresses::Answers;

use self::bad::{Bad, is_locked, unopened};
use self::issuers::Issuers;
use super::asked::{failed, unseen, wire};
use super::check::{Checked, Seen};
use super::clients::Known;
use super::leaves::{self, Part};
use crate::assess::{self, Code, Facts, Finding, Look, NO_RULES, Rules, Unseen, Wire};
use crate::cert::codec::{self, Contents, Format, InputError, Stop};
use crate::cert::installed::{Installed, KeyFound, Link};
use crate::cert::{self, Certificate, Chain, Name, Recent, Signatures, TrustVerdict};
use crate::change::{Probe, Shown, placed};
use crate::config::{Policy, RenewBefore};
use crate::digest::Digest;
use crate::endpoint::Endpoint;
use crate::host::tls::{ProbeError, Served};
use crate::outcome::explain;
use crate::sensitive::Sensitive;

/// What files and endpoints are held against.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    now: OffsetDateTime,
    renew_before: RenewBefore,
    clients: &'a [Arc<Known>],
    rules: &'a Rules,
    signatures: Option<&'a Signatures>,
    passphrase: Option<&'a Sensitive>,
    nameless: bool,
}

impl<'a> Judge<'a> {
    /// By the rules that hold where no configuration says otherwise, at `now`, UTC. Nobody's trust is asked for.
    #[must_use]
    pub fn by_default(now: OffsetDateTime) -> Self {
        let renew_before = Policy::default().renew_before;
        Self { now, renew_before, clients: &[], rules: &NO_RULES, signatures: None, passphrase: None, nameless: false }
    }

    /// And what these clients make of it.
    #[must_use]
    pub fn for_clients(self, clients: &'a [Arc<Known>]) -> Self {
        Self { clients, ..self }
    }

    /// With what the owner has said of findings.
    #[must_use]
    pub fn ruled_by(self, rules: &'a Rules) -> Self {
        Self { rules, ..self }
    }

    /// With the signatures that were checked before in this run.
    #[must_use]
    pub fn remembering(self, signatures: &'a Signatures) -> Self {
        Self { signatures: Some(signatures), ..self }
    }

    /// With the passphrase that opens what is encrypted in files.
    #[must_use]
    pub fn opening_with(self, passphrase: Option<&'a Sensitive>) -> Self {
        Self { passphrase, ..self }
    }

    /// The same for servers of which nobody says what they are called: their certificates are held against no name.
    #[must_use]
    pub fn of_no_name(self) -> Self {
        Self { nameless: true, ..self }
    }

    /// The verdict over the bytes of a file: one, or one for each leaf where there are several.
    #[must_use]
    pub fn file(&self, subject: &str, bytes: &[u8]) -> Vec<Checked> {
        match codec::read(bytes, self.passphrase) {
            Ok(found) => self.contents(subject, found),
            Err(error) => vec![unreadable(subject, &error)],
        }
    }

    /// The same for one of many files that are come across: none where it holds neither a certificate nor what should be one.
    #[must_use]
    pub fn found(&self, subject: &str, bytes: &[u8], recent: &mut Recent) -> Vec<Checked> {
        let mut all = match codec::read_beside(
            bytes,
            self.passphrase,
            recent,
            self.signatures.map_or(cert::Look::Into, Signatures::keys),
        ) {
            Ok(found) => self.contents(subject, found),
            Err(InputError::Empty | InputError::Unknown) => return Vec::new(),
            Err(
                error @ (InputError::TooLarge(_)
                | InputError::TooManyBlocks
                | InputError::Unsupported(_)
                | InputError::Unreadable { .. }),
            ) => vec![unreadable(subject, &error)],
        };
        for checked in all.iter_mut().filter(|checked| checked.leaf.is_none()) {
            checked.findings.retain(|finding| finding.code != Code::NoCertificate);
        }
        let empty = |one: &Checked| {
            one.leaf.is_none() && one.chain.is_empty() && one.problem.is_none() && one.findings.is_empty()
        };
        all.retain(|checked| !empty(checked));
        all
    }

    /// The moment that everything is held against, UTC.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.now
    }

    fn contents(&self, subject: &str, found: Contents) -> Vec<Checked> {
        let parts = leaves::parts(&found);
        if parts.is_empty() { vec![self.whole(subject, found)] } else { self.parts(subject, &found, parts) }
    }

    /// Each of several leaves. What is wrong with the file itself is told with the first.
    fn parts(&self, subject: &str, found: &Contents, parts: Vec<Part>) -> Vec<Checked> {
        let count = parts.len();
        let Bad { mut encrypted, mut unsupported, mut others } = Bad::of(&found.bad);
        let mut notes = unopened(&encrypted);
        let mut stops = stops(found, &mut notes);
        let mut all = Vec::with_capacity(count);
        for (place, part) in parts.into_iter().enumerate() {
            let mut checked = Checked { notes: std::mem::take(&mut notes), ..Checked::blank(subject, "file") };
            let whole_chain = part.key == KeyFound::Matches || part.chain.len() > 1;
            let installed = Installed {
                key: part.key,
                problems: std::mem::take(&mut others),
                unsupported: std::mem::take(&mut unsupported),
                stores: Vec::new(),
                stops: std::mem::take(&mut stops),
                leaf_place: 0,
                encrypted: std::mem::take(&mut encrypted).into_iter().map(|bad| bad.place.to_string()).collect(),
                chain: Chain::as_given(part.chain),
            };
            self.judge(&mut checked, &installed, &Sight { whole_chain, ..Sight::default() });
            if let Some(several) = part.several {
                let leaf = checked.leaf.as_ref().map(|leaf| leaf.subject.as_str());
                checked.findings.extend(assess::ruled(vec![several], self.rules, subject, leaf, self.now));
                checked.findings.sort_by_key(|finding| (finding.accepted.is_some(), finding.severity));
            }
            checked.chain.extend(part.trusted.iter().map(Link::of));
            checked.subject = format!("{subject} ({} of {count})", place + 1);
            all.push(checked);
        }
        all
    }

    fn whole(&self, subject: &str, mut found: Contents) -> Checked {
        let mut checked = Checked::blank(subject, "file");
        let issuers = issuers::of(&found);
        if issuers == Some(Issuers::Store) {
            let (note, finding) = issuers::store(&found.certificates, self.now);
            checked.notes.push(note);
            checked.chain = found.certificates.iter().map(Link::of).collect();
            checked.findings = assess::ruled(finding.into_iter().collect(), self.rules, subject, None, self.now);
            return checked;
        }
        let Bad { encrypted, unsupported, others } = Bad::of(&found.bad);
        let store = matches!(found.format, Format::Pkcs12 | Format::Jks);
        if found.certificates.is_empty() && !encrypted.is_empty() && store {
            let way = if self.passphrase.is_none() { "; --passphrase-file opens it" } else { "" };
            let why = explain(&encrypted[0].why);
            checked.problem = Some(format!("cannot look into {subject}: {}: {why}{way}", found.format));
            return checked;
        }
        checked.notes.extend(unopened(&encrypted));
        let whole_file = found.certificates.len() > 1;
        let none = found.certificates.is_empty();
        let stops = stops(&found, &mut checked.notes);
        let certificates = std::mem::take(&mut found.certificates);
        let halves = found.halves();
        let (chain, leaf_place) = Chain::in_file(certificates, &halves);
        // Certificates that have nothing to do with it are for somebody who trusts them all, and no chain.
        let issued = |chain: &Chain| chain.intermediates().iter().any(|one| chain.leaf().names_as_issuer(one));
        let leaf_place = if chain.as_ref().is_some_and(issued) || !halves.is_empty() { leaf_place } else { 0 };
        let mut key = KeyFound::of(chain.as_ref().map(Chain::leaf), &halves);
        // A store says which key is whose, and has no first.
        if key == KeyFound::NotFirst && found.format != Format::Pem {
            key = KeyFound::Matches;
        }
        // A block of a kind that is not known may be the certificate, under a label that was mistyped.
        let nothing_else = found.ignored.keys().all(|label| label.ends_with("PARAMETERS"));
        // What should be one and is damaged is told; it is not missing as well.
        let damaged = none && !(others.is_empty() && unsupported.is_empty());
        let keys_alone =
            none && nothing_else && (key == KeyFound::NoLeaf || !encrypted.is_empty() || !unsupported.is_empty());
        // A certificate alone may have its chain in another file; one with its key or its issuer is what a server sends.
        let whole_chain = matches!(key, KeyFound::Matches | KeyFound::NotFirst) || whole_file;
        let installed = Installed {
            key,
            problems: others,
            unsupported,
            stores: Vec::new(),
            stops,
            // A store says which certificates are a key's, and what has another form is no file that a server reads.
            leaf_place: if found.format == Format::Pem { leaf_place } else { 0 },
            encrypted: encrypted.into_iter().map(|bad| bad.place.to_string()).collect(),
            chain,
        };
        let issuer = issuers == Some(Issuers::One);
        self.judge(&mut checked, &installed, &Sight { whole_chain, issuer, ..Sight::default() });
        if issuer {
            checked.notes.push("it holds a CA certificate and no server's".to_owned());
        }
        if store {
            // What no path needs is trusted there, not sent.
            checked.findings.retain(|finding| finding.code != Code::Stranger);
        }
        if damaged {
            checked.findings.retain(|finding| finding.code != Code::NoCertificate);
        }
        if keys_alone {
            checked.notes.push("it holds a private key and no certificate".to_owned());
        }
        checked
    }

    fn shown(&self, subject: &str, endpoint: &Endpoint, served: &Served, without_name: Option<Digest>) -> Checked {
        let mut checked = Checked::blank(subject, "endpoint");
        let chain: Result<Vec<Certificate>, _> =
            served.chain.iter().map(|der| Certificate::from_der(der.clone())).collect();
        let chain = match chain.map(Chain::as_given) {
            Ok(Some(chain)) => chain,
            Ok(None) => {
                return self.not_served(subject, Shown::Failing { why: "the server sent no certificate".to_owned() });
            }
            Err(error) => {
                let why = format!("the server's certificate cannot be read: {}", explain(&error));
                return self.not_served(subject, Shown::Failing { why });
            }
        };
        let shown = Shown::Leaf { fingerprint: chain.leaf().fingerprint(), proved: served.proved };
        let installed = Installed {
            chain: Some(chain),
            key: KeyFound::None,
            problems: Vec::new(),
            unsupported: Vec::new(),
            stores: Vec::new(),
            stops: Vec::new(),
            leaf_place: 0,
            encrypted: Vec::new(),
        };
        let wanted: Vec<Name> = wanted(endpoint).into_iter().filter(|_| !self.nameless).collect();
        let at = probe(endpoint, served.address.to_string());
        let wire = Wire { without_name, ..wire(served) };
        let look = [Look { at: at.clone(), shown: shown.clone(), unseen: None, wire }];
        let sight = Sight { wanted: &wanted, served: &look, whole_chain: true, issuer: false };
        self.judge(&mut checked, &installed, &sight);
        checked.served.push(Seen { probe: at, shown, key_refuted: served.refuted });
        checked
    }

    /// The verdict over an address at which no certificate was seen.
    #[must_use]
    fn not_served(&self, address: &str, shown: Shown) -> Checked {
        let unseen = if matches!(shown, Shown::Nobody { .. }) { Unseen::Unreachable } else { Unseen::Other };
        self.unseen(address, unseen, shown)
    }

    /// The verdict over an address at which a handshake failed with this error.
    fn failed(&self, address: &str, error: &ProbeError) -> Checked {
        self.unseen(address, unseen(error), failed(error))
    }

    fn unseen(&self, address: &str, unseen: Unseen, shown: Shown) -> Checked {
        let mut checked = Checked::blank(address, "endpoint");
        if let Shown::Nobody { why } | Shown::Failing { why } = &shown {
            let found = vec![Finding::new(unseen.code(), placed(address, why))];
            checked.findings = elsewhere(assess::ruled(found, self.rules, address, None, self.now));
        }
        checked.served.push(Seen { probe: address.to_owned(), shown, key_refuted: false });
        checked
    }

    fn judge(&self, checked: &mut Checked, installed: &Installed, sight: &Sight<'_>) {
        let before = |lifetime: Duration| usual(self.renew_before, lifetime);
        let none = Signatures::default();
        // No client takes a CA for a server, whether it trusts it or not.
        if let Some(chain) = installed.chain.as_ref().filter(|_| !sight.issuer) {
            checked.trust = verdicts(self.clients, chain, sight.wanted, self.now);
        }
        checked.notes.extend(self.clients.iter().flat_map(|client| client.1.clone()));
        let facts = Facts {
            whole_chain: sight.whole_chain,
            of_issuer: sight.issuer,
            wanted: sight.wanted,
            served: sight.served,
            trust: &checked.trust,
            rules: self.rules,
            subject: &checked.subject,
            ..Facts::new(installed, &before, self.signatures.unwrap_or(&none), self.now)
        };
        checked.findings = elsewhere(assess::findings(&facts));
        checked.leaf = installed.leaf();
        checked.chain = installed.links();
    }
}

/// At what OpenSSL stops in a file. What is indented is for another reader, such as one of YAML, and so is PKCS#7 without a key: that is worth
/// a note where nobody has said that a server reads it.
fn stops(found: &Contents, notes: &mut Vec<String>) -> Vec<(String, Stop)> {
    let no_key = found.halves().is_empty() && !found.bad.iter().any(is_locked);
    let for_others = |why: Stop| why == Stop::Indented || (why == Stop::Pkcs7 && no_key);
    let (others, stops): (Vec<_>, Vec<_>) = found.broken.iter().partition(|one| for_others(one.why));
    notes.extend(others.first().map(|one| format!("{}: {}: OpenSSL does not read it so", one.place, one.why)));
    stops.into_iter().map(|one| (one.place.to_string(), one.why)).collect()
}

/// The endpoint at one of its addresses, as people know it.
fn probe(endpoint: &Endpoint, address: String) -> String {
    let name = endpoint.server_name().map(str::to_owned);
    Probe::Tls { address, start: endpoint.start, name, family: None }.to_string()
}

/// The name that its certificate must be for.
fn wanted(endpoint: &Endpoint) -> Option<Name> {
    endpoint.server_name().unwrap_or(&endpoint.host).parse().ok()
}

/// With remedies for what is no target.
pub(super) fn elsewhere(mut findings: Vec<Finding>) -> Vec<Finding> {
    for finding in &mut findings {
        if let Some(remedy) = assess::remedy_elsewhere(finding.code) {
            finding.remedy = remedy.into();
        }
    }
    findings
}

/// What was seen besides the certificates.
#[derive(Clone, Copy, Default)]
struct Sight<'a> {
    wanted: &'a [Name],
    served: &'a [Look],
    whole_chain: bool,
    /// It is a CA's, and no server's.
    issuer: bool,
}

/// What each of these clients makes of a chain.
pub(super) fn verdicts(
    clients: &[Arc<Known>],
    chain: &Chain,
    names: &[Name],
    now: OffsetDateTime,
) -> Vec<TrustVerdict> {
    clients.iter().map(|client| client.0.judge(chain, names, now)).collect()
}

/// Nobody has said when what was named is to be renewed: a third of its life, but a day at least where it lasts several, and not
/// months.
fn usual(renew_before: RenewBefore, lifetime: Duration) -> Duration {
    let least = Duration::DAY.min(lifetime / 3_i32);
    renew_before.left_of(lifetime).clamp(least, Duration::days(30).max(least))
}

fn unreadable(subject: &str, error: &InputError) -> Checked {
    let problem = Some(format!("cannot read {subject}: {}", explain(error)));
    Checked { problem, ..Checked::blank(subject, "file") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use time::macros::datetime;

    use super::*;
    use crate::assess::{Accept, Acceptance, Severity};
    use crate::cert::fixture::{NOW, Wish, self_signed};
    use crate::cert::{Anchors, Profile};

    fn only(all: Vec<Checked>) -> Checked {
        let [one] = <[Checked; 1]>::try_from(all).unwrap();
        one
    }

    #[test]
    fn each_of_several_leaves_is_judged_by_itself_and_by_the_rules_for_the_file() {
        let root = self_signed(&Wish::ca("Root"));
        let valid = (datetime!(2030-05-30 0:00 UTC), datetime!(2030-08-28 0:00 UTC));
        let good = root.issue(&Wish { valid, ..Wish::server("a.example.com").named(&["a.example.com"]) });
        let own = self_signed(&Wish { valid, ..Wish::server("b.example.com").named(&["b.example.com"]) });
        let file =
            format!("{}{}-----BEGIN X509 CRL-----\n-----END X", good.certificate.to_pem(), own.certificate.to_pem());
        let acceptance = Acceptance { reason: "lab".to_owned(), until: NOW.date() };
        let target = Some("*.pem".to_owned());
        let accept = Accept { code: Code::SelfSigned, target, subject: None, acceptance };
        let rules = Rules { severity: BTreeMap::new(), accepted: vec![accept] };
        let all = Judge::by_default(NOW).ruled_by(&rules).file("x.pem", file.as_bytes());
        let told: Vec<(&str, &str, Vec<Code>)> = all
            .iter()
            .map(|one| {
                let codes = one.findings.iter().map(|finding| finding.code).collect();
                (one.subject.as_str(), one.leaf.as_ref().unwrap().subject.as_str(), codes)
            })
            .collect();
        assert_eq!(
            told,
            [
                ("x.pem (1 of 2)", "CN=a.example.com", vec![Code::Unreadable]),
                ("x.pem (2 of 2)", "CN=b.example.com", vec![Code::SelfSigned]),
            ]
        );
        assert!(all[1].findings[0].accepted.is_some());
    }

    /// One damaged block is one finding, and not a missing certificate as well.
    #[test]
    fn what_is_damaged_is_told_once() {
        let own = self_signed(&Wish::server("a").named(&["a.example"])).certificate.to_pem();
        let cut = &own[..own.len() / 2];
        let codes = |text: &str| {
            let checked = only(Judge::by_default(NOW).file("a.pem", text.as_bytes()));
            checked.findings.iter().map(|one| one.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(cut), [Code::Unreadable]);
        assert_eq!(codes(&format!("{cut}\n{own}")), [Code::Unreadable, Code::SelfSigned]);
    }

    #[test]
    fn what_nobody_has_set_is_a_third_with_limits() {
        let before = |days: i64| usual(RenewBefore::Fraction { of: 3, left: 1 }, Duration::days(days));
        assert_eq!(before(90), Duration::days(30));
        assert_eq!(before(45), Duration::days(15));
        assert_eq!(before(3650), Duration::days(30));
        assert_eq!(before(3), Duration::DAY);
        assert_eq!(before(2), Duration::hours(16));
        assert_eq!(before(1), Duration::hours(8));
        let page = include_str!("../../docs/findings.md").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            page.contains("a third, but at most 30 days, and at least a day where the lifetime is three days or more.")
        );
    }

    #[test]
    fn a_file_is_judged_by_clients_and_by_the_owners_rules() {
        let root = self_signed(&Wish::ca("Root"));
        let valid = (datetime!(2030-05-30 0:00 UTC), datetime!(2030-08-28 0:00 UTC));
        let leaf = root.issue(&Wish { valid, ..Wish::server("www.example.com").named(&["www.example.com"]) });
        let file = leaf.certificate.to_pem();
        let client = |name: &str, roots: Vec<Certificate>| {
            Arc::new((Profile::new(name, Anchors::new(roots)), vec!["a note".to_owned()]))
        };
        let codes = |checked: &Checked| checked.findings.iter().map(|one| one.code).collect::<Vec<_>>();
        let judge = Judge::by_default(NOW);
        let plain = only(judge.file("a.pem", file.as_bytes()));
        assert_eq!((codes(&plain), plain.trust.len()), (vec![], 0));

        let (knows, other) = (client("java", vec![root.certificate]), client("system", vec![]));
        let one = [Arc::clone(&other)];
        let checked = only(judge.for_clients(&one).file("a.pem", file.as_bytes()));
        assert_eq!(codes(&checked), [Code::Untrusted]);
        assert_eq!(
            checked.findings[0].message,
            "www.example.com is issued by CN=Root, which is neither sent nor a root of system"
        );
        assert_eq!(checked.notes, ["a note"]);
        let both = [other, knows];
        let checked = only(judge.for_clients(&both).file("a.pem", file.as_bytes()));
        assert_eq!(codes(&checked), [Code::TrustDiffers]);
        assert!(checked.findings[0].message.starts_with("trusted by java, not by system: "));

        let until = NOW.date();
        let acceptance = Acceptance { reason: "intranet".to_owned(), until };
        let rules = Rules {
            severity: BTreeMap::from([(Code::TrustDiffers, Severity::Critical)]),
            accepted: vec![Accept {
                code: Code::TrustDiffers,
                target: Some("*.pem".to_owned()),
                subject: None,
                acceptance,
            }],
        };
        let checked = only(judge.for_clients(&both).ruled_by(&rules).file("a.pem", file.as_bytes()));
        assert_eq!(checked.findings[0].accepted.as_ref().unwrap().reason, "intranet");
        assert_eq!(checked.findings[0].severity, Severity::Critical);
        let late = Judge::by_default(NOW + Duration::DAY).for_clients(&both).ruled_by(&rules);
        assert!(only(late.file("a.pem", file.as_bytes())).findings[0].lapsed.is_some());
    }

    #[test]
    fn the_only_leaf_is_judged_wherever_it_stands() {
        let root = self_signed(&Wish::ca("Root"));
        let middle = root.issue(&Wish::ca("Middle"));
        let leaf = middle.issue(&Wish::server("www.example.com").named(&["www.example.com"]));
        let key = String::from_utf8(leaf.key.to_pem().expose().to_vec()).unwrap();
        let late = leaf.certificate.not_after() + Duration::DAY;
        let pem = [&root, &middle, &leaf].map(|one| one.certificate.to_pem());
        let told = |parts: &[&str]| {
            let checked = only(Judge::by_default(late).file("a.pem", parts.concat().as_bytes()));
            let codes: Vec<Code> = checked.findings.iter().map(|one| one.code).collect();
            let first = checked.findings.iter().find(|one| one.code == Code::LeafNotFirst);
            assert_eq!(checked.leaf.unwrap().fingerprint, leaf.certificate.fingerprint());
            assert!(codes.contains(&Code::Expired) && !codes.contains(&Code::KeyMismatch), "{codes:?}");
            first.map(|one| one.message.clone())
        };
        assert_eq!(told(&[&pem[2], &pem[1], &key]), None);
        let one = "another certificate stands before www.example.com";
        assert_eq!(told(&[&pem[1], &pem[2], &key]).as_deref(), Some(one));
        assert_eq!(told(&[&key, &pem[1], &pem[2]]).as_deref(), Some(one));
        let two = "2 other certificates stand before www.example.com";
        assert_eq!(told(&[&pem[0], &pem[1], &pem[2]]).as_deref(), Some(two));
    }

    fn openssl(words: &str) {
        let output = std::process::Command::new("openssl").args(words.split(' ')).output().unwrap();
        assert!(output.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn a_sound_key_of_a_kind_that_is_not_read_is_no_damage() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name).display().to_string();
        openssl(&format!("req -x509 -nodes -newkey ed448 -subj /CN=x -keyout {} -out {}", file("key"), file("cert")));
        let [key, certificate] = ["key", "cert"].map(|name| std::fs::read_to_string(file(name)).unwrap());
        let told = |text: &str| only(Judge::by_default(NOW).file("x.pem", text.as_bytes()));
        let both = told(&(certificate + &key));
        let of_keys: Vec<_> = both.findings.iter().filter(|one| one.code == Code::UnsupportedKey).collect();
        let message = "PRIVATE KEY: the private key is of an unsupported kind: Ed448; whether it is the certificate's is not known";
        assert!(of_keys.len() == 2 && of_keys.iter().any(|one| one.message.ends_with(message)), "{:?}", both.findings);
        assert!(both.findings.iter().all(|one| !matches!(one.code, Code::Unreadable | Code::KeyMismatch)));
        assert!(!both.leaf.unwrap().paired);
        let alone = told(&key);
        assert_eq!(alone.findings.iter().map(|one| one.code).collect::<Vec<_>>(), [Code::UnsupportedKey]);
        assert_eq!(alone.notes, ["it holds a private key and no certificate"]);
    }

    #[test]
    fn what_a_store_has_besides_is_listed() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name).display().to_string();
        let (a, b, stranger) = (
            self_signed(&Wish::server("a.lan")),
            self_signed(&Wish::server("b.lan")).certificate,
            self_signed(&Wish::ca("Else")).certificate,
        );
        std::fs::write(file("key"), a.key.to_pem().expose()).unwrap();
        std::fs::write(file("a"), a.certificate.to_pem()).unwrap();
        std::fs::write(file("others"), b.to_pem() + &stranger.to_pem()).unwrap();
        let names = ["key", "a", "others", "store"].map(file);
        let [key, own, others, store] = &names;
        openssl(&format!("pkcs12 -export -inkey {key} -in {own} -certfile {others} -passout pass:secret -out {store}"));
        let passphrase = Sensitive::from(b"secret".to_vec());
        let all = Judge::by_default(NOW).opening_with(Some(&passphrase)).file("x.p12", &std::fs::read(store).unwrap());
        let listed = all.iter().map(|one| (one.leaf.as_ref().unwrap().fingerprint, one.chain.len()));
        assert_eq!(listed.collect::<Vec<_>>(), [(a.certificate.fingerprint(), 1), (b.fingerprint(), 0)]);
        assert_eq!(all[0].chain[0].fingerprint, stranger.fingerprint());
        assert!(all.iter().flat_map(|one| &one.findings).all(|one| one.code != Code::Stranger));
    }

    #[test]
    fn what_openssl_does_not_load_is_told_of_what_is_come_across_too() {
        let root = self_signed(&Wish::ca("Root"));
        let leaf = root.issue(&Wish::server("www.example.com").named(&["www.example.com"]));
        let both = leaf.certificate.to_pem() + &root.certificate.to_pem();
        let told = |text: &str| {
            let found = only(Judge::by_default(NOW).found("a.pem", text.as_bytes(), &mut Recent::default()));
            let refused = found.findings.iter().filter(|one| one.code == Code::PemRefused);
            (refused.map(|one| one.message.clone()).collect::<Vec<_>>(), found.notes)
        };
        let headed = both.replace("E-----\nM", "E-----\nComment: x\n\nM");
        assert_eq!(told(&headed).0, ["line 1, CERTIFICATE and 1 more: header lines inside the block"]);
        // As in YAML, for a reader that takes the blanks away.
        let indented = format!("  {}", both.replace('\n', "\n  "));
        let (refused, notes) = told(&indented);
        assert_eq!((refused, notes.len()), (Vec::new(), 1), "{notes:?}");
        assert_eq!(notes[0], "line 1, CERTIFICATE: BEGIN is indented: OpenSSL does not read it so");
    }

    #[test]
    fn der_that_is_not_one_whole_certificate_is_told() {
        let root = self_signed(&Wish::ca("Root"));
        let leaf = root.issue(&Wish::server("www.example.com").named(&["www.example.com"])).certificate;
        let der = leaf.der();
        let found = |parts: &[&[u8]]| Judge::by_default(NOW).found("a.der", &parts.concat(), &mut Recent::default());
        let unreadable = |parts: &[&[u8]]| {
            let all = found(parts);
            let told = all.iter().flat_map(|one| &one.findings).filter(|one| one.code == Code::Unreadable);
            let problems = all.iter().filter_map(|one| one.problem.clone());
            told.map(|one| one.message.clone()).chain(problems).collect::<Vec<_>>()
        };
        assert_eq!(unreadable(&[der]), [""; 0]);
        assert_eq!(unreadable(&[der, b"\r\n"]), [""; 0]);
        assert_eq!(only(found(&[der, b"\n"])).leaf.unwrap().fingerprint, leaf.fingerprint());
        let two = only(found(&[der, root.certificate.der()]));
        assert_eq!((two.leaf.unwrap().fingerprint, two.chain.len()), (leaf.fingerprint(), 1));
        assert_eq!(unreadable(&[der, root.certificate.der()]), [""; 0]);
        for (bad, why) in [
            (unreadable(&[der, b"\0"]), "something else follows the certificate"),
            (unreadable(&[&der[..der.len() - 1]]), "it is cut off"),
            (unreadable(&[der, &root.certificate.der()[..40]]), "it is cut off"),
        ] {
            assert!(bad.len() == 1 && bad[0].contains(why), "{bad:?}");
        }
        let mut odd = der.to_vec();
        let at = odd.windows(2).position(|pair| pair == [0x17, 13]).unwrap();
        odd[at] = 4;
        assert_eq!(unreadable(&[&odd]).len(), 1, "its own reason");
        // A signed list, and what is cut off before it says that it is a certificate.
        assert!(found(&[&[0x30, 0x82, 1, 0, 0x30, 0x82, 0, 0x80, 2, 1, 1]]).is_empty());
    }

    #[test]
    fn an_encrypted_key_is_a_note() {
        let own = self_signed(&Wish::server("a").named(&["a.example"]));
        let der = crate::cert::codec::pkcs8::encrypt(&own.key, &"secret".to_owned().into()).unwrap();
        let checked = only(Judge::by_default(NOW).file("a.key", der.expose()));
        let codes = |checked: &Checked| checked.findings.iter().map(|one| one.code).collect::<Vec<_>>();
        assert_eq!(codes(&checked), [Code::NoCertificate, Code::KeyEncrypted]);
        assert_eq!(checked.notes, ["it holds a private key and no certificate"]);
        // Of what is come across nobody has said that it holds a certificate.
        let found = Judge::by_default(NOW).found("a.key", der.expose(), &mut Recent::default());
        assert_eq!(codes(&only(found)), [Code::KeyEncrypted]);
        // Neither damaged nor gone: another passphrase opens it.
        let other = "other".to_owned().into();
        let checked = only(Judge::by_default(NOW).opening_with(Some(&other)).file("a.key", der.expose()));
        assert_eq!(codes(&checked), [Code::NoCertificate, Code::KeyEncrypted]);
        assert!(
            checked.notes.iter().any(|note| note.ends_with("the passphrase does not open it")),
            "{:?}",
            checked.notes
        );
    }
}
