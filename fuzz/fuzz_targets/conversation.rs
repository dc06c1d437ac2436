//! What a server says to the probe: the plain text before TLS, rustls, and the reader of old handshakes.
//!
//! The bytes: how TLS begins, which hello, how large the pieces are (and whether plain text comes byte by byte), and what is said.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reseal::endpoint::Start;
use reseal::host::tls::fuzzed::converse;

fuzz_target!(|data: &[u8]| {
    let Some((&[start, hello, piece], said)) = data.split_first_chunk() else { return };
    let start = Start::ALL[usize::from(start) % Start::ALL.len()];
    match converse(start, hello, usize::from(piece & 0x7f), piece & 0x80 != 0, said) {
        Ok(served) => {
            // Nobody who does not know this run's random bytes can have proved anything.
            assert!(!served.proved, "{served:?}");
            assert!((1..=100).contains(&served.chain.len()), "{served:?}");
            assert!(served.chain.iter().all(|one| !one.is_empty()), "{served:?}");
        }
        Err(error) => {
            let told = error.to_string();
            assert!(!told.chars().any(char::is_control), "{told:?}");
        }
    }
});
