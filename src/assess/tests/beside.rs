//! Alternative names beside that of a host.

use super::Case;
use super::bench::*;
use crate::assess::*;

pub(super) fn cases() -> Vec<Case> {
    vec![
        ("a user of Windows", beside(0xa0, &[UPN, &[0xa0, 4, 0x0c, 2], b"a@"].concat()), vec![]),
        ("a domain controller", beside(0xa0, &[GUID, &[0xa0, 4, 4, 2, 0, 7]].concat()), vec![]),
        ("a service", beside(0xa0, &[SRV, &[0xa0, 4, 0x16, 2], b"_x"].concat()), vec![]),
        ("XMPP", beside(0xa0, &[XMPP, &[0xa0, 4, 0x0c, 2], b"x\0"].concat()), vec![]),
        ("Kerberos", beside(0xa0, &[KERBEROS, &[0xa0, 4, 0x30, 2, 0x30, 0]].concat()), vec![]),
        ("another name that cannot be read", beside(0xa0, &[1, 2, 0, 3]), vec![Code::UnreadableExtension]),
        ("a directory name", beside(0xa4, &[0x30, 11, 0x31, 9, 0x30, 7, 6, 3, 0x55, 4, 3, 0x0c, 0]), vec![]),
        ("a directory name with an empty set", beside(0xa4, &[0x30, 2, 0x31, 0]), vec![]),
        (
            "a directory name that cannot be read",
            beside(0xa4, &[0x30, 2, 0x31, 0, 1, 2, 0]),
            vec![Code::UnreadableExtension],
        ),
        ("an address of mail in Latin-1", beside(0x81, b"caf\xe9@example.com"), vec![]),
        ("a registered identifier", beside(0x88, &[0x2a, 3]), vec![]),
        ("a DNS name in Latin-1", beside(0x82, b"caf\xe9.example.com"), vec![Code::UnusableName]),
    ]
}

// otherName by their type: user principal names and object identities of Windows, SRVName (RFC 4985), XMPP addresses (RFC 6120 section
// 13.7.1.4), principals of Kerberos (RFC 4556 section 3.2.2).
const UPN: &[u8] = &[6, 10, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 20, 2, 3];
const GUID: &[u8] = &[6, 9, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 25, 1];
const SRV: &[u8] = &[6, 8, 0x2b, 6, 1, 5, 5, 7, 8, 7];
const XMPP: &[u8] = &[6, 8, 0x2b, 6, 1, 5, 5, 7, 8, 5];
const KERBEROS: &[u8] = &[6, 6, 0x2b, 6, 1, 5, 2, 2];

/// A leaf with an alternative name of this kind beside that of its host.
fn beside(tag: u8, content: &[u8]) -> Vec<Code> {
    let host = b"www.example.com";
    let element = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let names = element(0x30, &[element(0x82, host), element(tag, content)].concat());
    leaf(|params| {
        params.subject_alt_names.clear();
        params.custom_extensions.push(extension(&[2, 5, 29, 17], &names, false));
    })
}
