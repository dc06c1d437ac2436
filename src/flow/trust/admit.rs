//! Which certificates may be trusted: those of CAs that may sign certificates today.

use std::path::Path;

use time::OffsetDateTime;

use crate::assess::date;
use crate::cert::codec::{self, BlockError};
use crate::cert::{Certificate, KeyKind, SelfSigned};
use crate::flow::Refusal;
use crate::host::Host;
use crate::host::dir::MAX_FILE;
use crate::outcome::explain;

/// Bits of an RSA key below which clients refuse it.
const LEAST_BITS: u32 = 2048;

/// What to do about a root that clients cannot read.
const ANEW: &str = "ask whoever runs the CA for a root that is written as RFC 5280 has it";

/// The one certificate in a file of any packing.
///
/// Of several none is taken: to trust is to be said of each, and a file of intermediates, or a bundle of a hundred roots, is too easily
/// named for the one that was meant.
pub(super) fn read(host: &Host, path: &Path) -> Result<Certificate, Refusal> {
    let shown = path.display();
    let bytes = host.read(path, MAX_FILE).map_err(|error| {
        Refusal::new(format!("cannot read the certificate {shown}: {error}"))
            .hint("name a file that is there and may be read")
    })?;
    if memchr::memmem::find(&bytes, b"-----BEGIN TRUSTED CERTIFICATE-----").is_some() {
        return Err(Refusal::new(format!(
            "{shown} says for what OpenSSL shall trust it, and for what not, which no store here can hold"
        ))
        .hint(format!("leave that out: `openssl x509 -in {shown} -out plain.pem`")));
    }
    let found = codec::read(&bytes, None).map_err(|error| {
        let hint = error.hint().unwrap_or("name a certificate in PEM or DER");
        Refusal::new(format!("cannot read the certificate {shown}: {}", explain(&error))).hint(hint)
    })?;
    if let Some(bad) = found.bad.first() {
        let refusal = Refusal::new(format!("cannot read the certificate {shown}: {bad}"));
        let locked = bad.why == BlockError::EncryptedNoPassphrase;
        // The passphrase that can be named is the one of the store.
        return Err(match bad.why.hint().filter(|_| !locked) {
            None if locked => {
                refusal.hint("take the certificate out of it: `keytool -exportcert -rfc`, or `openssl pkcs12 -nokeys`")
            }
            Some(hint) => refusal.hint(hint),
            None => refusal,
        });
    }
    let mut different: Vec<Certificate> = Vec::new();
    for one in found.certificates {
        if !different.contains(&one) {
            different.push(one);
        }
    }
    match different.len() {
        0 => {
            Err(Refusal::new(format!("there is no certificate in {shown}"))
                .hint("name the file with the CA's certificate"))
        }
        1 => Ok(different.swap_remove(0)),
        count => {
            let titles: Vec<String> = different.iter().take(4).map(Certificate::title).collect();
            let more = if count > titles.len() { ", ..." } else { "" };
            Err(Refusal::new(format!(
                "{shown} holds {count} certificates ({}{more}), and to trust is to be said of each",
                titles.join("; ")
            ))
            .hint("put the one that is meant into a file of its own: mostly the root, the last of a chain"))
        }
    }
}

/// Refuses what is no CA's, may sign nothing, or is not valid today; tells what is worth a line.
pub(super) fn judge(certificate: &Certificate, now: OffsetDateTime) -> Result<Vec<String>, Refusal> {
    let title = certificate.title();
    let refuse = |why: String, hint: &str| Err(Refusal::new(format!("{title} is not trusted: {why}")).hint(hint));
    let self_signed = SelfSigned::of(certificate) != SelfSigned::No;
    if !certificate.is_ca() {
        return if self_signed {
            refuse(
                "it is signed by its own key and no CA's, so to trust it would be to trust one server's key for ever"
                    .to_owned(),
                "make a CA (`reseal ca init NAME --permit DOMAIN`) and issue the server's certificate by it, or pin this one in the client that needs it",
            )
        } else {
            refuse(
                "it is the certificate of a server or a person, and no CA's".to_owned(),
                "name the root of its chain instead",
            )
        };
    }
    if !certificate.signs_certificates() {
        return refuse(
            "its key usage does not let it sign certificates (RFC 5280 section 4.2.1.3)".to_owned(),
            "ask whoever made it for the certificate of the CA",
        );
    }
    let weak = match certificate.key_kind() {
        KeyKind::Rsa(bits) if *bits < LEAST_BITS => Some(format!("its key is {}", certificate.key_kind())),
        KeyKind::Rsa(_) => {
            certificate.rsa().and_then(|numbers| numbers.weakness()).map(|_| "its key can be computed".to_owned())
        }
        KeyKind::Other(_) => Some(format!("its key is {}, which clients cannot use", certificate.key_kind())),
        KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::Ed25519 | KeyKind::MlDsa(_) => None,
    };
    if let Some(why) = weak {
        return refuse(why, "ask whoever runs the CA for a root with a key of today");
    }
    if let Some(unknown) = certificate.unknown_critical().first() {
        return refuse(
            format!("it has the critical extension {unknown}, which clients refuse (RFC 5280 section 4.2)"),
            "ask whoever runs the CA for a root for servers",
        );
    }
    if let Some(fault) = certificate.fault() {
        return refuse(
            format!(
                "it {fault}: one such root keeps OpenSSL, and so curl and most others, from the whole store, or from all below it"
            ),
            ANEW,
        );
    }
    if let Some(doubt) = certificate.doubt_as_root() {
        return refuse(format!("it {doubt}"), ANEW);
    }
    if !certificate.serves_tls() {
        return refuse(
            "its extended key usage leaves out servers (RFC 5280 section 4.2.1.12)".to_owned(),
            "ask whoever runs the CA for a root for servers",
        );
    }
    if now > certificate.not_after() {
        return refuse(
            format!("it ended {}", date(certificate.not_after())),
            "ask whoever runs the CA for its present root",
        );
    }
    if now < certificate.not_before() {
        return refuse(
            format!("it begins {}", date(certificate.not_before())),
            "wait until then, or set this machine's clock right",
        );
    }
    let mut notes = Vec::new();
    if SelfSigned::of(certificate) != SelfSigned::Yes {
        notes.push(format!(
            "{title} is no root: OpenSSL and what is made with it accept it only with the root above it"
        ));
    }
    // It costs nobody else anything: Go passes over the one, and reads the rest of the store.
    if let Some(doubt) = certificate.doubt_in_writing() {
        notes.push(format!("{title} has {doubt}: programs in Go trust nothing below it"));
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{NOW, Wish, rebuilt, self_signed, with_extensions};

    /// A root with basic constraints and another extension.
    fn extended(identifier: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
        let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
        let other = [&wrap(6, identifier), critical, &wrap(4, value)].concat();
        let ca = b"\x30\x0f\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x05\x30\x03\x01\x01\xff".to_vec();
        with_extensions(&self_signed(&Wish::ca("Root")).certificate, &[ca, wrap(0x30, &other)])
    }

    #[test]
    fn a_root_that_clients_cannot_read_is_refused() {
        let root = self_signed(&Wish::ca("Root")).certificate;
        let numbered = |serial: &[u8]| rebuilt(&root, |parts| parts[1] = serial.to_vec());
        let until = |date: &[u8]| {
            rebuilt(&root, |parts| {
                let begin = b"\x17\x0d300101000000Z";
                let length = u8::try_from(begin.len() + date.len()).unwrap();
                parts[4] = [&[0x30, length], begin.as_slice(), date].concat();
            })
        };
        for (der, why) in [
            (root.der().to_vec(), None),
            (numbered(b"\x02\x02\x01\x00"), None),
            (numbered(b"\x02\x02\x00\x01"), Some("the serial number has more octets than it needs")),
            (until(b"\x18\x0f20500101000000Z"), None),
            (until(b"\x18\x1120500101000000.5Z"), Some("a date that OpenSSL cannot read")),
            (extended(&[0x55, 0x1d, 15], true, b"\x03\x02\x01\x06"), None),
            (extended(&[0x55, 0x1d, 15], true, b"\x04\x02\x01\x06"), Some("keyUsage")),
            (extended(&[0x55, 0x1d, 14], false, b"\x04\x01x"), None),
            (extended(&[0x55, 0x1d, 14], true, b"\x04\x01x"), Some("a critical extension that OpenSSL does not take")),
            (extended(&[0x55, 0x1d, 18], true, b"\x30\x03\x82\x01x"), Some("critical extension")),
            (extended(&[0x55, 0x1d, 36], true, b"\x30\x03\x80\x01\x00"), Some("which Go and GnuTLS do not take")),
        ] {
            let judged = judge(&Certificate::from_der(der).unwrap(), NOW);
            match why {
                None => assert!(judged.is_ok(), "{:?}", judged.err().map(|refusal| refusal.why)),
                Some(why) => {
                    let refusal = judged.err().unwrap();
                    assert!(refusal.why.contains(why) && refusal.hint.is_some(), "{}: {why}", refusal.why);
                }
            }
        }
    }

    /// It keeps nobody from the rest of the store, and most clients read it.
    #[test]
    fn a_root_that_go_alone_passes_over_is_taken_and_told() {
        let policy = b"\x30\x04\x06\x02\x2a\x03".as_slice();
        for (policies, told) in [(policy.to_vec(), false), ([policy, policy].concat(), true)] {
            let value = [&[0x30, u8::try_from(policies.len()).unwrap()], policies.as_slice()].concat();
            let root = extended(&[0x55, 0x1d, 32], false, &value);
            let notes =
                judge(&Certificate::from_der(root).unwrap(), NOW).unwrap_or_else(|refusal| panic!("{}", refusal.why));
            assert_eq!(notes.iter().any(|note| note.contains("programs in Go")), told, "{notes:?}");
        }
    }
}
