//! What one kind of client makes of a chain.

use serde::Serialize;
use time::OffsetDateTime;

use super::anchors::{Anchors, Untrusted};
use super::certificate::Certificate;
use super::chain::Chain;
use super::name::Name;

/// A kind of client: the roots it trusts, under a name.
#[derive(Clone, Debug)]
pub struct Profile {
    name: String,
    anchors: Anchors,
}

/// Whether one kind of client trusts a chain as it is served.
#[must_use]
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TrustVerdict {
    /// The client's name.
    pub profile: String,
    /// Whether it does.
    pub trusted: bool,
    /// The path it takes: titles from the leaf to the root. Empty where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The same, for programs.
    #[serde(skip)]
    pub reason: Option<Untrusted>,
    /// The path itself.
    #[serde(skip)]
    pub certificates: Vec<Certificate>,
}

impl TrustVerdict {
    /// The last second of the root, where there is a path.
    #[must_use]
    pub fn root_ends(&self) -> Option<OffsetDateTime> {
        self.certificates.last().map(|root| root.not_after())
    }
}

impl Profile {
    /// A client of this name with these roots.
    #[must_use]
    pub fn new(name: impl Into<String>, anchors: Anchors) -> Self {
        Self { name: name.into(), anchors }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The roots that it trusts.
    #[must_use]
    pub fn roots(&self) -> &[Certificate] {
        self.anchors.roots()
    }

    /// Whether this client takes the chain for every one of `names` at `now`, as [`Anchors::verify`] has it.
    pub fn judge(&self, chain: &Chain, names: &[Name], now: OffsetDateTime) -> TrustVerdict {
        let profile = self.name.clone();
        match self.anchors.path(chain, names, now) {
            Ok(path) => {
                let titles = path.certificates.iter().map(|one| one.title()).collect();
                let certificates = path.certificates;
                TrustVerdict { profile, trusted: true, path: titles, why: None, reason: None, certificates }
            }
            Err(reason) => TrustVerdict {
                profile,
                trusted: false,
                path: Vec::new(),
                why: Some(reason.to_string()),
                reason: Some(reason),
                certificates: Vec::new(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{NOW, Wish, self_signed};

    #[test]
    fn the_verdict_names_the_path_or_the_reason() {
        let root = self_signed(&Wish::ca("Root"));
        let middle = root.issue(&Wish::ca("Middle"));
        let leaf = middle.issue(&Wish::server("www.example.com").named(&["www.example.com"]));
        let chain = Chain::as_given(vec![leaf.certificate, middle.certificate]).unwrap();
        let knows = Profile::new("knows", Anchors::new([root.certificate.clone()]));
        let verdict = knows.judge(&chain, &[], NOW);
        assert_eq!(verdict.path, ["www.example.com", "Middle", "Root"]);
        assert_eq!((verdict.trusted, verdict.root_ends()), (true, Some(root.certificate.not_after())));
        let verdict = Profile::new("does not", Anchors::new([])).judge(&chain, &[], NOW);
        assert_eq!((verdict.trusted, verdict.reason), (false, Some(Untrusted::UnknownIssuer)));
        assert_eq!(verdict.why.unwrap(), "no chain of issuers leads from it to a trusted root");
    }
}
