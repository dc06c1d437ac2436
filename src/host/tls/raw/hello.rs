//! A ClientHello with everything that was ever usual (RFC 5246 section 7.4.1.2).

use super::{Offer, suites};

/// The hello, in its record. Without a `name` none is asked for. `random` is the client's random value.
pub(in crate::host::tls) fn hello(offer: Offer, name: Option<&str>, random: &[u8; 32]) -> Vec<u8> {
    let minor = match offer {
        Offer::Tls12 => 3,
        Offer::Tls11 => 2,
        Offer::Tls10 => 1,
    };
    let mut body = vec![3, minor];
    body.extend_from_slice(random);
    // No session to resume.
    body.push(0);
    let suites: Vec<u8> = suites::offered(offer).flat_map(u16::to_be_bytes).collect();
    sized(&mut body, 2, &suites);
    // No compression.
    body.extend_from_slice(&[1, 0]);
    let mut extensions = extensions(offer, name);
    pad(body.len() + 2, &mut extensions);
    sized(&mut body, 2, &extensions);

    let mut message = vec![1];
    sized(&mut message, 3, &body);
    // Record version 3.1: what servers of all ages take (RFC 5246 appendix E.1).
    let mut record = vec![0x16, 3, 1];
    sized(&mut record, 2, &message);
    record
}

fn extensions(offer: Offer, name: Option<&str>) -> Vec<u8> {
    let mut all = Vec::new();
    if let Some(name) = name {
        // A list of one name of type host_name (RFC 6066 section 3).
        let mut entry = vec![0];
        sized(&mut entry, 2, name.as_bytes());
        let mut list = Vec::new();
        sized(&mut list, 2, &entry);
        extension(&mut all, 0, &list);
    }
    let groups: Vec<u8> = GROUPS.iter().flat_map(|group| group.to_be_bytes()).collect();
    let mut list = Vec::new();
    sized(&mut list, 2, &groups);
    extension(&mut all, 10, &list);
    // Points uncompressed, or compressed either way (RFC 4492 section 5.1.2).
    extension(&mut all, 11, &[3, 0, 1, 2]);
    if offer == Offer::Tls12 {
        let schemes: Vec<u8> = SCHEMES.iter().flat_map(|scheme| scheme.to_be_bytes()).collect();
        let mut list = Vec::new();
        sized(&mut list, 2, &schemes);
        extension(&mut all, 13, &list);
    }
    // Some servers refuse whoever does not offer to encrypt before authenticating (RFC 7366), and to bind the secret to the handshake
    // (RFC 7627).
    extension(&mut all, 22, &[]);
    extension(&mut all, 23, &[]);
    // Renegotiation will be safe, for there will be none (RFC 5746 section 3.4).
    extension(&mut all, 0xff01, &[0]);
    all
}

/// Hellos of 256 to 511 bytes make some old load balancers hang; a longer one does not (RFC 7685 section 3).
fn pad(before: usize, extensions: &mut Vec<u8>) {
    let message = 4 + before + extensions.len();
    if (256..512).contains(&message) {
        let missing = 512_usize.saturating_sub(message + 4);
        extension(extensions, 21, &vec![0; missing]);
    }
}

fn extension(all: &mut Vec<u8>, number: u16, body: &[u8]) {
    all.extend_from_slice(&number.to_be_bytes());
    sized(all, 2, body);
}

/// Adds the length in so many bytes, then the bytes. Nothing here comes near the longest length.
fn sized(all: &mut Vec<u8>, octets: usize, body: &[u8]) {
    let length = body.len().to_be_bytes();
    all.extend_from_slice(length.get(length.len() - octets..).unwrap_or_default());
    all.extend_from_slice(body);
}

/// Groups: x25519, P-256, P-384, P-521, x448, Brainpool 256 to 512, secp256k1, P-224, P-192, and binary ones (RFC 8422, RFC 7027).
const GROUPS: &[u16] = &[29, 23, 24, 25, 30, 26, 27, 28, 22, 21, 19, 14, 13, 12, 11, 10, 9];

/// Signature algorithms: what is usual, then what was (RFC 5246 section 7.4.1.4.1, RFC 8446 section 4.2.3).
const SCHEMES: &[u16] = &[
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601,
    // SHA-224, SHA-1 and MD5; DSA.
    0x0303, 0x0301, 0x0203, 0x0201, 0x0101, 0x0402, 0x0502, 0x0602, 0x0302, 0x0202,
];
