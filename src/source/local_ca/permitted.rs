//! Which names a local CA may sign: the permitted subtrees of its name constraints (RFC 5280 section 4.2.1.10).

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::cert::{Name, NameError};

/// One permitted subtree. Made by [`Permitted::from_str`] alone, so that every value can stand in a certificate.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Permitted(Subtree);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) enum Subtree {
    /// A domain in A-labels and every name below it.
    Domain(String),
    /// Every address that shares the first `bits` bits; the others are zero.
    Network { base: IpAddr, bits: u8 },
}

impl Permitted {
    /// Whether it permits the name. A wildcard is permitted where every name it stands for is.
    #[must_use]
    pub fn covers(&self, name: &Name) -> bool {
        match (&self.0, name) {
            (Subtree::Domain(domain), Name::Dns(name)) => {
                let name = name.strip_prefix("*.").unwrap_or(name);
                name == domain || name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
            (Subtree::Network { base, bits }, Name::Ip(address)) => network(*address, *bits) == Some(*base),
            (Subtree::Domain(_), Name::Ip(_)) | (Subtree::Network { .. }, Name::Dns(_)) => false,
        }
    }

    pub(super) fn subtree(&self) -> &Subtree {
        &self.0
    }

    /// One name that it permits.
    pub(super) fn example(&self) -> Name {
        match &self.0 {
            Subtree::Domain(domain) => Name::Dns(domain.clone()),
            Subtree::Network { base, .. } => Name::Ip(*base),
        }
    }
}

/// A text names nothing that a CA could be permitted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PermittedError {
    /// Neither a domain nor an address.
    #[error("cannot permit {text:?}")]
    Name {
        /// The text.
        text: String,
        /// Why not.
        #[source]
        why: NameError,
    },
    /// A domain permits what is below it as it stands.
    #[error("cannot permit {text:?}: a domain is written without `*` or a dot in front")]
    Pattern {
        /// The text.
        text: String,
        /// The domain meant.
        domain: String,
    },
    /// The number of bits is none, or more than the address has.
    #[error("cannot permit {text:?}: the number of bits after the `/` is from 1 to {most}")]
    Bits {
        /// The text.
        text: String,
        /// The bits of such an address.
        most: u8,
    },
    /// The address says more than its first bits.
    #[error("cannot permit {text:?}: the address has bits beyond the {bits} that count")]
    Host {
        /// The text.
        text: String,
        /// How many bits count.
        bits: u8,
        /// The network it lies in.
        network: IpAddr,
    },
}

impl PermittedError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Name { .. } | Self::Bits { .. } => {
                "name a domain (`example.org`), an address (`192.0.2.1`) or a range of them (`192.0.2.0/24`)".to_owned()
            }
            Self::Pattern { domain, .. } => format!("write `{domain}`: it permits that name and every one below it"),
            Self::Host { bits, network, .. } => format!("write `{network}/{bits}`"),
        }
    }
}

impl FromStr for Permitted {
    type Err = PermittedError;

    fn from_str(text: &str) -> Result<Self, PermittedError> {
        let unreadable = |why| PermittedError::Name { text: text.to_owned(), why };
        if let Some((address, bits)) = text.split_once('/') {
            let address = match address.parse().map_err(unreadable)? {
                Name::Ip(address) => address,
                Name::Dns(_) => return Err(unreadable(NameError::NotAnAddress(address.to_owned()))),
            };
            let most = width(address);
            let digits = bits.bytes().all(|byte| byte.is_ascii_digit());
            let bits = bits.parse().ok().filter(|bits| digits && (1..=most).contains(bits));
            let bits = bits.ok_or_else(|| PermittedError::Bits { text: text.to_owned(), most })?;
            return match network(address, bits) {
                Some(base) if base != address => {
                    Err(PermittedError::Host { text: text.to_owned(), bits, network: base })
                }
                Some(_) | None => Ok(Self(Subtree::Network { base: address, bits })),
            };
        }
        if let Some(domain) = text.strip_prefix("*.").or_else(|| text.strip_prefix('.')) {
            return Err(PermittedError::Pattern { text: text.to_owned(), domain: domain.to_owned() });
        }
        Ok(Self(match text.parse().map_err(unreadable)? {
            Name::Dns(domain) => Subtree::Domain(domain),
            Name::Ip(base) => Subtree::Network { base, bits: width(base) },
        }))
    }
}

impl fmt::Display for Permitted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Subtree::Domain(domain) => out.write_str(domain),
            Subtree::Network { base, bits } if *bits == width(*base) => base.fmt(out),
            Subtree::Network { base, bits } => write!(out, "{base}/{bits}"),
        }
    }
}

impl Serialize for Permitted {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Permitted {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(input)?;
        text.parse().map_err(de::Error::custom)
    }
}

fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address with all but its first bits cleared; none where it has not so many.
fn network(address: IpAddr, bits: u8) -> Option<IpAddr> {
    let spare = u32::from(width(address).checked_sub(bits)?);
    Some(match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(spare).unwrap_or(0);
            IpAddr::from((u32::from(address) & mask).to_be_bytes())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(spare).unwrap_or(0);
            IpAddr::from((u128::from(address) & mask).to_be_bytes())
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn permitted(text: &str) -> Permitted {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_permitted() {
        let cases = [
            ("example.org", "example.org", true),
            ("example.org", "www.example.org", true),
            ("Example.ORG.", "a.b.example.org", true),
            ("example.org", "*.example.org", true),
            ("example.org", "*.www.example.org", true),
            ("example.org", "badexample.org", false),
            ("example.org", "org", false),
            ("example.org", "example.org.evil.net", false),
            ("www.example.org", "*.example.org", false),
            ("lan", "printer.lan", true),
            ("lan", "plan", false),
            ("bücher.example", "www.xn--bcher-kva.example", true),
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", false),
            ("128.0.0.0/1", "255.255.255.255", true),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe00::1", false),
            ("::1", "::1", true),
            ("::/1", "7fff::", true),
            ("::/1", "1.2.3.4", false),
            ("10.0.0.0/8", "example.org", false),
            ("example.org", "10.0.0.1", false),
        ];
        for (subtree, name, covered) in cases {
            assert_eq!(permitted(subtree).covers(&name.parse().unwrap()), covered, "{subtree} {name}");
        }
    }

    #[test]
    fn refusals_say_what_to_write() {
        let cases = [
            ("*.example.org", "write `example.org`"),
            (".lan", "write `lan`"),
            ("10.1.2.3/8", "write `10.0.0.0/8`"),
            ("fd00::1/64", "write `fd00::/64`"),
            ("0.0.0.0/0", "from 1 to 32"),
            ("10.0.0.0/33", "from 1 to 32"),
            ("10.0.0.0/+8", "from 1 to 32"),
            ("fd00::/129", "from 1 to 128"),
            ("example.org/24", "looks like an IP address"),
            ("", "a name is empty"),
            ("a b", "cannot stand between the dots"),
            ("10.0.0.0/", "from 1 to 32"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<Permitted>().unwrap_err();
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            let told = format!("{error}: {source}; {}", error.hint());
            assert!(told.contains(expected), "{text}: {told}");
        }
    }

    proptest! {
        #[test]
        fn text_and_back(address: IpAddr, bits in 1_u8..=128) {
            let bits = bits.min(width(address));
            let text = format!("{}/{bits}", network(address, bits).unwrap());
            let read = permitted(&text);
            prop_assert_eq!(permitted(&read.to_string()), read.clone());
            prop_assert!(read.covers(&Name::Ip(address)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            if let Ok(read) = text.parse::<Permitted>() {
                prop_assert_eq!(permitted(&read.to_string()), read.clone());
                prop_assert!(read.covers(&read.example()));
            }
        }
    }
}
