//! The ledger and the manifests of generations.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reseal::engine::fuzzed::hold;

fuzz_target!(|data: &[u8]| hold(data));
