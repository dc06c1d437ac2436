//! Files with certificates of CAs and of no server: roots to be trusted, an intermediate, a CA with those above it.

use time::OffsetDateTime;

use crate::assess::{Code, Finding};
use crate::cert::codec::Contents;
use crate::cert::{Certificate, Name};

/// What such a file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Issuers {
    /// Several that have nothing to do with one another: they are looked at as a heap.
    Store,
    /// One, or one with those above it.
    One,
}

/// What the file is, where all in it are CAs and nothing says that one of them serves: no key, no name, nothing that cannot be read.
///
/// A host as common name is what `openssl req -x509` makes for a server: that is one, with a CA's constraints by mistake.
pub(super) fn of(found: &Contents) -> Option<Issuers> {
    let all = &found.certificates;
    let authority = |one: &Certificate| one.is_ca() && one.names().is_empty();
    let first =
        all.first().filter(|_| found.halves().is_empty() && found.bad.is_empty() && all.iter().all(authority))?;
    let several = all.iter().any(|one| one != first);
    let upwards = all.windows(2).all(|pair| pair[0].names_as_issuer(&pair[1]));
    if several && (all.iter().all(Certificate::is_self_issued) || !upwards) {
        return Some(Issuers::Store);
    }
    (!is_host(first)).then_some(Issuers::One)
}

fn is_host(certificate: &Certificate) -> bool {
    certificate.common_names().iter().any(|text| match text.parse() {
        Ok(Name::Dns(name)) => name.contains('.') || name == "localhost",
        Ok(Name::Ip(_)) => true,
        Err(_) => false,
    })
}

/// A store has no leaf to judge: how many it holds and how many are over, in words, and as a finding.
pub(super) fn store(all: &[Certificate], now: OffsetDateTime) -> (String, Option<Finding>) {
    let ended = all.iter().filter(|one| one.not_after() < now).count();
    let what = if all.iter().all(Certificate::is_self_issued) { "root" } else { "CA" };
    let note = format!("it holds {} {what} certificates, {ended} of them out of date", all.len());
    let message = format!("{ended} of the {} {what} certificates are out of date", all.len());
    (note, (ended > 0).then(|| Finding::new(Code::StoreExpired, message)))
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;
    use crate::assess::Severity;
    use crate::cert::fixture::{NOW, Wish, self_signed};
    use crate::flow::judge::Judge;

    /// The codes, and whether a certificate is told as what the file is about.
    fn told(parts: &[&str], now: OffsetDateTime) -> (Vec<Code>, bool, Vec<String>) {
        let all = Judge::by_default(now).file("a.pem", parts.concat().as_bytes());
        assert_eq!(all.len(), 1);
        let codes = all[0].findings.iter().map(|one| one.code).collect();
        (codes, all[0].leaf.is_some(), all[0].notes.clone())
    }

    #[test]
    fn a_file_of_a_ca_is_no_servers() {
        let root = self_signed(&Wish::ca("Root"));
        let sub = root.issue(&Wish::ca("Sub"));
        let host = self_signed(&Wish::ca("app.lan"));
        let (root_pem, sub_pem) = (root.certificate.to_pem(), sub.certificate.to_pem());
        let note = vec!["it holds a CA certificate and no server's".to_owned()];
        for parts in [&[root_pem.as_str()][..], &[&sub_pem], &[&sub_pem, &root_pem]] {
            assert_eq!(told(parts, NOW), (vec![], true, note.clone()), "{parts:?}");
        }
        // Its end matters as that of any other; a root that is over is dead weight.
        let late = sub.certificate.not_after() + Duration::DAY;
        assert_eq!(told(&[&sub_pem], late).0, [Code::Expired]);
        assert_eq!(told(&[&root_pem], late).0, [Code::StoreExpired]);
        // With its key it serves, and a host as common name is a server's.
        let key = String::from_utf8(root.key.to_pem().expose().to_vec()).unwrap();
        assert!(told(&[&root_pem, &key], NOW).0.contains(&Code::SelfSigned));
        assert!(told(&[&host.certificate.to_pem()], NOW).0.contains(&Code::SelfSigned));
        let named = root.issue(&Wish::ca("Box").named(&["box.lan"]));
        assert!(told(&[&named.certificate.to_pem()], NOW).0.contains(&Code::CaAsLeaf));
    }

    #[test]
    fn roots_that_are_over_are_a_note_that_says_so() {
        let (one, other) = (self_signed(&Wish::ca("One")), self_signed(&Wish::ca("Other")));
        let late = one.certificate.not_after() + Duration::DAY;
        let file = one.certificate.to_pem() + &other.certificate.to_pem();
        let all = Judge::by_default(late).file("store.pem", file.as_bytes());
        let [finding] = all[0].findings.as_slice() else { panic!("{:?}", all[0].findings) };
        assert_eq!((finding.code, finding.severity), (Code::StoreExpired, Severity::Note));
        assert!(finding.remedy.told().contains("out of the store"), "{:?}", finding.remedy);
        assert_eq!(told(&[&file], NOW).0, []);
    }
}
