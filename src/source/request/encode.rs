//! Writing a request. What the encoder writes is read back before anybody gets it.

use rcgen::string::PrintableString;
use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose};

use super::error::RequestError;
use crate::cert::codec::pem;
use crate::cert::{self, Name, PrivateKey, SubjectKey, SubjectPart};
use crate::source::encode::{alternative, signing, usages};

/// A wish for a certificate from a CA elsewhere.
pub struct Order {
    /// The names it is for; never empty.
    pub names: Vec<Name>,
    /// The subject besides the names. Without a common name the first name is one, where it fits; an empty one means none.
    pub subject: Vec<SubjectPart>,
    /// The key it is for.
    pub key: PrivateKey,
    /// Whether the key was made for it, and is not one that was in place already.
    pub fresh: bool,
    /// Whether the server is a TLS client with it too.
    pub for_clients: bool,
}

/// A request, and the key it is for.
pub struct Request {
    pub(super) pem: String,
    pub(super) order: Order,
    /// The subject as it was written.
    pub(super) subject: Vec<SubjectPart>,
}

impl Request {
    /// Writes the request and signs it with its key, which proves to the CA that the key is at hand (RFC 2986 section 3).
    ///
    /// # Errors
    /// There are no names, the key is of a kind that signs no requests, or what came out is not what was ordered.
    pub fn make(order: Order) -> Result<Self, RequestError> {
        if order.names.is_empty() {
            return Err(RequestError::NoNames);
        }
        let subject = subject(&order.names, &order.subject);
        if let Some(pair) = subject.windows(2).find(|pair| pair[0].key == pair[1].key) {
            // The encoder would keep one of them, and say nothing.
            return Err(RequestError::Twice(pair[0].key));
        }
        let signing = signing(&order.key)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished(&subject)?;
        params.subject_alt_names = order.names.iter().map(alternative).collect::<Result<_, _>>()?;
        params.key_usages = usages(order.key.kind());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if order.for_clients {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        }
        let request = params.serialize_request(&signing)?;
        prove(request.der(), &order)?;
        Ok(Self { pem: pem::encode("CERTIFICATE REQUEST", request.der()), order, subject })
    }

    /// One PEM block (RFC 7468 section 7), for the CA.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The subject as it was written, from the widest attribute to the narrowest.
    #[must_use]
    pub fn subject(&self) -> &[SubjectPart] {
        &self.subject
    }
}

/// The attributes in their usual order, with the common name that was not chosen: what a request for these names says.
#[must_use]
pub fn subject(names: &[Name], chosen: &[SubjectPart]) -> Vec<SubjectPart> {
    let mut subject = chosen.to_vec();
    if !subject.iter().any(|part| part.key == SubjectKey::CN) {
        // In an address a common name would be a name of nobody.
        let first = names.iter().find_map(|name| match name {
            Name::Dns(name) if name.len() <= 64 => Some(name.clone()),
            Name::Dns(_) | Name::Ip(_) => None,
        });
        subject.extend(first.map(|value| SubjectPart { key: SubjectKey::CN, value }));
    }
    subject.retain(|part| !part.value.is_empty());
    subject.sort_by_key(|part| part.key);
    subject
}

fn distinguished(subject: &[SubjectPart]) -> Result<DistinguishedName, RequestError> {
    let mut name = DistinguishedName::new();
    for SubjectPart { key, value } in subject {
        let (kind, value) = match key {
            // RFC 5280 appendix A.1 leaves no other type to a country.
            SubjectKey::C => {
                let text = PrintableString::try_from(value.as_str())?;
                (DnType::CountryName, DnValue::PrintableString(text))
            }
            SubjectKey::ST => (DnType::StateOrProvinceName, value.as_str().into()),
            SubjectKey::L => (DnType::LocalityName, value.as_str().into()),
            SubjectKey::O => (DnType::OrganizationName, value.as_str().into()),
            SubjectKey::OU => (DnType::OrganizationalUnitName, value.as_str().into()),
            SubjectKey::CN => (DnType::CommonName, value.as_str().into()),
        };
        name.push(kind, value);
    }
    Ok(name)
}

/// Reads it as a CA would, its signature and all.
fn prove(der: &[u8], order: &Order) -> Result<(), RequestError> {
    let read =
        cert::Request::read(der).map_err(|_| RequestError::Wrong("it cannot be read, or its signature is false"))?;
    if read.spki() != order.key.spki() {
        return Err(RequestError::Wrong("it is for another key"));
    }
    let all = |names: &[Name], others: &[Name]| names.iter().all(|name| others.contains(name));
    if !(all(read.names(), &order.names) && all(&order.names, read.names())) {
        return Err(RequestError::Wrong("it is for other names"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::Generate;

    fn order(names: &[&str], subject: &[&str]) -> Order {
        Order {
            names: names.iter().map(|name| name.parse().unwrap()).collect(),
            subject: subject.iter().map(|part| part.parse().unwrap()).collect(),
            key: PrivateKey::generate(Generate::P256).unwrap(),
            fresh: true,
            for_clients: false,
        }
    }

    fn subject_of(names: &[&str], parts: &[&str]) -> String {
        let order = order(names, parts);
        subject(&order.names, &order.subject).iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_first_name_is_the_common_one_where_it_can_be() {
        assert_eq!(subject_of(&["a.example", "b.example"], &["O=X", "C=DE"]), "C=DE, O=X, CN=a.example");
        assert_eq!(subject_of(&["192.0.2.1", "b.example"], &[]), "CN=b.example");
        assert_eq!(subject_of(&["192.0.2.1"], &[]), "");
        assert_eq!(subject_of(&["a.example"], &["CN="]), "");
        assert_eq!(subject_of(&["a.example"], &["CN=Web"]), "CN=Web");
        assert_eq!(subject_of(&[&format!("{}.example", "a".repeat(60))], &[]), "");
    }

    #[test]
    fn every_kind_of_key_proves_itself() {
        for kind in Generate::USUAL.iter().chain(Generate::EXPERIMENTAL) {
            let key = PrivateKey::generate(*kind).unwrap();
            let spki = key.spki().to_vec();
            let made = Request::make(Order { key, ..order(&["a.example", "192.0.2.1"], &["O=X"]) }).unwrap();
            let read = crate::cert::Request::read(made.pem().as_bytes()).unwrap();
            assert_eq!((read.spki(), read.key_kind()), (spki.as_slice(), kind.kind()), "{kind}");
            assert_eq!((read.names(), read.subject()), (made.order.names.as_slice(), "O=X, CN=a.example"), "{kind}");
        }
    }

    #[test]
    fn what_cannot_be_asked_for_is_refused() {
        assert!(matches!(Request::make(order(&[], &[])), Err(RequestError::NoNames)));
        let twice = Request::make(order(&["a.example"], &["OU=a", "OU=b"]));
        assert!(matches!(twice, Err(RequestError::Twice(SubjectKey::OU))));
    }
}
