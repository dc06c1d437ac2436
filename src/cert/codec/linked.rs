//! Certificates that came in no order, put into the order of a chain: by names and key identifiers alone. Whether one really signed
//! the other is judged elsewhere.

use std::collections::{HashMap, HashSet};

use crate::cert::certificate::Certificate;
use crate::cert::issuers::MAX_CHAIN;

/// Certificates by their subject.
pub(super) struct BySubject<'a> {
    all: &'a [Certificate],
    places: HashMap<&'a [u8], Vec<usize>>,
}

impl<'a> BySubject<'a> {
    pub(super) fn new(all: &'a [Certificate]) -> Self {
        let mut places = HashMap::<_, Vec<usize>>::new();
        for (place, certificate) in all.iter().enumerate() {
            places.entry(certificate.subject_der()).or_default().push(place);
        }
        Self { all, places }
    }

    /// The places of the certificate at `leaf`, its issuer, the issuer's, and so on.
    pub(super) fn chain_from(&self, leaf: usize) -> Vec<usize> {
        let mut chain = Vec::new();
        let mut next = Some(leaf);
        while let Some((place, certificate)) = next.and_then(|place| Some((place, self.all.get(place)?))) {
            chain.push(place);
            if chain.len() == MAX_CHAIN || certificate.is_self_issued() {
                break;
            }
            let named = self.places.get(certificate.issuer_der()).map(Vec::as_slice).unwrap_or_default();
            let by_key = |place: &&usize| {
                let ski = self.all.get(**place).and_then(Certificate::ski);
                certificate.aki().is_some() && certificate.aki() == ski
            };
            let found = named.iter().find(by_key).or(named.first()).copied();
            next = found.filter(|place| !chain.contains(place));
        }
        chain
    }
}

/// The same certificates: the first that issued none of the others, its chain, then the rest.
pub(super) fn leaf_first(all: Vec<Certificate>) -> Vec<Certificate> {
    let issuers: HashSet<&[u8]> = all.iter().filter(|one| !one.is_self_issued()).map(Certificate::issuer_der).collect();
    let ends = || all.iter().enumerate().filter(|(_, one)| !issuers.contains(one.subject_der()));
    let leaf = ends().find(|(_, one)| !one.is_ca()).or_else(|| ends().next()).map(|(place, _)| place);
    let Some(leaf) = leaf else { return all };
    let mut order = BySubject::new(&all).chain_from(leaf);
    let chained: HashSet<usize> = order.iter().copied().collect();
    order.extend((0..all.len()).filter(|place| !chained.contains(place)));
    order.iter().filter_map(|place| all.get(*place).cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{Wish, self_signed};

    #[test]
    fn the_leaf_comes_first_and_its_issuers_follow() {
        let root = self_signed(&Wish::ca("Root"));
        let middle = root.issue(&Wish::ca("Middle"));
        let leaf = middle.issue(&Wish::server("www.example.com"));
        let other = self_signed(&Wish::ca("Other")).certificate;
        let right = [&leaf.certificate, &middle.certificate, &root.certificate, &other].map(Clone::clone);
        for mixed in [[2, 0, 3, 1], [3, 2, 1, 0], [0, 1, 2, 3], [1, 3, 0, 2]] {
            let ordered = leaf_first(mixed.map(|place| right[place].clone()).to_vec());
            assert_eq!(ordered, right, "{mixed:?}");
        }
        assert_eq!(leaf_first(vec![]), []);
        assert_eq!(leaf_first(vec![root.certificate.clone()]), [root.certificate]);
    }
}
