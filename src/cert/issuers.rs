//! Certificates by the names under which they issue and were issued, so that one among thousands is found without a look at all of them.

use std::collections::{HashMap, HashSet};

use super::certificate::Certificate;
use super::distinguished::{Compared, compared};
use crate::digest::Digest;

/// Certificates of a chain at most, wherever one is put together: nobody has a third of that, and clients follow no more than ten. What
/// strangers made goes on as long as they like.
pub(super) const MAX_CHAIN: usize = 16;

/// Certificates, each to be found by its subject (RFC 5280 section 7.1).
pub struct Issuers<'a> {
    all: Vec<&'a Certificate>,
    /// Their places, rising.
    by_subject: HashMap<Compared<'a>, Vec<usize>>,
}

impl<'a> Issuers<'a> {
    /// Those among which issuers are looked for.
    #[must_use]
    pub fn among(all: impl IntoIterator<Item = &'a Certificate>) -> Self {
        let all: Vec<&Certificate> = all.into_iter().collect();
        let by_subject = grouped(all.iter().map(|one| compared(one.subject_der())));
        Self { all, by_subject }
    }

    /// Those that `child` names as its issuer, in their order. Whether one of them is, its signature tells.
    pub(super) fn named_by<'s>(&'s self, child: &'s Certificate) -> impl Iterator<Item = &'a Certificate> + 's {
        self.places(&compared(child.issuer_der())).iter().filter_map(|place| self.all.get(*place).copied())
    }

    fn places<'s>(&'s self, subject: &Compared<'s>) -> &'s [usize] {
        self.by_subject.get(subject).map(Vec::as_slice).unwrap_or_default()
    }

    /// Those to which names lead from `child`, over any number of others: by their places, rising.
    pub(super) fn above(&self, child: &'a Certificate) -> Vec<usize> {
        let step = |place: usize| self.all.get(place).map(|one| compared(one.issuer_der()));
        closure([compared(child.issuer_der())], &self.by_subject, step)
    }

    /// Those from which names lead to one of these subjects.
    pub(super) fn below(&self, subjects: impl IntoIterator<Item = &'a Certificate>) -> Vec<usize> {
        let by_issuer = grouped(self.all.iter().map(|one| compared(one.issuer_der())));
        let step = |place: usize| self.all.get(place).map(|one| compared(one.subject_der()));
        closure(subjects.into_iter().map(|one| compared(one.subject_der())), &by_issuer, step)
    }
}

fn grouped<'a>(names: impl Iterator<Item = Compared<'a>>) -> HashMap<Compared<'a>, Vec<usize>> {
    let mut groups = HashMap::<_, Vec<usize>>::new();
    for (place, name) in names.enumerate() {
        groups.entry(name).or_default().push(place);
    }
    groups
}

/// All places that are reached from these names, where each place leads on to another name. Each group is looked at once.
fn closure<'a>(
    from: impl IntoIterator<Item = Compared<'a>>,
    groups: &HashMap<Compared<'a>, Vec<usize>>,
    step: impl Fn(usize) -> Option<Compared<'a>>,
) -> Vec<usize> {
    let mut names: Vec<Compared<'a>> = from.into_iter().collect();
    let (mut met, mut reached) = (HashSet::new(), Vec::new());
    while let Some(name) = names.pop() {
        let group = groups.get(&name).map(Vec::as_slice).unwrap_or_default();
        if met.insert(name) {
            reached.extend(group);
            names.extend(group.iter().filter_map(|place| step(*place)));
        }
    }
    reached.sort_unstable();
    reached
}

/// Which certificates have issued others, by their names.
pub struct Issued<'a> {
    /// Of each issuer that is named, one certificate that names it, and whether another does.
    named: HashMap<Compared<'a>, (Digest, bool)>,
}

impl<'a> Issued<'a> {
    /// Those that may have issued one another.
    #[must_use]
    pub fn among(all: impl IntoIterator<Item = &'a Certificate>) -> Self {
        let mut named = HashMap::new();
        for child in all {
            let first = named.entry(compared(child.issuer_der())).or_insert((child.fingerprint(), false));
            first.1 |= first.0 != child.fingerprint();
        }
        Self { named }
    }

    /// Whether another of them names it as its issuer.
    #[must_use]
    pub fn has_issued(&self, one: &Certificate) -> bool {
        let named = self.named.get(&compared(one.subject_der()));
        named.is_some_and(|(first, another)| *another || *first != one.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{Wish, self_signed};

    #[test]
    fn names_lead_up_and_down() {
        let (root, other) = (self_signed(&Wish::ca("Root")), self_signed(&Wish::ca("Other")));
        let upper = root.issue(&Wish::ca("Upper"));
        let lower = upper.issue(&Wish::ca("LOWER"));
        let namesake = other.issue(&Wish::ca("Lower"));
        let leaf = lower.issue(&Wish::server("www")).certificate;
        let all = [&root, &upper, &lower, &namesake, &other].map(|one| one.certificate.clone());
        let issuers = Issuers::among(&all);
        assert_eq!(issuers.named_by(&leaf).collect::<Vec<_>>(), [&all[2], &all[3]]);
        assert_eq!(issuers.above(&leaf), [0, 1, 2, 3, 4], "by names alone, and a circle ends");
        assert_eq!(issuers.above(&all[2]), [0, 1]);
        assert_eq!(issuers.below([&all[0]]), [0, 1, 2]);
        let issued = Issued::among(all.iter().chain([&leaf, &leaf]));
        assert_eq!(all.iter().map(|one| issued.has_issued(one)).collect::<Vec<_>>(), [true; 5]);
        assert!(!issued.has_issued(&leaf));
        assert!(!Issued::among([&all[0], &all[0]]).has_issued(&all[0]), "none but itself");
    }
}
