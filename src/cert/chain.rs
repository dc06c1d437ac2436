//! A leaf and the intermediates that lead from it towards a root.

use std::collections::HashSet;
use std::fmt;

use super::certificate::Certificate;
use super::issuers::{Issued, Issuers, MAX_CHAIN};
use super::key::PrivateKey;
use super::signatures::Checks;
use super::trust::{SelfSigned, Signed};
use crate::digest::Digest;
use crate::sensitive::Sensitive;

/// Certificates in the order in which a server sends them (RFC 8446 section 4.4.2): leaf first, each issued by the next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    leaf: Certificate,
    intermediates: Vec<Certificate>,
}

/// A chain put in order, and what was noticed doing it.
#[derive(Clone, Debug)]
pub struct Assembled {
    /// The chain, without a root.
    pub chain: Chain,
    /// What was left out, assumed or missing.
    pub notes: Vec<ChainNote>,
}

/// Something about a heap of certificates that stops nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChainNote {
    /// A self-signed certificate at the end was left out: clients trust their own copy or none.
    RootDropped(Certificate),
    /// A certificate that is not part of the chain was left out.
    Stranger(Certificate),
    /// The issuer of this one, the last of the chain, is not among those given.
    IssuerMissing(Certificate),
    /// The chain goes on from the first to the second by their names alone: the signature cannot be checked.
    Unchecked(Certificate, Certificate),
}

impl fmt::Display for ChainNote {
    /// One line; names are not escaped.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RootDropped(root) => write!(out, "left out the root {}: servers do not send it", root.title()),
            Self::Stranger(other) => {
                write!(out, "left out {} ({}): not part of the chain", other.title(), other.fingerprint().short())
            }
            Self::IssuerMissing(last) => write!(
                out,
                "the chain ends with {}, and its issuer {} was not given: complete unless that is an intermediate",
                last.title(),
                last.issuer()
            ),
            Self::Unchecked(child, issuer) => write!(
                out,
                "{} is taken to be issued by {}: its signature ({}) cannot be checked",
                child.title(),
                issuer.title(),
                child.signature_algorithm()
            ),
        }
    }
}

/// No chain can be made of these certificates.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChainError {
    /// None at all.
    #[error("no certificate was given to make a chain of")]
    Empty,
    /// The key belongs to none of them.
    #[error("the private key with the fingerprint {key} belongs to none of the certificates given: {}", have.join(", "))]
    NoneForKey {
        /// SHA-256 of the key's public half.
        key: Digest,
        /// Each certificate with the fingerprint of its key.
        have: Vec<String>,
    },
    /// More than one could be the server's.
    #[error("several certificates could be the server's: {}", .0.join(", "))]
    SeveralLeaves(Vec<String>),
    /// Each has issued another.
    #[error("none of the certificates given is a server's: each has issued another of them")]
    NoLeaf,
    /// Issuers lead on above as many as any chain has.
    #[error("more than {MAX_CHAIN} certificates, each issued by the next, lead up from {0}")]
    TooLong(String),
    /// So many have one name that not all were held against each other.
    #[error("more certificates of the same names were given with {0} than are held against one another")]
    TooMany(String),
}

impl ChainError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty => "give the certificate of the server and its intermediates",
            Self::NoneForKey { .. } => {
                "give the certificate that was issued for this key, or the key of this certificate"
            }
            Self::SeveralLeaves(_) => "give one server certificate at a time, or its key along with it",
            Self::NoLeaf => "give the certificate of the server, not only those of CAs",
            Self::TooLong(_) | Self::TooMany(_) => {
                "give the certificate of the server and only those intermediates that its CA names"
            }
        }
    }
}

impl Chain {
    /// The chain as somebody else put it, a server or a file: unsorted, unchecked, the first one the leaf. `None` without any.
    #[must_use]
    pub fn as_given(certificates: Vec<Certificate>) -> Option<Self> {
        let mut certificates = certificates.into_iter();
        let leaf = certificates.next()?;
        Some(Self { leaf, intermediates: certificates.collect() })
    }

    /// As [`Chain::as_given`], of a file that a person has put together: where exactly one certificate is a leaf, it is the chain's wherever
    /// it stands. And how many certificates stand before it.
    ///
    /// A leaf is what has its key in the file, of which `halves` are the public ones, and what is neither a CA nor has issued another by its name.
    #[must_use]
    pub fn in_file(mut certificates: Vec<Certificate>, halves: &[&[u8]]) -> (Option<Self>, usize) {
        // Most files end here.
        if certificates.first().is_none_or(|first| certificates.len() == 1 || !first.is_ca()) {
            return (Self::as_given(certificates), 0);
        }
        let issued = Issued::among(&certificates);
        let owned = |one: &Certificate| halves.iter().any(|half| one.certifies(half));
        let leaf = |one: &&Certificate| owned(one) || is_leaf(one, &issued);
        let place = match certificates.iter().find(leaf) {
            Some(only) if certificates.iter().filter(leaf).all(|one| one == only) => {
                certificates.iter().position(|one| one == only).unwrap_or_default()
            }
            Some(_) | None => 0,
        };
        let leaf = certificates.remove(place);
        (Some(Self { leaf, intermediates: certificates }), place)
    }

    /// Finds the leaf, the one `key` belongs to where a key is given, and sorts the chain above it by names and signatures.
    /// Repeated certificates, a root at the end and whatever is not part of the chain are left out; a leaf that signed itself
    /// stays. An incomplete chain is a note, for nobody can tell from here whether its last issuer is a root.
    ///
    /// # Errors
    /// There is no leaf, or no single one; or what leads up from it is no chain that anybody would send.
    pub fn assemble(certificates: Vec<Certificate>, key: Option<&PrivateKey>) -> Result<Assembled, ChainError> {
        Self::assemble_with(certificates, key, &Checks::default())
    }

    fn assemble_with(
        certificates: Vec<Certificate>,
        key: Option<&PrivateKey>,
        checks: &Checks,
    ) -> Result<Assembled, ChainError> {
        let mut seen = HashSet::new();
        let heap: Vec<Certificate> = certificates.into_iter().filter(|one| seen.insert(one.fingerprint())).collect();
        let leaf = match key {
            Some(key) => leaf_of_key(&heap, key)?,
            None => only_leaf(&heap)?,
        };
        let issuers = Issuers::among(&heap);
        let mut path = vec![leaf];
        let mut notes = Vec::new();
        let mut root = None;
        while let Some(last) = path.last()
            && !vouches_for_itself(last, checks)
            && let Some((issuer, signed)) = issuer_of(last, &path, &issuers, checks)
        {
            if signed == Signed::Unverifiable {
                notes.push(ChainNote::Unchecked((*last).clone(), issuer.clone()));
            }
            if vouches_for_itself(issuer, checks) {
                root = Some(issuer);
                break;
            }
            if path.len() == MAX_CHAIN {
                return Err(ChainError::TooLong(leaf.title()));
            }
            path.push(issuer);
        }
        if checks.are_spent() {
            return Err(ChainError::TooMany(leaf.title()));
        }
        let used: HashSet<_> = path.iter().copied().chain(root).map(Certificate::fingerprint).collect();
        let others: Vec<_> = heap.iter().filter(|one| !used.contains(&one.fingerprint())).collect();
        let complete = root.is_some() || path.last().is_some_and(|last| vouches_for_itself(last, checks));
        let suspicious =
            path.len() == 1 || others.iter().any(|other| other.is_ca() && !vouches_for_itself(other, checks));
        if let Some(last) = path.last()
            && !complete
            && suspicious
        {
            notes.push(ChainNote::IssuerMissing((*last).clone()));
        }
        notes.extend(root.cloned().map(ChainNote::RootDropped));
        notes.extend(others.into_iter().cloned().map(|other| {
            let root = other.is_ca() && vouches_for_itself(&other, checks);
            if root { ChainNote::RootDropped(other) } else { ChainNote::Stranger(other) }
        }));
        let chain = Self::as_given(path.into_iter().cloned().collect()).ok_or(ChainError::Empty)?;
        Ok(Assembled { chain, notes })
    }

    /// The same with these at its end, in this order.
    #[must_use]
    pub fn continued(mut self, issuers: Vec<Certificate>) -> Self {
        self.intermediates.extend(issuers);
        self
    }

    /// The certificate of the server.
    #[must_use]
    pub fn leaf(&self) -> &Certificate {
        &self.leaf
    }

    /// The others, from the leaf's issuer upwards.
    #[must_use]
    pub fn intermediates(&self) -> &[Certificate] {
        &self.intermediates
    }

    /// All of them, leaf first.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.leaf).chain(&self.intermediates)
    }

    /// The leaf as PEM.
    #[must_use]
    pub fn leaf_pem(&self) -> String {
        self.leaf.to_pem()
    }

    /// The intermediates as PEM; empty where there are none.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        self.intermediates.iter().map(Certificate::to_pem).collect()
    }

    /// Leaf and intermediates as PEM.
    #[must_use]
    pub fn fullchain_pem(&self) -> String {
        self.certificates().map(Certificate::to_pem).collect()
    }

    /// Leaf, intermediates and the key as PEM. Whether the key belongs to the leaf is for [`Bundle`](super::Bundle) to hold.
    #[must_use]
    pub fn combined_pem(&self, key: &PrivateKey) -> Sensitive {
        let (chain, key) = (self.fullchain_pem(), key.to_pem());
        // Reserved at once: growing would leave a copy of the key behind.
        let mut bytes = Vec::with_capacity(chain.len() + key.expose().len());
        bytes.extend_from_slice(chain.as_bytes());
        bytes.extend_from_slice(key.expose());
        bytes.into()
    }
}

/// Whether it is neither a CA nor has issued another by its name. A root of version 1 cannot say that it is a CA.
#[must_use]
pub fn is_leaf(one: &Certificate, issued: &Issued<'_>) -> bool {
    let old_root = one.version() == 1 && one.is_self_issued();
    !one.is_ca() && !old_root && !issued.has_issued(one)
}

/// Of several certificates for one key the youngest, as after a renewal that kept the key; a CA's only where there is no other.
fn leaf_of_key<'h>(heap: &'h [Certificate], key: &PrivateKey) -> Result<&'h Certificate, ChainError> {
    let fitting = heap.iter().enumerate().filter(|(_, certificate)| key.matches(certificate));
    let leaf = fitting.max_by_key(|(place, one)| (!one.is_ca(), one.not_before(), std::cmp::Reverse(*place)));
    match leaf {
        Some((_, leaf)) => Ok(leaf),
        None if heap.is_empty() => Err(ChainError::Empty),
        None => Err(ChainError::NoneForKey {
            key: Digest::of(key.spki()),
            have: heap.iter().map(|one| format!("{} (key {})", one.title(), one.spki_digest().short())).collect(),
        }),
    }
}

/// The only certificate that is no CA's; else the only one that issued no other, which finds a leaf that calls itself a CA, and
/// roots so old that they do not.
fn only_leaf(heap: &[Certificate]) -> Result<&Certificate, ChainError> {
    let servers: Vec<&Certificate> = heap.iter().filter(|one| !one.is_ca()).collect();
    if let [only] = servers.as_slice() {
        return Ok(only);
    }
    let candidates = if servers.is_empty() { heap.iter().collect() } else { servers };
    let issued = Issued::among(heap);
    let leaves: Vec<&Certificate> = candidates.into_iter().filter(|one| !issued.has_issued(one)).collect();
    match leaves.as_slice() {
        [only] => Ok(only),
        [] if heap.is_empty() => Err(ChainError::Empty),
        [] => Err(ChainError::NoLeaf),
        several => Err(ChainError::SeveralLeaves(several.iter().map(|one| one.title()).collect())),
    }
}

/// The best issuer that is no part of the path yet. Checked signatures before unchecked ones; a cross-signed certificate before the
/// self-signed one of the same key, for it leads on to a root that older clients have; then the one valid longest.
fn issuer_of<'h>(
    child: &Certificate,
    path: &[&Certificate],
    issuers: &Issuers<'h>,
    checks: &Checks,
) -> Option<(&'h Certificate, Signed)> {
    let mut candidates: Vec<_> = issuers.named_by(child).filter(|one| !path.contains(one)).collect();
    // The best comes first, so that most are never held against the signature; equal ones stay in their order.
    candidates.sort_by_key(|one| (one.is_self_issued(), std::cmp::Reverse(one.not_after())));
    let mut unchecked = None;
    for issuer in candidates {
        match checks.issued_by(child, issuer)? {
            Signed::Verified => return Some((issuer, Signed::Verified)),
            Signed::Unverifiable => unchecked = unchecked.or(Some((issuer, Signed::Unverifiable))),
            Signed::Failed => {}
        }
    }
    unchecked
}

/// Whether the path ends here. Once there were enough checks, a name is taken for it.
fn vouches_for_itself(certificate: &Certificate, checks: &Checks) -> bool {
    match checks.self_issued(certificate) {
        Some(SelfSigned::Yes | SelfSigned::SelfIssuedUnverifiable) => true,
        Some(SelfSigned::No | SelfSigned::SelfIssuedByOtherKey | SelfSigned::OwnKeyOtherName) => false,
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::cert::fixture::{Issued, Wish, copy, self_signed};

    struct Family {
        root: Issued,
        upper: Issued,
        lower: Issued,
        leaf: Issued,
    }

    fn family() -> Family {
        let root = self_signed(&Wish::ca("Root"));
        let upper = root.issue(&Wish::ca("Upper"));
        let lower = upper.issue(&Wish::ca("Lower"));
        let leaf = lower.issue(&Wish::server("www.example.com"));
        Family { root, upper, lower, leaf }
    }

    fn pick(from: &[&Issued]) -> Vec<Certificate> {
        from.iter().map(|one| one.certificate.clone()).collect()
    }

    fn sorted(assembled: &Assembled) -> Vec<Certificate> {
        assembled.chain.certificates().cloned().collect()
    }

    #[test]
    fn any_order_becomes_the_chain() {
        let Family { root, upper, lower, leaf } = family();
        let wanted = pick(&[&leaf, &lower, &upper]);
        let all = [&root, &upper, &lower, &leaf];
        for turn in 0..4 {
            for key in [None, Some(&leaf.key)] {
                let mut order = all;
                order.rotate_left(turn);
                order.swap(0, 2);
                let mut given = pick(&order);
                given.extend(pick(&[&leaf, &root, &lower]));
                let assembled = Chain::assemble(given, key).unwrap();
                assert_eq!(sorted(&assembled), wanted);
                assert_eq!(assembled.notes, [ChainNote::RootDropped(root.certificate.clone())]);
            }
        }
    }

    #[test]
    fn what_is_missing_is_a_note() {
        let Family { root, upper, lower, leaf } = family();
        let alone = Chain::assemble(pick(&[&leaf]), None).unwrap();
        assert_eq!(alone.notes, [ChainNote::IssuerMissing(leaf.certificate.clone())]);

        let usual = Chain::assemble(pick(&[&leaf, &lower, &upper]), None).unwrap();
        assert_eq!(usual.notes, [], "servers do not send roots");

        let gap = Chain::assemble(pick(&[&upper, &leaf, &root]), None).unwrap();
        assert_eq!(sorted(&gap), pick(&[&leaf]));
        assert_eq!(
            gap.notes,
            [
                ChainNote::IssuerMissing(leaf.certificate.clone()),
                ChainNote::Stranger(upper.certificate.clone()),
                ChainNote::RootDropped(root.certificate.clone()),
            ]
        );
    }

    #[test]
    fn strangers_are_left_out() {
        let (one, other) = (family(), family());
        let given = pick(&[&other.lower, &one.lower, &one.leaf]);
        let assembled = Chain::assemble(given, None).unwrap();
        assert_eq!(sorted(&assembled), pick(&[&one.leaf, &one.lower]), "same names, other keys");
        assert!(assembled.notes.contains(&ChainNote::Stranger(other.lower.certificate)));
    }

    #[test]
    fn a_leaf_that_signed_itself_stays() {
        for wish in [Wish::ca("own"), Wish::server("own")] {
            let own = self_signed(&wish);
            for key in [None, Some(&own.key)] {
                let assembled = Chain::assemble(pick(&[&own]), key).unwrap();
                assert_eq!(assembled.chain.leaf(), &own.certificate);
                assert_eq!(assembled.notes, []);
            }
        }
    }

    #[test]
    fn of_two_certificates_for_one_key_the_younger_is_the_leaf() {
        let Family { lower, leaf, .. } = family();
        let later = (datetime!(2030-05-01 0:00 UTC), datetime!(2030-12-01 0:00 UTC));
        let renewed = lower.issue_for(&Wish { valid: later, ..Wish::server("www.example.com") }, copy(&leaf.key));
        let assembled = Chain::assemble(pick(&[&leaf, &renewed, &lower]), Some(&leaf.key)).unwrap();
        assert_eq!(assembled.chain.leaf(), &renewed.certificate);
        assert_eq!(assembled.notes, [ChainNote::Stranger(leaf.certificate)]);
    }

    #[test]
    fn a_cross_signed_issuer_is_kept_and_its_root_dropped() {
        let (old, new) = (self_signed(&Wish::ca("Old")), self_signed(&Wish::ca("New")));
        let crossed = old.issue_for(&Wish::ca("New"), copy(&new.key));
        let leaf = new.issue(&Wish::server("www.example.com"));
        for given in [pick(&[&leaf, &crossed, &new]), pick(&[&new, &crossed, &leaf])] {
            let assembled = Chain::assemble(given, None).unwrap();
            assert_eq!(sorted(&assembled), pick(&[&leaf, &crossed]));
            assert_eq!(assembled.notes, [ChainNote::RootDropped(new.certificate.clone())]);
        }
    }

    #[test]
    fn without_a_leaf_there_is_no_chain() {
        let (one, other) = (family(), family());
        let assemble = |given: &[&Issued], key| Chain::assemble(pick(given), key).unwrap_err();
        assert_eq!(assemble(&[], None), ChainError::Empty);
        assert_eq!(assemble(&[], Some(&one.leaf.key)), ChainError::Empty);
        let names = vec!["www.example.com".to_owned(); 2];
        assert_eq!(assemble(&[&one.leaf, &other.leaf], None), ChainError::SeveralLeaves(names));
        assert!(matches!(assemble(&[&one.leaf, &one.lower], Some(&other.leaf.key)), ChainError::NoneForKey { .. }));
        let swapped = (self_signed(&Wish::ca("A")), self_signed(&Wish::ca("B")));
        let circle = (
            swapped.0.issue_for(&Wish::ca("B"), copy(&swapped.1.key)),
            swapped.1.issue_for(&Wish::ca("A"), copy(&swapped.0.key)),
        );
        assert_eq!(assemble(&[&circle.0, &circle.1], None), ChainError::NoLeaf);
        let led = Chain::assemble(pick(&[&circle.0, &circle.1]), Some(&swapped.0.key)).unwrap();
        assert_eq!(led.chain.intermediates().len(), 1, "a circle ends");
    }

    /// Two CAs that have issued each other so many certificates.
    fn crossed(count: usize) -> (Issued, Vec<Certificate>) {
        let (a, b) = (self_signed(&Wish::ca("A")), self_signed(&Wish::ca("B")));
        let leaf = a.issue(&Wish::server("www.example.com"));
        let one = |place: usize| match place % 2 {
            0 => a.issue_for(&Wish::ca("B"), copy(&b.key)).certificate,
            _ => b.issue_for(&Wish::ca("A"), copy(&a.key)).certificate,
        };
        let all = std::iter::once(leaf.certificate.clone()).chain((0..count).map(one)).collect();
        (leaf, all)
    }

    #[test]
    fn cas_that_issued_each_other_make_a_chain_until_it_is_too_long_for_anybody() {
        for (count, chained) in [(6, Some(7)), (15, Some(15)), (16, None), (200, None)] {
            let (leaf, all) = crossed(count);
            let checks = Checks::default();
            let assembled = Chain::assemble_with(all, Some(&leaf.key), &checks);
            match (chained, assembled) {
                (Some(length), assembled) => assert_eq!(sorted(&assembled.unwrap()).len(), length),
                (None, assembled) => {
                    assert_eq!(assembled.err(), Some(ChainError::TooLong("www.example.com".to_owned())));
                }
            }
            // One for each step, whatever there is to choose from.
            assert!(checks.count() <= MAX_CHAIN, "{count} certificates: {}", checks.count());
        }
    }

    #[test]
    fn namesakes_of_an_issuer_are_held_against_a_signature_up_to_a_bound() {
        let (root, leaf) = {
            let root = self_signed(&Wish::ca("A"));
            let leaf = root.issue(&Wish::server("www.example.com"));
            (root, leaf)
        };
        let other = self_signed(&Wish::ca("B"));
        let namesakes = |count: usize| {
            let all = (0..count).map(|_| other.issue(&Wish::ca("A")).certificate);
            pick(&[&leaf, &root]).into_iter().chain(all).collect::<Vec<_>>()
        };
        let dozens = Chain::assemble(namesakes(60), Some(&leaf.key)).unwrap();
        assert_eq!(sorted(&dozens), pick(&[&leaf]));
        assert_eq!(dozens.notes[0], ChainNote::RootDropped(root.certificate.clone()));
        assert_eq!(dozens.notes.len(), 61);
        let checks = Checks::up_to(50);
        let hundreds = Chain::assemble_with(namesakes(60), Some(&leaf.key), &checks);
        assert_eq!(hundreds.err(), Some(ChainError::TooMany("www.example.com".to_owned())));
        assert_eq!(checks.count(), 50);
    }
}
