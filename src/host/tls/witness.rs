//! The one place where a certificate is accepted unseen: a TLS client that lets every chain pass and records what came.
//!
//! An invalid, expired or unknown chain is exactly what must be looked at, so nothing is refused here and nothing is trusted
//! either: a handshake that ends well says that somebody sent this chain, and no more. Only [`Seen::proved`] says that the
//! peer holds the key of the leaf.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, CipherSuite, ClientConfig, DigitallySignedStruct, Error, NamedGroup, SignatureAlgorithm,
    SignatureScheme,
};

use super::p521::SECP521R1;
use crate::cert::{Certificate, KeyKind};
use crate::change::KeyFamily;

/// Certificates a server may send.
pub(super) const MOST_CERTIFICATES: usize = 100;

/// Records one handshake.
#[derive(Debug)]
pub(super) struct Witness {
    algorithms: WebPkiSupportedAlgorithms,
    offered: &'static [SignatureScheme],
    early: bool,
    seen: Mutex<Seen>,
}

/// What one handshake showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// DER as it came, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// The server's signature over this very handshake verified with the leaf's key. A signature that cannot be checked
    /// here (SHA-1, Ed448, RSA below 2048 bits) or a leaf that cannot be parsed leaves this false, as a wrong one does.
    pub proved: bool,
    /// The signature is of a kind that can be checked here, with a key that can be, and it is false.
    pub refuted: bool,
    /// The server asked for a certificate of the client.
    pub asked: bool,
    /// The chain was longer than [`MOST_CERTIFICATES`].
    pub too_many: bool,
    /// The handshake was given up on purpose once the chain was there.
    pub enough: bool,
}

/// How one handshake is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Way {
    /// Only signatures by such keys are offered.
    pub family: Option<KeyFamily>,
    /// A hybrid group that a quantum computer does not break is offered first; it makes the hello longer than a packet.
    pub post_quantum: bool,
    /// Nothing is looked at after the certificates.
    pub early: bool,
}

/// A client configuration for one handshake, and its witness. All but the witness is built once and shared.
///
/// With a family, only signatures by keys of that kind are offered, in the signature algorithms (RFC 8446 section 4.2.3) and,
/// for TLS 1.2, in the cipher suites as well.
///
/// # Errors
/// The crypto provider does not fit together.
pub(super) fn client(way: Way) -> Result<(ClientConfig, Arc<Witness>), Error> {
    static SETTINGS: [OnceLock<Result<Setting, Error>>; 6] = [const { OnceLock::new() }; 6];
    let index = match way.family {
        None => 0,
        Some(KeyFamily::Rsa) => 1,
        Some(KeyFamily::Ecdsa) => 2,
    };
    let made = || Setting::new(way.family, way.post_quantum);
    let setting = match SETTINGS.get(index + if way.post_quantum { 3 } else { 0 }) {
        Some(cell) => cell.get_or_init(made).as_ref().map_err(Error::clone)?,
        None => return Err(Error::General("no setting".to_owned())),
    };
    let witness = Arc::new(setting.witness(way.early));
    let mut config = setting.config.clone();
    config.dangerous().set_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>);
    config.client_auth_cert_resolver = Arc::clone(&witness) as Arc<dyn ResolvesClientCert>;
    Ok((config, witness))
}

impl Witness {
    /// What was recorded so far, which is then forgotten.
    pub(super) fn take(&self) -> Seen {
        std::mem::take(&mut self.record())
    }

    /// Whatever the signature is, the handshake goes on.
    fn note(
        &self,
        cert: &CertificateDer<'_>,
        checked: &Result<HandshakeSignatureValid, Error>,
    ) -> HandshakeSignatureValid {
        let mut record = self.record();
        record.proved = checked.is_ok();
        record.refuted =
            matches!(checked, Err(Error::InvalidCertificate(CertificateError::BadSignature))) && fits(cert);
        HandshakeSignatureValid::assertion()
    }

    fn record(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut record = self.record();
        if intermediates.len() >= MOST_CERTIFICATES {
            record.too_many = true;
            return Err(Error::General("too many certificates".to_owned()));
        }
        record.chain = std::iter::once(end_entity).chain(intermediates).map(|der| der.to_vec()).collect();
        if self.early {
            record.enough = true;
            return Err(Error::General("the certificates are all that was asked for".to_owned()));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let checked = verify_tls12_signature(message, cert, signed, &self.algorithms);
        Ok(self.note(cert, &checked))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let checked = verify_tls13_signature(message, cert, signed, &self.algorithms);
        let valid = self.note(cert, &checked);
        // A scheme that was not offered, or that TLS 1.3 has for no handshake (RFC 8446 section 4.2.3), is no server's that has the key: it
        // would be a way out for one that has not.
        if checked.is_err() && fits(cert) && !(self.offered.contains(&signed.scheme) && may_sign(signed.scheme)) {
            self.record().refuted = true;
        }
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.offered.to_vec()
    }
}

impl ResolvesClientCert for Witness {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.record().asked = true;
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Whether a handshake of TLS 1.3 may be signed so: neither by RSASSA-PKCS1-v1_5 nor over SHA-1.
fn may_sign(scheme: SignatureScheme) -> bool {
    !matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA1
            | SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
            | SignatureScheme::ECDSA_SHA1_Legacy
    )
}

/// Whether signatures by the key of this certificate can be checked here. Of RSA keys outside these lengths each is told as a false one.
fn fits(cert: &CertificateDer<'_>) -> bool {
    let certificate = Certificate::from_der(cert.to_vec());
    certificate.is_ok_and(|cert| match cert.key_kind() {
        KeyKind::Rsa(bits) => (2048..=8192).contains(bits),
        KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::Ed25519 | KeyKind::MlDsa(_) => true,
        KeyKind::Other(_) => false,
    })
}

fn is_aes_128(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}

/// What the handshakes of one family share.
struct Setting {
    config: ClientConfig,
    algorithms: WebPkiSupportedAlgorithms,
    offered: &'static [SignatureScheme],
}

impl Setting {
    fn new(family: Option<KeyFamily>, post_quantum: bool) -> Result<Self, Error> {
        let mut provider = aws_lc_rs::default_provider();
        if !post_quantum {
            provider.kx_groups.retain(|group| !is_post_quantum(group.name()));
        }
        provider.kx_groups.push(SECP521R1);
        // As browsers ask: AES-128 first. Its SHA-256 is an instruction of most processors, and the SHA-384 of AES-256 is of few.
        provider.cipher_suites.sort_by_key(|suite| !is_aes_128(suite.suite()));
        let offered = match family {
            None => ANY_SCHEME,
            Some(KeyFamily::Rsa) => {
                provider.cipher_suites.retain(|suite| suite.usable_for_signature_algorithm(SignatureAlgorithm::RSA));
                RSA_SCHEMES
            }
            Some(KeyFamily::Ecdsa) => {
                provider.cipher_suites.retain(|suite| suite.usable_for_signature_algorithm(SignatureAlgorithm::ECDSA));
                ECDSA_SCHEMES
            }
        };
        let algorithms = provider.signature_verification_algorithms;
        let nobody = Arc::new(Witness { algorithms, offered, early: false, seen: Mutex::default() });
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(nobody)
            .with_no_client_auth();
        // A resumed session shows no certificate (RFC 8446 section 2.2).
        config.resumption = Resumption::disabled();
        Ok(Self { config, algorithms, offered })
    }

    fn witness(&self, early: bool) -> Witness {
        Witness { algorithms: self.algorithms, offered: self.offered, early, seen: Mutex::default() }
    }
}

/// Whether a group is one of ML-KEM, alone or in a hybrid (draft-ietf-tls-ecdhe-mlkem).
pub(super) fn is_post_quantum(group: NamedGroup) -> bool {
    use NamedGroup::{MLKEM512, MLKEM768, MLKEM1024, X25519MLKEM768, secp256r1MLKEM768};
    matches!(group, X25519MLKEM768 | secp256r1MLKEM768 | MLKEM512 | MLKEM768 | MLKEM1024)
}

/// Signatures by keys that are for RSASSA-PSS alone (RFC 8446 section 4.2.3).
const RSA_PSS_PSS_SHA256: SignatureScheme = SignatureScheme::Unknown(0x0809);
const RSA_PSS_PSS_SHA384: SignatureScheme = SignatureScheme::Unknown(0x080a);
const RSA_PSS_PSS_SHA512: SignatureScheme = SignatureScheme::Unknown(0x080b);

/// ECDSA with Brainpool keys, in TLS 1.3 (RFC 8734 section 3).
const ECDSA_BRAINPOOL_256: SignatureScheme = SignatureScheme::Unknown(0x081a);
const ECDSA_BRAINPOOL_384: SignatureScheme = SignatureScheme::Unknown(0x081b);
const ECDSA_BRAINPOOL_512: SignatureScheme = SignatureScheme::Unknown(0x081c);

/// Each list ends with what cannot be verified here, for servers that would show nothing if it were not offered.
const RSA_SCHEMES: &[SignatureScheme] = &[
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
    RSA_PSS_PSS_SHA256,
    RSA_PSS_PSS_SHA384,
    RSA_PSS_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA1,
];

const ECDSA_SCHEMES: &[SignatureScheme] = &[
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::ED448,
    ECDSA_BRAINPOOL_256,
    ECDSA_BRAINPOOL_384,
    ECDSA_BRAINPOOL_512,
    SignatureScheme::ECDSA_SHA1_Legacy,
];

const ANY_SCHEME: &[SignatureScheme] = &[
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::ML_DSA_44,
    SignatureScheme::ML_DSA_65,
    SignatureScheme::ML_DSA_87,
    SignatureScheme::ED448,
    RSA_PSS_PSS_SHA256,
    RSA_PSS_PSS_SHA384,
    RSA_PSS_PSS_SHA512,
    ECDSA_BRAINPOOL_256,
    ECDSA_BRAINPOOL_384,
    ECDSA_BRAINPOOL_512,
    SignatureScheme::ECDSA_SHA1_Legacy,
    SignatureScheme::RSA_PKCS1_SHA1,
];
