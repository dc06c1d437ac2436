//! Requests for a certificate, from anybody.

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

use super::algorithm::{KeyKind, SignatureAlgorithm};
use super::certificate::address;
use super::name::Name;
use super::rsa::{PublicNumbers, Weakness};
use super::trust::{self, Signed};
use super::{codec, distinguished};

/// Bytes of a request that are read: one with a thousand names has less.
pub const MOST_BYTES: usize = 64 * 1024;

/// A request for a certificate (PKCS#10, RFC 2986) whose sender has proved to hold the key. What it asks for is no more than a
/// wish: of the extensions only the names are read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    spki: Vec<u8>,
    subject: String,
    names: Vec<Name>,
    unusable: Vec<String>,
    ignored: Vec<String>,
}

/// A request cannot be granted, whoever signs.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequestError {
    /// Longer than any honest one.
    #[error("it has {0} bytes, and no honest request has more than {MOST_BYTES}")]
    TooLarge(usize),
    /// Neither PEM nor DER of one request.
    #[error("it is no certificate request: {0}")]
    Unreadable(String),
    /// Somebody else's key, or bytes that were changed.
    #[error("its signature is false: who made it does not hold the key, or it was changed on the way")]
    Forged,
    /// A signature that could be forged.
    #[error("it is signed with {0}, which can be forged")]
    BrokenSignature(SignatureAlgorithm),
    /// A signature that cannot be checked here.
    #[error("its signature, {0}, cannot be checked here: nothing proves that who made it holds the key")]
    Unverifiable(SignatureAlgorithm),
    /// Clients take no such key.
    #[error("its key is of a kind that clients do not accept: {0}")]
    WeakKey(KeyKind),
    /// Anybody can find the private key, or do without it.
    #[error("its key is broken: {0}")]
    BrokenKey(Weakness),
}

impl RequestError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge(_) | Self::Unreadable(_) => {
                "give one request, in PEM or DER, as `openssl req -new` writes it"
            }
            Self::Forged => "have it made again with the key that the certificate is to be for",
            Self::BrokenSignature(_) | Self::Unverifiable(_) => {
                "have it made again and signed with SHA-256: `openssl req -new -sha256`, `keytool -certreq -sigalg SHA256withRSA`"
            }
            Self::WeakKey(_) | Self::BrokenKey(_) => {
                "have a key made of the kind P-256, P-384, P-521, Ed25519, or RSA with 2048 to 8192 bits"
            }
        }
    }
}

impl Request {
    /// Reads a request in PEM or DER and checks that its own key signed it.
    ///
    /// # Errors
    /// It is none, it is too large, its key or its signature are of a kind that is not taken, or the signature is false.
    pub fn read(input: &[u8]) -> Result<Self, RequestError> {
        if input.len() > MOST_BYTES {
            return Err(RequestError::TooLarge(input.len()));
        }
        let der = codec::request_in(input).map_err(RequestError::Unreadable)?;
        let (rest, request) = X509CertificationRequest::from_der(&der)
            .map_err(|_| RequestError::Unreadable("it is not as RFC 2986 has it".to_owned()))?;
        if !rest.is_empty() {
            return Err(RequestError::Unreadable(format!("{} bytes follow its end", rest.len())));
        }
        let info = &request.certification_request_info;
        let spki = info.subject_pki.raw.to_vec();
        accepted(&spki)?;
        let algorithm = SignatureAlgorithm::of(&request.signature_algorithm);
        if algorithm.is_broken() {
            return Err(RequestError::BrokenSignature(algorithm));
        }
        match trust::signature_by(&algorithm, &spki, info.raw, &request.signature_value.data) {
            Signed::Verified => {}
            Signed::Failed => return Err(RequestError::Forged),
            Signed::Unverifiable => return Err(RequestError::Unverifiable(algorithm)),
        }
        let subject = distinguished::text(info.subject.as_raw());
        let mut read = Self { spki, subject, names: Vec::new(), unusable: Vec::new(), ignored: Vec::new() };
        for attribute in info.iter_attributes() {
            match attribute.parsed_attribute() {
                ParsedCriAttribute::ExtensionRequest(requested) => {
                    for extension in &requested.extensions {
                        read.take(extension.parsed_extension(), &extension.oid.to_id_string())?;
                    }
                }
                ParsedCriAttribute::ChallengePassword(_) => {}
                ParsedCriAttribute::UnsupportedAttribute => read.ignored.push(attribute.oid.to_id_string()),
            }
        }
        if read.names.is_empty() && read.unusable.is_empty() {
            // What openssl makes of a bare `-subj /CN=host`: a host's name there is what is meant.
            let named = distinguished::common_name(info.subject.as_raw()).and_then(|name| name.parse().ok());
            read.names.extend(named.filter(|name: &Name| matches!(name, Name::Dns(text) if text.contains('.'))));
        }
        Ok(read)
    }

    /// The names asked for, each once, in their order; where none are, the common name if that is a host's name.
    #[must_use]
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// Names in the subject alternative name that no server certificate can carry. Whoever prints them must escape them.
    #[must_use]
    pub fn unusable_names(&self) -> &[String] {
        &self.unusable
    }

    /// Object identifiers of all else that was asked for, which is not granted.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// The subject asked for. Whoever prints it must escape it.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The DER of the public key (RFC 5280 section 4.1.2.7), whose private half signed the request.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// What kind of key it is.
    #[must_use]
    pub fn key_kind(&self) -> KeyKind {
        KeyKind::of_spki(&self.spki)
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "extensions are an open set")]
    fn take(&mut self, extension: &ParsedExtension<'_>, oid: &str) -> Result<(), RequestError> {
        match extension {
            ParsedExtension::SubjectAlternativeName(alternatives) => {
                for name in &alternatives.general_names {
                    self.name(name);
                }
                Ok(())
            }
            _ if oid == "2.5.29.17" => Err(RequestError::Unreadable("its names cannot be read".to_owned())),
            _ => {
                self.ignored.push(oid.to_owned());
                Ok(())
            }
        }
    }

    fn name(&mut self, name: &GeneralName<'_>) {
        let read = match name {
            GeneralName::DNSName(text) => match text.parse() {
                Ok(name @ Name::Dns(_)) => Ok(name),
                Ok(Name::Ip(_)) | Err(_) => Err((*text).to_owned()),
            },
            GeneralName::IPAddress(bytes) => {
                address(bytes).map(Name::Ip).ok_or_else(|| format!("an address of {} bytes", bytes.len()))
            }
            GeneralName::RFC822Name(text) | GeneralName::URI(text) => Err((*text).to_owned()),
            GeneralName::Invalid(_, bytes) => Err(String::from_utf8_lossy(bytes).into_owned()),
            GeneralName::OtherName(..)
            | GeneralName::X400Address(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EDIPartyName(_)
            | GeneralName::RegisteredID(_) => Err("a name of a kind that no server has".to_owned()),
        };
        match read {
            Ok(name) if self.names.contains(&name) => {}
            Ok(name) => self.names.push(name),
            Err(other) => self.unusable.push(other),
        }
    }
}

/// The limits are those of what clients take of a server.
fn accepted(spki: &[u8]) -> Result<(), RequestError> {
    // A signature proves nothing where everybody can make it.
    if let Some(weakness) = PublicNumbers::of_spki(spki).and_then(|numbers| numbers.weakness()) {
        return Err(RequestError::BrokenKey(weakness));
    }
    match KeyKind::of_spki(spki) {
        KeyKind::Rsa(2048..=8192)
        | KeyKind::P256
        | KeyKind::P384
        | KeyKind::P521
        | KeyKind::Ed25519
        | KeyKind::MlDsa(_) => Ok(()),
        weak @ (KeyKind::Rsa(_) | KeyKind::Other(_)) => Err(RequestError::WeakKey(weak)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::key::tests::openssl;

    fn asked(words: &str) -> Vec<u8> {
        openssl(&format!("req -new -nodes -keyout /dev/null -outform DER {words}"), b"")
    }

    const SAN: &str = "-subj /CN=x -addext subjectAltName=DNS:www.example.org,IP:10.0.0.1,DNS:*.example.org";
    const EC: &str = "-newkey ec -pkeyopt ec_paramgen_curve";

    #[test]
    fn every_usual_kind_is_proved_by_its_signature() {
        let pss = "-newkey rsa:2048 -sigopt rsa_padding_mode:pss";
        for (words, kind) in [
            ("-newkey rsa:2048".to_owned(), KeyKind::Rsa(2048)),
            ("-newkey rsa:2048 -sha512".to_owned(), KeyKind::Rsa(2048)),
            (format!("{pss} -sigopt rsa_pss_saltlen:32 -sha256"), KeyKind::Rsa(2048)),
            (format!("{EC}:P-256"), KeyKind::P256),
            (format!("{EC}:P-256 -sha384"), KeyKind::P256),
            // What OpenSSL does when it is not told otherwise: a digest that is not the curve's.
            (format!("{EC}:P-384"), KeyKind::P384),
            (format!("{EC}:P-384 -sha512"), KeyKind::P384),
            (format!("{EC}:P-521"), KeyKind::P521),
            (format!("{EC}:P-521 -sha384"), KeyKind::P521),
            ("-newkey ed25519".to_owned(), KeyKind::Ed25519),
        ] {
            let request = Request::read(&asked(&format!("{words} {SAN}"))).unwrap_or_else(|e| panic!("{words}: {e}"));
            assert_eq!(request.key_kind(), kind, "{words}");
            let names: Vec<String> = request.names().iter().map(ToString::to_string).collect();
            assert_eq!(names, ["www.example.org", "10.0.0.1", "*.example.org"], "{words}");
            assert_eq!((request.subject(), request.unusable_names().len()), ("CN=x", 0));
        }
    }

    #[test]
    fn what_proves_nothing_is_refused() {
        let error = |words: &str| Request::read(&asked(&format!("{words} {SAN}"))).unwrap_err().to_string();
        for (words, told) in [
            ("-newkey rsa:2048 -sha1".to_owned(), "signed with RSA with SHA-1, which can be forged"),
            ("-newkey rsa:2048 -md5".to_owned(), "signed with RSA with MD5, which can be forged"),
            ("-newkey rsa:1024".to_owned(), "clients do not accept: RSA 1024"),
            (format!("{EC}:secp256k1"), "clients do not accept: secp256k1"),
            (format!("{EC}:brainpoolP256r1"), "clients do not accept: brainpoolP256r1"),
            (format!("{EC}:P-256 -pkeyopt ec_param_enc:explicit"), "explicit parameters"),
            ("-newkey ed448".to_owned(), "clients do not accept: Ed448"),
            (format!("{EC}:P-256 -sha224"), "cannot be checked here"),
            ("-newkey rsa-pss -pkeyopt rsa_keygen_bits:2048".to_owned(), "clients do not accept: RSASSA-PSS"),
        ] {
            let error = error(&words);
            assert!(error.contains(told), "{words}: {error}");
        }
        let good = asked(&format!("-newkey ed25519 {SAN}"));
        let place = good.windows(15).position(|part| part == b"www.example.org").unwrap();
        let mut changed = good.clone();
        changed[place] = b'x';
        assert_eq!(Request::read(&changed), Err(RequestError::Forged), "a name was changed on the way");
        let mut changed = good.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(Request::read(&changed), Err(RequestError::Forged));
    }

    #[test]
    fn a_key_that_anybody_can_break_is_refused() {
        let good = asked(&format!("-newkey rsa:2048 {SAN}"));
        let request = Request::read(&good).unwrap();
        let start = good.windows(request.spki().len()).position(|part| part == request.spki()).unwrap();
        // The modulus ends before the exponent, 02 03 01 00 01, which is the last of the key.
        let end = start + request.spki().len();
        let mut even = good.clone();
        even[end - 6] &= 0xfe;
        assert_eq!(Request::read(&even), Err(RequestError::BrokenKey(Weakness::SmallFactor(2))));
        let mut odd = good;
        odd[end - 1] = 2;
        let error = Request::read(&odd).unwrap_err();
        assert_eq!(error, RequestError::BrokenKey(Weakness::ImpossibleExponent));
        assert_eq!(error.to_string(), "its key is broken: its exponent is none of RSA");
    }

    #[test]
    fn only_names_are_taken() {
        let words = "-newkey ed25519 -subj /CN=fallback.example.org -addext basicConstraints=critical,CA:TRUE \
                     -addext keyUsage=keyCertSign -addext tlsfeature=status_request -addext subjectKeyIdentifier=hash";
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        let request = Request::read(&asked(&words)).unwrap();
        assert_eq!(request.names(), ["fallback.example.org".parse().unwrap()]);
        assert_eq!(request.ignored(), ["2.5.29.19", "2.5.29.15", "1.3.6.1.5.5.7.1.24", "2.5.29.14"]);

        let odd =
            asked("-newkey ed25519 -subj /CN=x -addext subjectAltName=email:a@b.c,RID:1.2.3,DNS:a.b,DNS:a.b,URI:u:x");
        let request = Request::read(&odd).unwrap();
        assert_eq!((request.names().len(), request.unusable_names().len()), (1, 3));
        let none = Request::read(&asked("-newkey ed25519 -subj /CN=Somebody")).unwrap();
        assert!(none.names().is_empty(), "a person's name is no host's");
    }

    #[test]
    fn text_and_bytes_are_read_and_nothing_else() {
        let der = asked(&format!("-newkey ed25519 {SAN}"));
        let request = Request::read(&der).unwrap();
        for label in ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"] {
            let pem = format!("text\n{}", codec::pem::encode(label, &der));
            assert_eq!(Request::read(pem.as_bytes()).as_ref(), Ok(&request), "{label}");
        }
        let pem = codec::pem::encode("CERTIFICATE REQUEST", &der);
        let other = codec::pem::encode("CERTIFICATE", &der);
        let inputs: [&[u8]; 6] = [
            b"",
            b"x",
            &[pem.as_bytes(), pem.as_bytes()].concat(),
            other.as_bytes(),
            &[&der[..], b"x"].concat(),
            &der[1..],
        ];
        for input in inputs {
            assert!(matches!(Request::read(input), Err(RequestError::Unreadable(_))), "{input:?}");
        }
        assert_eq!(Request::read(&vec![b' '; MOST_BYTES + 1]), Err(RequestError::TooLarge(MOST_BYTES + 1)));
        for end in 0..der.len() {
            assert!(Request::read(&der[..end]).is_err());
        }
        for place in 0..der.len() {
            let mut changed = der.clone();
            changed[place] ^= 0x10;
            assert!(Request::read(&changed).map_or(true, |read| read.spki() == request.spki()), "byte {place}");
        }
    }
}
