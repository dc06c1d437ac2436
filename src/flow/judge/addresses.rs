//! A server with several addresses: what each shows, and one verdict over all.

use std::net::SocketAddr;

use super::{Judge, elsewhere, probe};
use crate::assess::{self, Code, Finding, Unseen};
use crate::change::Shown;
use crate::endpoint::Endpoint;
use crate::flow::asked::{failed, leaf, unseen};
use crate::flow::check::{Checked, Seen};
use crate::host::tls::{ProbeError, Served};
use crate::outcome::explain;

/// What a server answered.
#[derive(Debug, Default)]
pub struct Answers {
    /// Asked for its name, at each of its addresses.
    pub named: Vec<Result<Served, ProbeError>>,
    /// Asked for nobody, at one of them.
    pub unnamed: Option<Served>,
}

impl Judge<'_> {
    /// The verdict over a server that was asked at each of its addresses, and by a client that names nobody. What each address shows is
    /// judged; what is wrong at some of them alone is told with where.
    #[must_use]
    pub fn answered(&self, subject: &str, endpoint: &Endpoint, answers: Answers) -> Checked {
        let Answers { mut named, unnamed } = answers;
        // In one order, whoever answered first.
        named.sort_by_key(|answer| answer.as_ref().ok().map(|served| served.address));
        // Another address may have another default: only the one that was asked without a name is told from what it shows with one.
        let without_name = |at: SocketAddr| unnamed.as_ref().filter(|served| served.address == at).and_then(leaf);
        // What this machine itself could not do counts only where nothing else is known.
        let known =
            |answer: &&Result<Served, ProbeError>| !answer.as_ref().is_err_and(|error| error.is_local_beside(&named));
        let mut each: Vec<Checked> = Vec::new();
        for served in named.iter().filter_map(|answer| answer.as_ref().ok()) {
            each.push(self.shown(subject, endpoint, served, without_name(served.address)));
        }
        if each.is_empty() {
            return match named.iter().find(known).or(named.first()) {
                Some(Err(error)) => self.failed(subject, error),
                Some(Ok(_)) | None => {
                    self.unseen(subject, Unseen::NoAddress, Shown::Nobody { why: "it has no address".to_owned() })
                }
            };
        }
        let mut checked = self.together(subject, each);
        for error in named.iter().filter(known).filter_map(|answer| answer.as_ref().err()) {
            checked.findings.extend(self.told(subject, vec![Finding::new(unseen(error).code(), explain(error))]));
            let at = probe(endpoint, error.address().unwrap_or_else(|| endpoint.address()));
            checked.served.push(Seen { probe: at, shown: failed(error), key_refuted: false });
        }
        checked.findings.sort_by_key(|finding| (finding.accepted.is_some(), finding.severity));
        checked
    }

    /// What several addresses of one server show: one verdict, over the leaf that ends first, with all that is wrong at any of them.
    fn together(&self, subject: &str, mut each: Vec<Checked>) -> Checked {
        each.sort_by_key(|one| one.leaf.as_ref().map_or((true, None), |leaf| (false, Some(leaf.not_after))));
        let of_each = |one: &mut Checked| {
            let at = one.served.first().map(|seen| seen.probe.clone()).unwrap_or_default();
            (at, std::mem::take(&mut one.findings))
        };
        let found: Vec<_> = each.iter_mut().map(of_each).collect();
        let mut found = assess::merged(&found, |finding, at| !finding.message.starts_with(at));
        let mut others = each.into_iter();
        let mut checked = others.next().unwrap_or_else(|| Checked::blank(subject, "endpoint"));
        for other in others {
            if let (Some(first), Some(leaf), [seen, ..]) = (&checked.leaf, &other.leaf, other.served.as_slice())
                && leaf.fingerprint != first.fingerprint
            {
                let (at, here) = (&seen.probe, &checked.served[0].probe);
                let (that, this) = (leaf.fingerprint.short(), first.fingerprint.short());
                let differs =
                    Finding::new(Code::AddressesDiffer, format!("{at} shows certificate {that}, {here} {this}"));
                found.extend(self.told(subject, vec![differs]));
            }
            if let Some(leaf) = other.leaf.filter(|leaf| checked.leaves().all(|it| it.fingerprint != leaf.fingerprint))
            {
                checked.further.push(leaf);
            }
            checked.served.extend(other.served);
        }
        checked.findings = found;
        checked
    }

    /// What is found beside a certificate, by the owner's rules.
    fn told(&self, subject: &str, found: Vec<Finding>) -> Vec<Finding> {
        elsewhere(assess::ruled(found, self.rules, subject, None, self.now))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use time::macros::datetime;
    use time::{Duration, OffsetDateTime};

    use super::*;
    use crate::assess::{Accept, Acceptance, Rules, Severity};
    use crate::cert::Certificate;
    use crate::cert::fixture::{NOW, Wish, self_signed};
    use crate::host::tls;

    fn served(address: &str, chain: &[&Certificate]) -> Served {
        Served {
            chain: chain.iter().map(|one| one.der().to_vec()).collect(),
            proved: true,
            refuted: false,
            version: tls::Version::Tls13,
            suite: None,
            group: None,
            post_quantum: tls::PostQuantum::Negotiated,
            client_certificate: None,
            raw: false,
            address: address.parse().unwrap(),
        }
    }

    /// What is wrong at one of several addresses is told with where; and nodes may have certificates of their own.
    #[test]
    fn each_address_is_judged_by_itself() {
        let root = self_signed(&Wish::ca("Root"));
        let leaf = |days: i64| {
            let valid = (datetime!(2030-05-30 0:00 UTC), NOW + Duration::days(days));
            root.issue(&Wish { valid, ..Wish::server("www.example.com").named(&["www.example.com"]) }).certificate
        };
        let endpoint: Endpoint = "www.example.com:443".parse().unwrap();
        let (good, other, over) = (leaf(80), leaf(78), leaf(-1));
        let answered = |named: Vec<Result<Served, ProbeError>>, judge: Judge<'_>| {
            judge.answered("www.example.com:443", &endpoint, Answers { named, unnamed: None })
        };
        let told = |checked: &Checked| -> Vec<(Code, String)> {
            checked.findings.iter().map(|one| (one.code, one.message.clone())).collect()
        };
        let judge = Judge::by_default(NOW);
        let ok = |address: &str, leaf: &Certificate| Ok(served(address, &[leaf]));

        let same = answered(vec![ok("127.0.0.1:443", &good), ok("127.0.0.2:443", &good)], judge);
        assert_eq!((told(&same), same.further.len(), same.served.len()), (vec![], 0, 2));

        let nodes = answered(vec![ok("127.0.0.1:443", &good), ok("127.0.0.2:443", &other)], judge);
        let (at, here) = ("127.0.0.1:443 (www.example.com)", "127.0.0.2:443 (www.example.com)");
        let (that, this) = (good.fingerprint().short(), other.fingerprint().short());
        assert_eq!(told(&nodes), [(Code::AddressesDiffer, format!("{at} shows certificate {that}, {here} {this}"))]);
        assert_eq!(nodes.findings[0].severity, Severity::Note);
        let ends: Vec<OffsetDateTime> = nodes.leaves().map(|leaf| leaf.not_after).collect();
        assert_eq!(ends, [other.not_after(), good.not_after()], "what ends first comes first");

        for (place, behind) in [(0, "127.0.0.1:443"), (1, "127.0.0.2:443")] {
            let mut named = vec![ok("127.0.0.1:443", &good), ok("127.0.0.2:443", &good)];
            named[place] = ok(behind, &over);
            let checked = answered(named, judge);
            let found = told(&checked);
            assert_eq!(found[0].0, Code::Expired);
            assert!(found[0].1.starts_with(&format!("{behind} (www.example.com): it ended")), "{found:?}");
        }

        // Whoever accepts that the addresses differ accepts nothing else.
        let until = NOW.date();
        let acceptance = Acceptance { reason: "nodes".to_owned(), until };
        let accept = Accept { code: Code::AddressesDiffer, target: None, subject: None, acceptance };
        let rules = Rules { severity: BTreeMap::new(), accepted: vec![accept] };
        let checked = answered(vec![ok("127.0.0.1:443", &good), ok("127.0.0.2:443", &over)], judge.ruled_by(&rules));
        let counting: Vec<Code> = checked.findings.iter().filter(|one| one.counts()).map(|one| one.code).collect();
        assert_eq!(counting, [Code::Expired]);

        let refused = ProbeError::Refused { address: "127.0.0.2:443".parse().unwrap() };
        let checked = answered(vec![ok("127.0.0.1:443", &good), Err(refused)], judge);
        assert_eq!(told(&checked), [(Code::Refused, "127.0.0.2:443 refuses the connection".to_owned())]);
        let places: Vec<&str> = checked.served.iter().map(|seen| seen.probe.as_str()).collect();
        assert_eq!(places, [at, here], "also one that shows nothing is there to be alerted on");

        let address = "[2001:db8::1]:443".parse().unwrap();
        let unrouted = ProbeError::Connect { address, source: std::io::ErrorKind::NetworkUnreachable.into() };
        let checked = answered(vec![ok("127.0.0.1:443", &good), Err(unrouted)], judge);
        assert_eq!((told(&checked), checked.served.len()), (vec![], 1), "no route from here for that family");

        // An impostor has the certificate and not its key; that the key was not proved says less.
        let mut named = [served("127.0.0.1:443", &[&good]), served("127.0.0.2:443", &[&good])];
        for one in &mut named {
            one.proved = false;
        }
        named[1].refuted = true;
        let checked = answered(named.map(Ok).into(), judge);
        let refuted: Vec<bool> = checked.served.iter().map(|seen| seen.key_refuted).collect();
        assert_eq!(refuted, [false, true]);

        // What one address has as a default says nothing of another.
        let named = || vec![ok("127.0.0.1:443", &good), ok("127.0.0.2:443", &other)];
        let unnamed = Some(served("127.0.0.2:443", &[&other]));
        let checked = judge.answered("www.example.com:443", &endpoint, Answers { named: named(), unnamed });
        assert!(told(&checked).iter().all(|(code, _)| *code == Code::AddressesDiffer), "{:?}", told(&checked));
    }
}
