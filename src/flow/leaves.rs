//! A file with the certificates of several servers: each is a subject of its own, with the chain and the key that belong to it.

use std::collections::HashSet;

use crate::assess::{Code, Finding};
use crate::cert::codec::{Contents, Format};
use crate::cert::installed::KeyFound;
use crate::cert::{Certificate, Issued, is_leaf};

/// One of several leaves of a file, and what belongs to it.
pub(super) struct Part {
    /// The leaf, then the certificates that lead upwards from it, as they stand in the file.
    pub chain: Vec<Certificate>,
    /// How the keys of the file stand to the leaf.
    pub key: KeyFound,
    /// What a store has besides, and belongs to no leaf of it: it is trusted there, not sent.
    pub trusted: Vec<Certificate>,
    /// That the file looks like one server's and has leaves of others.
    pub several: Option<Finding>,
}

/// Each leaf with what belongs to it, in the order of the file; none where the file has one leaf at most.
///
/// A leaf is what has its key in the file, and what is neither a CA nor has issued another. What belongs to none of them is a
/// stranger to the first, but in a store: there it is trusted.
pub(super) fn parts(found: &Contents) -> Vec<Part> {
    let halves = found.halves();
    let owned = |one: &Certificate| halves.iter().any(|half| one.certifies(half));
    // Most files end here.
    if found.certificates.iter().filter(|one| !one.is_ca() || owned(one)).nth(1).is_none() {
        return Vec::new();
    }
    let mut seen: HashSet<&[u8]> = HashSet::new();
    let each: Vec<&Certificate> = found.certificates.iter().filter(|one| seen.insert(one.der())).collect();
    let issued = Issued::among(each.iter().copied());
    let (leaves, others): (Vec<&Certificate>, Vec<&Certificate>) =
        each.iter().partition(|one| owned(one) || is_leaf(one, &issued));
    if leaves.len() < 2 {
        return Vec::new();
    }
    let store = matches!(found.format, Format::Pkcs12 | Format::Jks);
    let of_nobody = halves.iter().any(|half| !each.iter().any(|one| one.certifies(half)));
    let mut stray = of_nobody;
    let mut strangers: Vec<&Certificate> = others.clone();
    let mut parts: Vec<Part> = Vec::new();
    for leaf in &leaves {
        let above = above(leaf, &others);
        strangers.retain(|one| !above.contains(one));
        let key = match (owned(leaf), stray) {
            (true, _) => KeyFound::Matches,
            (false, true) => {
                stray = false;
                KeyFound::Mismatch
            }
            (false, false) => KeyFound::None,
        };
        let copies = found.certificates.iter().filter(|one| one == leaf);
        let chain = copies.chain(above).cloned().collect();
        parts.push(Part { chain, key, trusted: Vec::new(), several: None });
    }
    let one_servers = !store
        && if halves.is_empty() {
            parts.first().is_some_and(|part| part.chain.len() > 1)
        } else {
            parts.iter().any(|part| part.key != KeyFound::Matches)
        };
    if let Some(first) = parts.first_mut() {
        if one_servers {
            let besides: Vec<String> = leaves.iter().skip(1).map(|leaf| leaf.title()).collect();
            let message = format!("besides {} there is {}", leaves[0].title(), besides.join(", "));
            first.several = Some(Finding::new(Code::SeveralLeaves, message));
        }
        let beside = if store { &mut first.trusted } else { &mut first.chain };
        beside.extend(strangers.into_iter().cloned());
    }
    parts
}

/// CAs that are taken for those above one leaf. An honest one has a few; hundreds of one name above each of hundreds of leaves would
/// need as many signatures checked as the product of both.
const MOST_ABOVE: usize = 16;

/// Of these, by their names, those that lead upwards from a leaf, as they stand in the file.
fn above<'a>(leaf: &Certificate, others: &[&'a Certificate]) -> Vec<&'a Certificate> {
    let mut chosen: Vec<bool> = vec![false; others.len()];
    let mut lowest: Vec<&Certificate> = vec![leaf];
    let mut left = MOST_ABOVE;
    while let Some(child) = lowest.pop() {
        for (chosen, issuer) in chosen.iter_mut().zip(others) {
            if left > 0 && !*chosen && child.names_as_issuer(issuer) {
                *chosen = true;
                left -= 1;
                lowest.push(issuer);
            }
        }
    }
    chosen.into_iter().zip(others).filter(|(chosen, _)| *chosen).map(|(_, one)| *one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{Wish, self_signed};
    use crate::cert::{PrivateKey, codec};

    fn read(parts: &[String]) -> Contents {
        codec::read(parts.concat().as_bytes(), None).unwrap()
    }

    fn key(key: &PrivateKey) -> String {
        String::from_utf8(key.to_pem().expose().to_vec()).unwrap()
    }

    /// Title of each leaf, how many stand above it, and its key.
    fn told(parts: &[String]) -> Vec<(String, usize, KeyFound)> {
        let all = super::parts(&read(parts));
        all.iter().map(|part| (part.chain[0].title(), part.chain.len() - 1, part.key)).collect()
    }

    #[test]
    fn each_leaf_has_its_own_chain_and_key() {
        let root = self_signed(&Wish::ca("Root"));
        let (one, two) = (root.issue(&Wish::ca("One")), root.issue(&Wish::ca("Two")));
        let leaf = |ca: &crate::cert::fixture::Issued, name: &str| ca.issue(&Wish::server(name).named(&[name]));
        let (a, b, c) = (leaf(&one, "a.lan"), leaf(&two, "b.lan"), leaf(&one, "c.lan"));
        let pem = |certificate: &Certificate| certificate.to_pem();
        let (cas, stranger) = ([pem(&two.certificate), pem(&one.certificate)], self_signed(&Wish::ca("Else")));

        assert_eq!(told(&[pem(&a.certificate), cas[0].clone(), cas[1].clone()]), [], "a chain and a stranger");
        assert_eq!(told(&[cas[1].clone(), pem(&a.certificate)]), [], "a chain in the wrong order");
        assert_eq!(told(&cas), [], "no leaf at all");
        assert_eq!(told(&[pem(&a.certificate), pem(&a.certificate)]), [], "one leaf twice");

        let all = [
            pem(&a.certificate),
            key(&b.key),
            cas[1].clone(),
            pem(&b.certificate),
            cas[0].clone(),
            pem(&stranger.certificate),
            pem(&c.certificate),
            pem(&c.certificate),
        ];
        assert_eq!(
            told(&all),
            [
                ("a.lan".to_owned(), 2, KeyFound::None),
                ("b.lan".to_owned(), 1, KeyFound::Matches),
                ("c.lan".to_owned(), 2, KeyFound::None),
            ],
            "the stranger is one to the first; the copy stays with its own"
        );
        let several = |parts: &[String]| super::parts(&read(parts))[0].several.clone().map(|finding| finding.message);
        assert_eq!(several(&all).as_deref(), Some("besides a.lan there is b.lan, c.lan"));
        let (a, b) = ([pem(&a.certificate), key(&a.key)], [pem(&b.certificate), key(&b.key)]);
        assert_eq!(several(&[a.concat(), b.concat()]), None, "each with its key");
        assert_eq!(several(&[a[0].clone(), b[0].clone()]), None, "a collection");
        assert_eq!(
            several(&[a[0].clone(), cas[1].clone(), b[0].clone()]).as_deref(),
            Some("besides a.lan there is b.lan")
        );
        let nobodys = key(&stranger.key);
        let keys: Vec<KeyFound> = told(&[a.concat(), b[0].clone(), nobodys]).iter().map(|one| one.2).collect();
        assert_eq!(keys, [KeyFound::Matches, KeyFound::Mismatch]);
    }

    /// A truststore with the certificates of peers: the roots in it are trusted, not sent.
    #[test]
    fn roots_in_a_store_are_no_strangers() {
        let (root, other) = (self_signed(&Wish::ca("Root")), self_signed(&Wish::ca("Other")));
        let leaf = |name: &str| root.issue(&Wish::server(name).named(&[name])).certificate.to_pem();
        let mut found = read(&[leaf("a.lan"), leaf("b.lan"), root.certificate.to_pem(), other.certificate.to_pem()]);
        let lengths = |found: &Contents| parts(found).iter().map(|part| part.chain.len()).collect::<Vec<_>>();
        assert_eq!(lengths(&found), [3, 2]);
        assert!(parts(&found)[0].several.is_some());
        found.format = Format::Jks;
        assert_eq!(lengths(&found), [2, 2]);
        assert!(parts(&found)[0].several.is_none());
        assert_eq!(parts(&found)[0].trusted, [other.certificate]);
    }

    #[test]
    fn hundreds_of_cas_of_one_name_do_not_stand_above_each_leaf() {
        let cas: Vec<crate::cert::fixture::Issued> = (0..20).map(|_| self_signed(&Wish::ca("Root"))).collect();
        let leaf = |name: &str| cas[0].issue(&Wish::server(name).named(&[name])).certificate.to_pem();
        let mut all = vec![leaf("a.lan"), leaf("b.lan")];
        all.extend(cas.iter().map(|ca| ca.certificate.to_pem()));
        let above: Vec<usize> = told(&all).iter().map(|one| one.1).collect();
        assert_eq!(above, [MOST_ABOVE + 4, MOST_ABOVE], "the rest are strangers to the first");
    }

    #[test]
    fn a_ca_with_its_key_is_a_subject_too() {
        let root = self_signed(&Wish::ca("Root"));
        let leaf = root.issue(&Wish::server("a.lan").named(&["a.lan"]));
        let all = [leaf.certificate.to_pem(), key(&leaf.key), root.certificate.to_pem(), key(&root.key)];
        let root = ("Root".to_owned(), 0, KeyFound::Matches);
        assert_eq!(told(&all), [("a.lan".to_owned(), 0, KeyFound::Matches), root]);
    }
}
