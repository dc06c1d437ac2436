//! Files, and who may read and write them.

use super::Case;
use super::bench::*;
use crate::assess::*;
use crate::cert::codec::Stop;
use crate::cert::installed::KeyFound;
use crate::change::Role;

fn reader(name: &str, uid: u32, groups: &[u32]) -> Reader {
    Reader { name: name.to_owned(), uid, groups: groups.to_vec() }
}

pub(super) fn cases() -> Vec<Case> {
    let Family { middle, .. } = family();
    let good = || installed(&[&middle.by(|_| {}).certificate, &middle.certificate]);
    let with = |change: &dyn Fn(&mut Installed)| {
        let mut pair = good();
        change(&mut pair);
        judged(&pair, |facts| facts.key_expected = true)
    };
    let stops = |why| vec![("line 1, CERTIFICATE".to_owned(), why), ("line 20, CERTIFICATE".to_owned(), why)];
    let text = || vec!["line 1, CERTIFICATE".to_owned()];
    vec![
        ("nothing there", with(&|pair| pair.chain = None), vec![Code::NoCertificate]),
        ("not to be read", with(&|pair| pair.problems = text()), vec![Code::Unreadable]),
        ("no key", with(&|pair| pair.key = KeyFound::None), vec![Code::NoKey]),
        ("another's key", with(&|pair| pair.key = KeyFound::Mismatch), vec![Code::KeyMismatch]),
        ("another's key first", with(&|pair| pair.key = KeyFound::NotFirst), vec![Code::KeyMismatch]),
        ("PKCS#7", with(&|pair| pair.stops = stops(Stop::Pkcs7)), vec![Code::PemRefused]),
        ("a key that matches", with(&|_| {}), vec![]),
        ("blank lines", with(&|pair| pair.stops = stops(Stop::BlankLine)), vec![Code::PemBlankLine]),
        ("indented", with(&|pair| pair.stops = stops(Stop::Indented)), vec![Code::PemRefused]),
        ("another first", with(&|pair| pair.leaf_place = 1), vec![Code::LeafNotFirst]),
        ("encrypted", with(&|pair| pair.encrypted = text()), vec![Code::KeyEncrypted]),
        ("0644", stored(mode(0o644)), vec![Code::KeyReadable]),
        ("0640", stored(mode(0o640)), vec![]),
        (
            "0644 of a certificate",
            stored(|file| {
                file.role = Role::FullChain;
                mode(0o644)(file);
            }),
            vec![],
        ),
        (
            "0666 of a certificate",
            stored(|file| {
                file.role = Role::FullChain;
                mode(0o666)(file);
            }),
            vec![Code::Writable],
        ),
        (
            "the service is another user",
            stored(|file| file.reader = Some(reader("www", 33, &[]))),
            vec![Code::ServiceCannotRead],
        ),
        (
            "it may be in the group",
            stored(|file| {
                file.reader = Some(reader("www", 33, &[]));
                mode(0o640)(file);
            }),
            vec![],
        ),
        (
            "it is not in the group",
            stored(|file| {
                file.reader = Some(reader("www", 33, &[33]));
                mode(0o640)(file);
            }),
            vec![Code::ServiceCannotRead],
        ),
        (
            "it reads the key as everybody does",
            stored(|file| {
                file.reader = Some(reader("www", 33, &[33]));
                mode(0o644)(file);
            }),
            vec![Code::KeyReadable],
        ),
        ("the service is root", stored(|file| file.reader = Some(reader("root", 0, &[]))), vec![]),
        ("a link to nothing", stored(|file| file.dangling = true), vec![Code::DanglingLink]),
        (
            "certbot's",
            stored(|file| file.path = "/etc/letsencrypt/live/a/privkey.pem".to_owned()),
            vec![Code::ManagedElsewhere],
        ),
        ("certmonger's", stored(|file| file.tracked_by = Some("certmonger".to_owned())), vec![Code::ManagedElsewhere]),
        (
            "acme.sh's, through a link",
            stored(|file| file.real = "/root/.acme.sh/a_ecc/a.key".to_owned()),
            vec![Code::ManagedElsewhere],
        ),
        (
            "not what was committed",
            judged(&good(), |facts| facts.regression = Some(Regression { generation: 2, committed: None })),
            vec![Code::Regression],
        ),
    ]
}
