//! Making a local CA: what is chosen for it, for its life, and what that choice becomes.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::certify::{self, CaFields, Signer, Subject};
use super::error::CaError;
use super::fields::Published;
use super::founded::{Founded, ISSUER_KEY, ROOT_KEY};
use super::hierarchy::Hierarchy;
use super::permitted::Permitted;
use crate::cert::codec::pkcs8;
use crate::cert::{Generate, Name, PrivateKey};
use crate::sensitive::Sensitive;

/// Characters of a name: its root's common name holds it whole, in the 64 there are (RFC 5280 appendix A.1).
pub const NAME_MOST: usize = 48;

/// Years that a root lives at most.
pub const MOST_YEARS: u32 = 30;

/// What is chosen for a new CA.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Founding {
    /// Its name on this machine.
    pub name: String,
    /// The names it may sign; never empty.
    pub permitted: Vec<Permitted>,
    /// The common name of its root; none: `reseal local CA NAME`.
    pub common_name: Option<String>,
    /// How long the root lives.
    pub years: u32,
    /// The kind of its keys.
    pub key: Generate,
    /// How many further CAs may stand between what issues and a server's certificate (RFC 5280 section 4.2.1.9).
    pub path_length: u8,
    /// Whether the root signs an intermediate that issues, so that the root's key can be kept elsewhere.
    pub intermediate: bool,
    /// What is told about it in the certificates it issues.
    pub published: Published,
}

impl Founding {
    /// The usual choice: ten years, P-256, one root that issues, no URLs.
    #[must_use]
    pub fn new(name: impl Into<String>, permitted: Vec<Permitted>) -> Self {
        Self {
            name: name.into(),
            permitted,
            common_name: None,
            years: 10,
            key: Generate::P256,
            path_length: 0,
            intermediate: false,
            published: Published::default(),
        }
    }

    /// Whether a CA could be made like this. Makes nothing.
    ///
    /// # Errors
    /// The name, the common name, the years, a URL, or nothing is permitted.
    pub fn check(&self) -> Result<(), CaError> {
        check_name(&self.name)?;
        if self.permitted.is_empty() {
            return Err(CaError::NothingPermitted(self.name.clone()));
        }
        if !(1..=MOST_YEARS).contains(&self.years) {
            return Err(CaError::Years(self.years));
        }
        let common_name = self.subject();
        let length = common_name.chars().count();
        if !(1..=64).contains(&length) || common_name.trim().is_empty() || common_name.contains(char::is_control) {
            return Err(CaError::CommonName(common_name));
        }
        if self.intermediate && self.path_length == u8::MAX {
            return Err(CaError::PathLength);
        }
        self.published.check()
    }

    /// Makes certificates and keys in memory, and proves by a certificate that is thrown away that clients take what it issues for
    /// everything it is permitted.
    ///
    /// # Errors
    /// As [`Founding::check`]; or a part of the proof failed.
    pub fn found(&self, passphrase: &Sensitive, now: OffsetDateTime) -> Result<Founded, CaError> {
        self.check()?;
        let mut permitted = self.permitted.clone();
        permitted.sort();
        permitted.dedup();
        let subject = self.subject();
        let below = u8::from(self.intermediate);
        let mut fields = CaFields {
            common_name: &subject,
            years: self.years,
            permitted: &permitted,
            path_length: self.path_length.saturating_add(below),
        };
        let root_key = PrivateKey::generate(self.key)?;
        let root = certify::root(&fields, &root_key, now)?;
        let mut keys = vec![(ROOT_KEY, sealed(&self.name, &root_key, passphrase)?)];
        let issuing = self.issuing();
        let (certificates, key) = if self.intermediate {
            let key = PrivateKey::generate(self.key)?;
            fields = CaFields { common_name: &issuing, path_length: self.path_length, ..fields };
            let issuer = certify::intermediate(&fields, &key, &root, &root_key, now)?;
            keys.push((ISSUER_KEY, sealed(&self.name, &key, passphrase)?));
            (vec![issuer, root], key)
        } else {
            (vec![root], root_key)
        };
        let hierarchy = Hierarchy::of(certificates).ok_or(CaError::Other("there is none"))?;
        let profile = Profile {
            format: FORMAT,
            permitted,
            path_length: Some(self.path_length),
            created: now,
            imported: false,
            published: self.published.clone(),
        };
        prove(&hierarchy, &key, &profile, &[], now)?;
        Ok(Founded { name: self.name.clone(), hierarchy, keys, profile })
    }

    /// The common name of the root.
    fn subject(&self) -> String {
        self.common_name.clone().unwrap_or_else(|| format!("reseal local CA {}", self.name))
    }

    /// The common name of the intermediate: after the root's where that leaves room.
    fn issuing(&self) -> String {
        let named = format!("{} issuing", self.subject());
        if named.chars().count() <= 64 { named } else { format!("reseal issuer {}", self.name) }
    }
}

/// Issues a certificate for an example of everything that is permitted, and for these names, and throws it away.
pub(super) fn prove(
    hierarchy: &Hierarchy,
    key: &PrivateKey,
    profile: &Profile,
    wanted: &[Name],
    now: OffsetDateTime,
) -> Result<(), CaError> {
    let mut names: Vec<Name> = profile.permitted.iter().map(Permitted::example).collect();
    names.extend_from_slice(wanted);
    names.sort();
    names.dedup();
    let signer = Signer { hierarchy, key, published: &profile.published };
    let server = PrivateKey::generate(Generate::P256)?;
    let subject = Subject { names: &names, spki: server.spki(), kind: server.kind() };
    certify::leaf(&signer, &subject, 1, now).map(drop)
}

pub(super) fn sealed(ca: &str, key: &PrivateKey, passphrase: &Sensitive) -> Result<Sensitive, CaError> {
    pkcs8::encrypt(key, passphrase).map_err(|why| CaError::NotEncrypted { ca: ca.to_owned(), why })
}

/// What was chosen for a CA, as it lies beside its root.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Profile {
    pub format: u32,
    pub permitted: Vec<Permitted>,
    /// None where it does not say.
    pub path_length: Option<u8>,
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// Made elsewhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
    #[serde(flatten)]
    pub published: Published,
}

/// With 2 came intermediates, imports and URLs.
pub(super) const FORMAT: u32 = 2;

/// Those that are read.
const READ: std::ops::RangeInclusive<u32> = 1..=FORMAT;

#[derive(Deserialize)]
struct Numbered {
    format: u32,
}

impl Profile {
    /// Why not, where it cannot be read.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        // The number first: what a later reseal wrote may not even have the same fields.
        let Numbered { format } = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if !READ.contains(&format) {
            return Err(format!("it has the format {format}, and this reseal reads formats 1 to {FORMAT}"));
        }
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    pub(super) fn bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Whether the name is one that may become a directory, a part of a common name and the label of a passphrase.
pub(super) fn check_name(name: &str) -> Result<(), CaError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let good = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(allowed);
    if good && name.len() <= NAME_MOST { Ok(()) } else { Err(CaError::Name(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn usual() -> Founding {
        Founding::new("office", vec!["example.org".parse().unwrap()])
    }

    #[test]
    fn what_cannot_be_chosen() {
        let long = "x".repeat(NAME_MOST + 1);
        for name in ["", ".", "../x", "a/b", "-x", "a b", "ä", "a\n", long.as_str()] {
            assert!(matches!(Founding { name: name.into(), ..usual() }.check(), Err(CaError::Name(_))), "{name:?}");
        }
        for cn in ["", "  ", "a\nb", "\u{7f}", &"x".repeat(65)] {
            let founding = Founding { common_name: Some(cn.to_owned()), ..usual() };
            assert!(matches!(founding.check(), Err(CaError::CommonName(_))), "{cn:?}");
        }
        let far = Founding { intermediate: true, path_length: 255, ..usual() };
        assert!(matches!(far.check(), Err(CaError::PathLength)));
        for years in [0, MOST_YEARS + 1, u32::MAX] {
            assert!(matches!(Founding { years, ..usual() }.check(), Err(CaError::Years(_))));
        }
        let nothing = Founding { permitted: Vec::new(), ..usual() };
        assert!(matches!(nothing.check(), Err(CaError::NothingPermitted(_))));
        let widest = Founding { name: "x".repeat(NAME_MOST), common_name: None, years: MOST_YEARS, ..usual() };
        widest.check().unwrap();
    }

    #[test]
    fn a_profile_is_read_by_its_number() {
        let profile = Profile {
            format: FORMAT,
            permitted: vec!["example.org".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
            path_length: Some(0),
            created: datetime!(2027-01-01 00:00 UTC),
            imported: true,
            published: Published { lists: vec!["http://a/b".to_owned()], issuers: Vec::new() },
        };
        let bytes = profile.bytes().unwrap();
        assert_eq!(Profile::read(&bytes).unwrap(), profile);
        let second = br#"{"format":2,"permitted":["example.org","10.0.0.0/8"],"path_length":0,"created":"2027-01-01T00:00:00Z","imported":true,"lists":["http://a/b"]}"#;
        assert_eq!(Profile::read(second).unwrap(), profile, "format 2 is read for ever");
        let first = br#"{"format":1,"permitted":["example.org","10.0.0.0/8"],"path_length":0,"created":"2027-01-01T00:00:00Z"}"#;
        let before = Profile { format: 1, imported: false, published: Published::default(), ..profile };
        assert_eq!(Profile::read(first).unwrap(), before, "format 1 is read for ever");
        let newer = Profile::read(br#"{"format":3,"allowed":{}}"#).unwrap_err();
        assert_eq!(newer, "it has the format 3, and this reseal reads formats 1 to 2");
        for length in 0..bytes.len() - 2 {
            assert!(Profile::read(&bytes[..length]).is_err(), "cut at {length}");
        }
    }
}
