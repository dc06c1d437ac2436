//! The journal: as it stands, and as if every line had its checksum, which no fuzzer guesses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reseal::digest::Digest;
use reseal::engine::fuzzed::replayed;

fuzz_target!(|data: &[u8]| {
    drop(replayed(data));
    let mut sealed = Vec::new();
    for json in data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        sealed.extend_from_slice(format!("{} ", Digest::of(json)).as_bytes());
        sealed.extend_from_slice(json);
        sealed.push(b'\n');
    }
    let Some(written) = replayed(&sealed) else { return };
    assert_eq!(replayed(&written).as_ref(), Some(&written), "what was understood is understood again");
    // Torn anywhere, it holds every whole line before.
    for cut in (0..written.len()).step_by(written.len() / 16 + 1) {
        let torn = replayed(&written[..cut]).expect("a torn end was never acted upon");
        let whole = written[..cut].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        assert!(torn == written[..whole], "cut at {cut}");
    }
});
