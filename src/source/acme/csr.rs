//! The request for a certificate (RFC 2986, RFC 8555 section 7.4): the names as alternative names, no subject, signed by our key.

use rcgen::{CertificateParams, DistinguishedName};

use super::error::AcmeError;
use crate::cert::{Name, PrivateKey};
use crate::source::encode::{Unsigned, alternative, signing};

/// The request as DER.
pub(super) fn request(names: &[Name], key: &PrivateKey) -> Result<Vec<u8>, AcmeError> {
    let failed = |_| AcmeError::Crypto;
    let unsigned = |Unsigned(kind)| AcmeError::Other(format!("a {kind} key, for which nothing can be asked here"));
    let signing = signing(key).map_err(unsigned)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = names.iter().map(alternative).collect::<Result<_, _>>().map_err(failed)?;
    Ok(params.serialize_request(&signing).map_err(failed)?.der().to_vec())
}
