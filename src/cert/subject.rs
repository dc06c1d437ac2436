//! What a request asks to be written into the subject besides the names (RFC 5280 section 4.1.2.4).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Attributes of a subject that CAs let their customers choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SubjectKey {
    /// countryName: two letters of ISO 3166.
    C,
    /// stateOrProvinceName.
    ST,
    /// localityName.
    L,
    /// organizationName.
    O,
    /// organizationalUnitName.
    OU,
    /// commonName.
    CN,
}

impl SubjectKey {
    /// All of them, from the widest to the narrowest, as names are written.
    pub const ALL: [Self; 6] = [Self::C, Self::ST, Self::L, Self::O, Self::OU, Self::CN];

    /// Its short name (RFC 4519).
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::C => "C",
            Self::ST => "ST",
            Self::L => "L",
            Self::O => "O",
            Self::OU => "OU",
            Self::CN => "CN",
        }
    }

    /// Characters it may have (RFC 5280 appendix A.1, the upper bounds).
    fn most(self) -> usize {
        match self {
            Self::C => 2,
            Self::O | Self::OU | Self::CN => 64,
            Self::ST | Self::L => 128,
        }
    }
}

/// One attribute of a subject.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct SubjectPart {
    /// Which.
    pub key: SubjectKey,
    /// Its text. An empty common name stands for none at all.
    pub value: String,
}

/// The text is no attribute of a subject.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SubjectError {
    /// No `KEY=VALUE`.
    #[error("{0:?} is no attribute of a subject: write KEY=VALUE, as in `O=Example GmbH`")]
    Form(String),
    /// An unknown key.
    #[error("{0:?} is no attribute of a subject; there are C, ST, L, O, OU and CN")]
    Key(String),
    /// No country.
    #[error("{0:?} is no country: it has two capital letters, as in DE")]
    Country(String),
    /// Empty, too long, or with characters that nobody sees.
    #[error("{value:?} cannot be {key}: it has 1 to {most} characters, all of them visible")]
    Value {
        /// The key.
        key: &'static str,
        /// The text.
        value: String,
        /// Characters it may have.
        most: usize,
    },
}

impl SubjectPart {
    /// The attribute with this text.
    ///
    /// # Errors
    /// Empty, but for a common name, too long, or with characters that nobody sees; a country that is none.
    pub fn new(key: SubjectKey, value: &str) -> Result<Self, SubjectError> {
        let value = value.trim();
        if key == SubjectKey::C && !(value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_uppercase())) {
            return Err(SubjectError::Country(value.to_owned()));
        }
        let most = key.most();
        let none = key == SubjectKey::CN && value.is_empty();
        if !none && (!(1..=most).contains(&value.chars().count()) || value.chars().any(char::is_control)) {
            return Err(SubjectError::Value { key: key.word(), value: value.to_owned(), most });
        }
        Ok(Self { key, value: value.to_owned() })
    }
}

impl FromStr for SubjectKey {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let found = Self::ALL.into_iter().find(|key| key.word() == text);
        found.ok_or_else(|| SubjectError::Key(text.to_owned()))
    }
}

impl FromStr for SubjectPart {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let (key, value) = text.split_once('=').ok_or_else(|| SubjectError::Form(text.to_owned()))?;
        Self::new(key.trim().parse()?, value)
    }
}

impl fmt::Display for SubjectPart {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}={}", self.key.word(), self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_and_written() {
        for text in ["C=DE", "O=Example GmbH & Co. KG", "OU=Übung", "CN=www.example.org", "CN=", "ST=A=B"] {
            assert_eq!(text.parse::<SubjectPart>().unwrap().to_string(), text);
        }
        assert_eq!(" O = Example ".parse::<SubjectPart>().unwrap().to_string(), "O=Example");
        let bad = |text: &str| text.parse::<SubjectPart>().unwrap_err().to_string();
        assert!(bad("Example").contains("write KEY=VALUE"));
        assert!(bad("o=x").contains("there are C, ST, L, O, OU and CN"));
        for text in ["C=de", "C=DEU", "C="] {
            assert!(bad(text).contains("two capital letters"), "{text}");
        }
        for text in ["O=", "O=a\u{1b}b", "OU= "] {
            assert!(bad(text).contains("1 to 64 characters"), "{text}");
        }
        assert!(format!("O={}", "ü".repeat(64)).parse::<SubjectPart>().is_ok());
        assert!(format!("O={}", "ü".repeat(65)).parse::<SubjectPart>().is_err());
    }
}
