//! Names of the leaf.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Code, Facts, Finding};
use crate::cert::{Certificate, Name};

/// More names than this are told: at some forty bytes a name, the leaf alone fills three packets.
const MANY: usize = 100;

/// Domains that no public CA may issue for: RFC 2606, RFC 6761, RFC 6762, RFC 8375, and the top-level domain that ICANN has reserved for
/// private use.
const PRIVATE: &[&str] = &[
    "local",
    "localhost",
    "internal",
    "lan",
    "intranet",
    "corp",
    "home",
    "private",
    "localdomain",
    "home.arpa",
    "test",
    "example",
    "invalid",
    "onion.local",
];

pub(super) fn findings(leaf: &Certificate, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    if leaf.has_control_characters() {
        // As it is: whoever shows it shows what acts in it as in every other text.
        let message = format!("a name in it has control characters: {}", leaf.title());
        found.push(Finding::new(Code::ControlCharacters, message));
    }
    unusable(leaf, found);
    if leaf.names().is_empty() {
        found.push(Finding::new(Code::NoNames, "it has no subject alternative names"));
        return;
    }
    missing(leaf, facts, found);
    common_name(leaf, found);
    wildcards(leaf, found);
    if leaf.claims_public() {
        let internal = leaf.names().iter().filter(|name| is_internal(name));
        tell(Code::InternalName, "it is a public certificate for", internal.map(ToString::to_string), found);
    }
    if leaf.names().len() > MANY {
        found.push(Finding::new(Code::ManyNames, format!("it has {} names", leaf.names().len())));
    }
}

/// One finding for all of a kind, however many there are.
fn tell(code: Code, what: &str, names: impl Iterator<Item = String>, found: &mut Vec<Finding>) {
    let names: Vec<String> = names.collect();
    let shown = names.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => {}
        1..=5 => found.push(Finding::new(code, format!("{what} {shown}"))),
        count => found.push(Finding::new(code, format!("{what} {shown} and {} more", count - 5))),
    }
}

fn unusable(leaf: &Certificate, found: &mut Vec<Finding>) {
    let (addresses, others): (Vec<_>, Vec<_>) =
        leaf.unusable_names().iter().partition(|name| name.parse::<IpAddr>().is_ok());
    tell(Code::AddressAsDnsName, "it names an address as DNS name:", addresses.into_iter().cloned(), found);
    tell(
        Code::UnusableName,
        "it has a name that nothing matches:",
        others.into_iter().map(|name| format!("{name:?}")),
        found,
    );
}

fn missing(leaf: &Certificate, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let missing: Vec<&Name> = facts.wanted.iter().filter(|name| !leaf.covers(name)).collect();
    if missing.is_empty() {
        return;
    }
    let list = missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let below = |wanted: &Name| match (wanted, leaf.names().iter().find(|name| spans(name, wanted))) {
        (Name::Dns(_), Some(wildcard)) => Some(format!(" ({wildcard} stands for one label)")),
        (Name::Dns(_) | Name::Ip(_), _) => None,
    };
    let why = missing.iter().find_map(|wanted| below(wanted)).unwrap_or_default();
    let mut have: Vec<String> = leaf.names().iter().take(3).map(ToString::to_string).collect();
    if leaf.names().len() > 3 {
        have.push(format!("{} more", leaf.names().len() - 3));
    }
    found.push(Finding::new(Code::NameMissing, format!("it is not for {list}{why}, but for {}", have.join(", "))));
}

/// Whether somebody may think that this wildcard covers the name.
fn spans(name: &Name, wanted: &Name) -> bool {
    match (name, wanted) {
        (Name::Dns(wildcard), Name::Dns(wanted)) => wildcard
            .strip_prefix("*.")
            .is_some_and(|domain| wanted == domain || wanted.ends_with(&format!(".{domain}"))),
        (Name::Dns(_) | Name::Ip(_), _) => false,
    }
}

/// A common name that reads like a host is one that somebody relies on.
fn common_name(leaf: &Certificate, found: &mut Vec<Finding>) {
    uncovered(&leaf.common_names(), leaf, found);
}

fn uncovered(common: &[String], leaf: &Certificate, found: &mut Vec<Finding>) {
    let host = |text: &String| match text.parse() {
        Ok(Name::Dns(name)) => (name.contains('.') || name == "localhost").then_some(Name::Dns(name)),
        Ok(address @ Name::Ip(_)) => Some(address),
        Err(_) => None,
    };
    // A set, for there may be thousands of either.
    let names: BTreeSet<&Name> = leaf.names().iter().collect();
    let by_wildcard = |name: &Name| {
        let wildcard = match name {
            Name::Dns(text) => text.split_once('.').map(|(_, domain)| Name::Dns(format!("*.{domain}"))),
            Name::Ip(_) => None,
        };
        wildcard.is_some_and(|wildcard| wildcard.covers(name) && names.contains(&wildcard))
    };
    let covered = |name: &Name| names.contains(name) || by_wildcard(name);
    let lost = common.iter().filter_map(host).filter(|name| !covered(name)).map(|name| name.to_string());
    tell(Code::CnNotInSan, "its alternative names lack its common name", lost, found);
}

fn wildcards(leaf: &Certificate, found: &mut Vec<Finding>) {
    let wide = |name: &&Name| match name {
        Name::Dns(name) => name.strip_prefix("*.").is_some_and(|domain| !domain.contains('.')),
        Name::Ip(_) => false,
    };
    tell(Code::WildcardScope, "it is for", leaf.names().iter().filter(wide).map(ToString::to_string), found);
}

fn is_internal(name: &Name) -> bool {
    match name {
        Name::Dns(name) => {
            let name = name.trim_start_matches("*.");
            !name.contains('.')
                || PRIVATE.iter().any(|end| name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.')))
        }
        Name::Ip(IpAddr::V4(address)) => {
            address.is_private() || address.is_loopback() || address.is_link_local() || address.is_unspecified()
        }
        Name::Ip(IpAddr::V6(address)) => {
            address.is_loopback()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_unspecified()
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    /// Each common name against each alternative name would take minutes.
    #[test]
    fn thousands_of_names_are_compared_at_once() {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for number in 0..6000 {
            params.subject_alt_names.push(SanType::DnsName(format!("a{number}.example.com").try_into().unwrap()));
        }
        params.subject_alt_names.push(SanType::DnsName("*.example.net".try_into().unwrap()));
        params.subject_alt_names.push(SanType::IpAddress("192.0.2.1".parse().unwrap()));
        params.distinguished_name.push(DnType::CommonName, "a5999.example.com");
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        let leaf = Certificate::from_der(der).unwrap();
        let lost = |common: &[String]| {
            let mut found = Vec::new();
            uncovered(common, &leaf, &mut found);
            found.into_iter().map(|one| one.message).collect::<Vec<_>>()
        };
        let own = |name: &str| vec![name.to_owned()];
        for good in ["a5999.example.com", "b.example.net", "192.0.2.1", "Root CA"] {
            assert_eq!(lost(&own(good)), [""; 0], "{good}");
        }
        for bad in ["a6000.example.com", "example.net", "c.b.example.net", "*.b.example.net", "192.0.2.2"] {
            assert_eq!(lost(&own(bad)), [format!("its alternative names lack its common name {bad}")]);
        }
        let many: Vec<String> = (0..6000).rev().map(|number| format!("a{number}.example.com")).collect();
        let begun = std::time::Instant::now();
        assert_eq!(lost(&many), [""; 0]);
        assert!(begun.elapsed().as_secs() < 1, "{:?}", begun.elapsed());
    }
}
