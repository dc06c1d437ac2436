//! What the leaf may be used for.

use super::{Code, Facts, Finding};
use crate::cert::{Certificate, KeyKind};

pub(super) fn findings(leaf: &Certificate, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    if leaf.is_ca() {
        found.push(Finding::new(Code::CaAsLeaf, "it is a CA certificate"));
    }
    if !leaf.serves_tls() {
        found.push(Finding::new(Code::NotForServers, "its extended key usage does not include serverAuth"));
    } else if leaf.is_of_netscape_for_others() {
        let mut finding =
            Finding::new(Code::NotForServers, "its Netscape certificate type does not include SSL servers");
        finding.remedy = "OpenSSL and Java refuse it: order it anew without nsCertType".into();
        found.push(finding);
    }
    if facts.needs_client_auth && !leaf.serves_clients() {
        let who = if leaf.claims_public() { "it is a public certificate, and " } else { "" };
        let message = format!("{who}its extended key usage does not include clientAuth, which the product needs");
        found.push(Finding::new(Code::NoClientAuth, message));
    }
    if !leaf.signs_handshakes() {
        found.push(Finding::new(Code::KeyUsage, "its key usage does not include digitalSignature"));
    }
    let exchanged = facts.served.iter().any(|look| look.wire.rsa_key_exchange && look.shows(leaf.fingerprint()));
    if exchanged && matches!(leaf.key_kind(), KeyKind::Rsa(_)) && !leaf.enciphers_keys() {
        let message = "the server exchanges keys with RSA, and its key usage does not include keyEncipherment";
        found.push(Finding::new(Code::NoKeyEncipherment, message));
    }
    if leaf.must_staple() {
        found.push(Finding::new(Code::MustStaple, "it demands a stapled OCSP answer (RFC 7633)"));
    }
}
