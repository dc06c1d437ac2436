//! One entry more or less in a JKS store: all others stay byte for byte, their keys encrypted as they are.

use time::OffsetDateTime;

use super::super::passphrase::{Reading, Readings};
use super::super::truststore::EditError;
use super::{Bytes, KEY, SHA1_OUTPUT_LEN, TRUSTED, X509, checksum, put_counted, put_number, put_text};
use crate::cert::certificate::Certificate;
use crate::sensitive::Sensitive;

/// Where an entry stands in a store.
struct Span<'a> {
    alias: String,
    trusted: bool,
    whole: &'a [u8],
}

/// A store taken apart without its passphrase.
struct Store<'a> {
    version: u32,
    /// Magic number and version.
    head: &'a [u8],
    spans: Vec<Span<'a>>,
    reading: Reading,
}

/// See [`super::super::truststore::add`].
pub(in crate::cert::codec) fn add(
    store: &[u8],
    alias: &str,
    certificate: &Certificate,
    passphrase: &Sensitive,
    now: OffsetDateTime,
) -> Result<Sensitive, EditError> {
    let store = Store::open(store, passphrase)?;
    let mut entry = Vec::from(TRUSTED.to_be_bytes());
    put_text(&mut entry, alias).ok_or_else(|| EditError::AliasTaken(alias.to_owned()))?;
    let made = i64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    entry.extend(made.to_be_bytes());
    if store.version > 1 {
        put_text(&mut entry, X509).ok_or_else(|| EditError::AliasTaken(alias.to_owned()))?;
    }
    put_counted(&mut entry, certificate.der());
    let mut all: Vec<&[u8]> = store.spans.iter().map(|span| span.whole).collect();
    all.push(&entry);
    Ok(store.with(&all))
}

/// See [`super::super::truststore::remove`].
pub(in crate::cert::codec) fn remove(
    store: &[u8],
    alias: &str,
    passphrase: &Sensitive,
) -> Result<Sensitive, EditError> {
    let store = Store::open(store, passphrase)?;
    let meant = |span: &&Span<'_>| span.trusted && span.alias.eq_ignore_ascii_case(alias);
    let kept: Vec<&[u8]> = store.spans.iter().filter(|span| !meant(span)).map(|span| span.whole).collect();
    Ok(store.with(&kept))
}

/// See [`super::super::truststore::opens`].
pub(in crate::cert::codec) fn opens(store: &[u8], passphrase: &Sensitive) -> Result<(), EditError> {
    Store::open(store, passphrase).map(drop)
}

impl<'a> Store<'a> {
    fn open(store: &'a [u8], passphrase: &Sensitive) -> Result<Self, EditError> {
        let broken = || EditError::Part("it cannot be taken apart".to_owned());
        let (body, sum) = store.split_last_chunk::<SHA1_OUTPUT_LEN>().ok_or_else(broken)?;
        let readings = Readings::of(Some(passphrase)).0.unwrap_or_default();
        let fits = |reading: &Reading| checksum(reading, body).as_ref() == sum;
        let reading = readings.into_iter().find(fits).ok_or(EditError::WrongPassphrase)?;
        let head = body.get(..8).ok_or_else(broken)?;
        let mut rest = Bytes(body);
        rest.take(4).ok_or_else(broken)?;
        let version = rest.number().ok_or_else(broken)?;
        let count = rest.number().ok_or_else(broken)?;
        let mut spans = Vec::new();
        for _ in 0..count {
            spans.push(span(&mut rest, version).ok_or_else(broken)?);
        }
        Ok(Self { version, head, spans, reading })
    }

    /// The same store with these entries, under a checksum of the same passphrase.
    fn with(&self, entries: &[&[u8]]) -> Sensitive {
        let mut out = self.head.to_vec();
        put_number(&mut out, entries.len());
        for entry in entries {
            out.extend_from_slice(entry);
        }
        let sum = checksum(&self.reading, &out);
        out.extend_from_slice(sum.as_ref());
        out.into()
    }
}

/// The next entry.
fn span<'a>(rest: &mut Bytes<'a>, version: u32) -> Option<Span<'a>> {
    let from = rest.0;
    let kind = rest.number()?;
    let alias = rest.text()?;
    rest.take(8)?;
    let mut certificates = 1;
    if kind == KEY {
        rest.counted()?;
        certificates = rest.number()?;
    }
    for _ in 0..certificates {
        if version > 1 {
            rest.text()?;
        }
        rest.counted()?;
    }
    let whole = from.get(..from.len() - rest.0.len())?;
    Some(Span { alias, trusted: kind == TRUSTED, whole })
}
