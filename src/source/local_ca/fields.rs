//! What stands in the fields of a certificate that is issued here.

use rcgen::{
    CidrSubnet, CrlDistributionPoint, CustomExtension, DistinguishedName, DnType, GeneralSubtree, NameConstraints,
    SerialNumber,
};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::error::CaError;
use super::permitted::{Permitted, Subtree};
use crate::cert::Name;
use crate::cert::codec::signed;

/// What is begun this much earlier is valid on clients whose clock is slow.
pub(super) const BACKDATED: Duration = Duration::HOUR;

/// Where clients find what a CA has published.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Published {
    /// URLs of its revocation list (RFC 5280 section 4.2.1.13).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<String>,
    /// URLs of the certificate that issues (RFC 5280 section 4.2.2.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<String>,
}

impl Published {
    /// Whether clients could follow all of them.
    pub(super) fn check(&self) -> Result<(), CaError> {
        let good = |url: &String| {
            let host = url.strip_prefix("http://").unwrap_or_default();
            let named = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
            named
                && url.len() <= MOST_URL
                && url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte))
        };
        match self.lists.iter().chain(&self.issuers).find(|url| !good(url)) {
            Some(bad) => Err(CaError::Url(bad.clone())),
            None => Ok(()),
        }
    }

    /// The distribution points of a certificate, one for each URL: a client may use whichever it can reach.
    pub(super) fn points(&self) -> Vec<CrlDistributionPoint> {
        self.lists.iter().map(|url| CrlDistributionPoint { uris: vec![url.clone()] }).collect()
    }

    /// The extension that tells where the issuer's certificate is, where that is told.
    pub(super) fn access(&self) -> Option<CustomExtension> {
        /// id-pe-authorityInfoAccess.
        const ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
        let told = !self.issuers.is_empty();
        told.then(|| CustomExtension::from_oid_content(ACCESS, signed::issuer_at(&self.issuers)))
    }
}

/// Characters of a URL.
const MOST_URL: usize = 400;

/// Positive, never the same, and not to be guessed (RFC 5280 section 4.1.2.2): 126 random bits.
pub(super) fn serial() -> Result<SerialNumber, CaError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| rcgen::Error::RingUnspecified)?;
    // Neither a sign nor a leading zero, so that it is 16 octets long wherever it is shown.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

pub(super) fn named(common_name: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(text) = common_name {
        name.push(DnType::CommonName, text);
    }
    name
}

/// Only a DNS name, and only where it fits: OpenSSL takes a common name that looks like a host's for one, and holds an address in
/// it against the permitted domains.
pub(super) fn common_name(names: &[Name]) -> Option<&str> {
    match names.first() {
        Some(Name::Dns(name)) if name.len() <= 64 => Some(name),
        Some(Name::Dns(_) | Name::Ip(_)) | None => None,
    }
}

/// A kind of name that is not mentioned would be free (RFC 5280 section 4.2.1.10), so each of which nothing is permitted is shut out:
/// addresses by excluding all of them; and where only one family is permitted, or no domain, by permitting one name of the kind that
/// nobody can have. Java would fail with an exception at an excluded empty domain and at an IPv4 address beside an excluded `::/0`,
/// and takes every IPv6 address to lie in `0.0.0.0/0`.
pub(super) fn constraints(permitted: &[Permitted]) -> NameConstraints {
    let (mut domains, mut v4, mut v6) = (false, false, false);
    let permitted_subtrees = permitted.iter().map(|permitted| match permitted.subtree() {
        Subtree::Domain(domain) => {
            domains = true;
            GeneralSubtree::DnsName(domain.clone())
        }
        Subtree::Network { base, bits } => {
            v4 |= base.is_ipv4();
            v6 |= base.is_ipv6();
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*base, *bits))
        }
    });
    let mut permitted_subtrees: Vec<GeneralSubtree> = permitted_subtrees.collect();
    let nobodys = [
        // RFC 2606 section 2.
        (!domains, GeneralSubtree::DnsName("invalid".to_owned())),
        (v6 && !v4, GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([0xff; 4], 32))),
        (v4 && !v6, GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix([0xff; 16], 128))),
    ];
    permitted_subtrees.extend(nobodys.into_iter().filter(|(wanted, _)| *wanted).map(|(_, one)| one));
    let excluded_subtrees = if v4 || v6 {
        Vec::new()
    } else {
        vec![
            GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([0; 4], 0)),
            GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix([0; 16], 0)),
        ]
    };
    NameConstraints { permitted_subtrees, excluded_subtrees }
}

/// The same day of a later year, or the day before where that year has none.
pub(super) fn anniversary(moment: OffsetDateTime, years: u32) -> OffsetDateTime {
    let year = moment.year().saturating_add_unsigned(years);
    moment.replace_year(year).or_else(|_| (moment - Duration::DAY).replace_year(year)).unwrap_or(moment)
}

/// As certificates can write it.
pub(super) fn whole_second(moment: OffsetDateTime) -> OffsetDateTime {
    crate::moment::whole_second(moment.to_offset(time::UtcOffset::UTC))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn urls_that_clients_can_follow() {
        let of = |url: &str| Published { lists: vec![url.to_owned()], issuers: Vec::new() }.check().is_ok();
        assert!(of("http://ca.example.org/a/b.crl?x=1") && of("http://[fd00::1]/x"));
        let long = format!("http://a/{}", "x".repeat(MOST_URL));
        for bad in [
            "",
            "x",
            "http://",
            "https://a/",
            "ldap://a",
            "http:///x",
            "http://a b",
            "http://a/\u{e4}",
            "http://a/\n",
            &long,
        ] {
            assert!(!of(bad), "{bad:?}");
        }
    }

    #[test]
    fn anniversaries() {
        let noon = datetime!(2027-03-01 12:00 UTC);
        assert_eq!(anniversary(noon, 10), datetime!(2037-03-01 12:00 UTC));
        let leap = datetime!(2028-02-29 12:00 UTC);
        assert_eq!(anniversary(leap, 4), datetime!(2032-02-29 12:00 UTC));
        assert_eq!(anniversary(leap, 1), datetime!(2029-02-28 12:00 UTC));
        assert_eq!(anniversary(noon, u32::MAX), noon);
    }

    #[test]
    fn serials_are_positive_and_long() {
        for _ in 0..100 {
            let serial = serial().unwrap().to_bytes();
            assert!(serial.len() == 16 && (0x40..0x80).contains(&serial[0]), "{serial:02x?}");
        }
    }

    /// What is not mentioned is shut out, whatever is permitted.
    #[test]
    fn every_kind_of_name_is_constrained() {
        let cases: [(&[&str], usize, usize); 7] = [
            (&["example.org"], 0, 2),
            (&["10.0.0.0/8"], 2, 0),
            (&["fd00::/8"], 2, 0),
            (&["10.0.0.0/8", "fd00::/8"], 1, 0),
            (&["example.org", "fd00::/8"], 1, 0),
            (&["example.org", "lan", "10.0.0.1"], 1, 0),
            (&["example.org", "10.0.0.0/8", "fd00::/8"], 0, 0),
        ];
        for (permits, closing, excluded) in cases {
            let permitted: Vec<Permitted> = permits.iter().map(|text| text.parse().unwrap()).collect();
            let constraints = constraints(&permitted);
            let lengths = (constraints.permitted_subtrees.len(), constraints.excluded_subtrees.len());
            assert_eq!(lengths, (permits.len() + closing, excluded), "{permits:?}");
        }
    }
}
