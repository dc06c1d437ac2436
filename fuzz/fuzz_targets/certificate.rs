//! One certificate: everything that is asked of it, and everything that is said about it.
#![no_main]

use std::hint::black_box;

use libfuzzer_sys::fuzz_target;
use reseal::assess::{self, Code, Facts};
use reseal::cert::installed::{Leaf, Link};
use reseal::cert::{Anchors, Certificate, Chain, Profile, SelfSigned, Signatures, Signed, installed, issued_by, readers_agree};
use reseal::change::Role;
use time::macros::datetime;

fuzz_target!(|data: &[u8]| {
    assert!(readers_agree(data));
    let Ok(one) = Certificate::from_der(data) else { return };
    assert_eq!(one.der(), data);
    let again = Certificate::from_der(one.der()).expect("what was read is read again");
    assert_eq!((again.fingerprint(), &again), (one.fingerprint(), &one));

    black_box((one.subject(), one.issuer(), one.common_name(), one.issuer_common_name(), one.title(), one.serial()));
    black_box((one.not_before(), one.not_after(), one.names().to_vec(), one.unusable_names().to_vec()));
    black_box((one.key_kind().to_string(), one.spki_digest(), one.is_ca(), one.path_len(), one.ski(), one.aki()));
    black_box((one.serves_tls(), one.signs_handshakes(), one.signature_algorithm().to_string(), one.version()));
    black_box((one.odd_serial(), one.purposes(), one.serves_clients(), one.enciphers_keys(), one.signs_certificates()));
    black_box((one.unknown_critical(), one.repeated_extensions(), one.unreadable_extensions(), one.breaches()));
    black_box((
        one.algorithms_differ(),
        one.odd_dates(),
        one.constrains_names(),
        one.claims_public(),
        one.must_staple(),
    ));
    black_box((one.has_control_characters(), one.common_names(), one.strict_refusal()));
    black_box(one.rsa().map(|numbers| (numbers.exponent(), numbers.weakness())));
    black_box((Leaf::of(&one, false), Link::of(&one)));
    for name in one.names() {
        // A wildcard stands for names and is none.
        assert!(name.is_wildcard() || one.covers(name), "{name}");
    }

    // Self-signed is never said of what does not name itself, or whose signature does not hold.
    let signatures = Signatures::default();
    let own = signatures.self_signed(&one);
    if own == SelfSigned::Yes {
        assert!(one.is_self_issued());
        assert_eq!(issued_by(&one, &one), Signed::Verified);
    }
    assert!(one.same_key(&one) && one.same_subject(&one));

    let pem = one.to_pem();
    let installed = installed::read(&[(Role::FullChain, pem.as_bytes())]);
    let renew_before = |lifetime: time::Duration| lifetime / 3;
    for now in [datetime!(1969-12-31 23:59:59 UTC), datetime!(2026-06-01 0:00 UTC), datetime!(9999-12-31 23:59:59 UTC)]
    {
        let mut facts = Facts::new(&installed, &renew_before, &signatures, now);
        let chain = Chain::as_given(vec![one.clone()]).expect("one certificate is a chain");
        let names = one.names().to_vec();
        let trust = [Profile::new("itself", Anchors::new([one.clone()])).judge(&chain, &names, now)];
        facts.whole_chain = true;
        facts.wanted = &names;
        facts.trust = &trust;
        let found = assess::findings(&facts);
        let called_self_signed = found.iter().any(|it| it.code == Code::SelfSigned);
        assert!(!called_self_signed || own == SelfSigned::Yes);
    }
});
