//! Whatever holds certificates and keys, with and without a passphrase: the first byte chooses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reseal::cert::codec::{self, Holds, MAX_ENTRIES};
use reseal::sensitive::Sensitive;

const PASSPHRASES: [Option<&str>; 4] = [None, Some("changeit"), Some(""), Some("gr\u{fc}n \u{1f511}")];

fuzz_target!(|data: &[u8]| {
    let Some((choice, input)) = data.split_first() else { return };
    let passphrase = PASSPHRASES[usize::from(*choice) % PASSPHRASES.len()].map(|it| Sensitive::from(it.to_owned()));
    let contents = match codec::read(input, passphrase.as_ref()) {
        Ok(contents) => contents,
        Err(error) => return drop((error.to_string(), error.hint())),
    };
    assert!(contents.certificates.len() <= MAX_ENTRIES && contents.keys.len() <= MAX_ENTRIES);
    for bad in &contents.bad {
        drop(bad.to_string());
    }
    for certificate in &contents.certificates {
        let again = codec::read(certificate.to_pem().as_bytes(), None).expect("what was read can be written and read");
        assert_eq!(again.certificates, [certificate.clone()]);
    }
    for key in &contents.keys {
        let again = codec::read(key.to_pem().expose(), None).expect("a key that was read can be written and read");
        assert_eq!(again.keys[0].spki(), key.spki());
    }
    for entry in &contents.entries {
        match &entry.holds {
            Holds::Key { key, chain } => {
                assert!(key.is_none_or(|index| index < contents.keys.len()));
                assert!(chain.iter().all(|one| contents.certificates.contains(one)));
            }
            Holds::Certificate(one) => assert!(contents.certificates.contains(one)),
        }
    }
});
