//! Doors for the fuzzer, which no program has: what lies on disk read, and what was understood of it written again.

use super::journal::{Replay, replay};
use super::ledger::{Ledger, following};
use super::vault::Manifest;
use crate::digest::Digest;
use crate::outcome::Receipt;
use crate::sealed;

/// What holds of a journal, written anew: nothing where no transaction had begun; `None` where it cannot be believed.
#[must_use]
pub fn replayed(bytes: &[u8]) -> Option<Vec<u8>> {
    match replay(bytes) {
        Replay::Unbegun => Some(Vec::new()),
        Replay::Unreadable { .. } => None,
        Replay::Under(transaction) => {
            let mut written = sealed::line(&transaction.begin).ok()?;
            for mark in &transaction.marks {
                written.extend(sealed::line(mark).ok()?);
            }
            Some(written)
        }
    }
}

/// What a manifest says, written anew; `None` where it cannot be believed.
#[must_use]
pub fn manifest(bytes: &[u8]) -> Option<Vec<u8>> {
    let any: Manifest = sealed::open(bytes)?;
    sealed::line(&Manifest::of(bytes, any.generation).ok()?).ok()
}

/// How many receipts a ledger tells, and how many of its lines are damaged.
#[must_use]
pub fn told(bytes: &[u8]) -> (usize, usize) {
    let ledger = Ledger::of(bytes);
    (ledger.receipts.len(), ledger.broken.len())
}

/// The ledger with this receipt behind its whole lines; `None` where it has it already, or it is none.
#[must_use]
pub fn chained(ledger: &[u8], receipt: &[u8]) -> Option<Vec<u8>> {
    let receipt: Receipt = serde_json::from_slice(receipt).ok()?;
    let line = following(ledger, &receipt).ok()??;
    Some([whole_lines(ledger), &line].concat())
}

/// The receipts of a ledger, written anew.
#[must_use]
pub fn read_back(ledger: &[u8]) -> Vec<u8> {
    Ledger::of(ledger).receipts.iter().fold(Vec::new(), |written, receipt| {
        let line = following(&written, receipt).ok().flatten();
        [written, line.unwrap_or_default()].concat()
    })
}

/// Holds what must be true of any bytes, as a ledger and as manifests: as they stand, and as if every line had its checksum and followed
/// the line before it, which nobody guesses.
///
/// # Panics
/// It is not true.
pub fn hold(data: &[u8]) {
    let mut sealed = Vec::new();
    let mut lines: Vec<&[u8]> = Vec::new();
    // As many as take no long time to hold against one another.
    for json in data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).take(50) {
        let line = [format!("{} ", Digest::of(json)).as_bytes(), json, b"\n"].concat();
        if let Some(written) = manifest(&line) {
            assert_eq!(manifest(&written).as_ref(), Some(&written), "what was understood is understood again");
        }
        sealed.extend_from_slice(&line);
        lines.push(json);
    }
    for ledger in [data, sealed.as_slice()] {
        for json in &lines {
            let Some(longer) = chained(ledger, json) else { continue };
            let (receipts, damaged) = told(ledger);
            assert_eq!(told(&longer), (receipts + 1, damaged), "whatever stands there, a receipt follows it");
            assert_eq!(chained(&longer, json), None, "and not twice");
        }
    }
    let written = lines.iter().fold(Vec::new(), |ledger, json| chained(&ledger, json).unwrap_or(ledger));
    let count = written.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(told(&written), (count, 0), "receipts alone are a ledger without damage");
    assert_eq!(read_back(&written), written, "what was understood is written the same");
    for cut in (0..written.len()).step_by(written.len() / 16 + 1) {
        let torn = &written[..cut];
        assert_eq!(told(torn), told(whole_lines(torn)), "torn at {cut}, it holds every whole line before");
    }
}

fn whole_lines(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RECEIPT: &str = r#"{"target":"web","generation":2,"verb":"install","at":"2026-01-02T03:04:05Z","actor":"uid 0","why":"a","end":{"end":"accepted"}}"#;
    const MANIFEST: &str = r#"{"format":1,"target":"web","generation":1,"taken":"2026-01-02T03:04:05Z","origin":"found","slots":[],"leaf":null,"apply":{},"probes":[]}"#;

    #[test]
    fn the_doors_lead_somewhere() {
        let line =
            |json: &str| [format!("{} ", Digest::of(json.as_bytes())).as_bytes(), json.as_bytes(), b"\n"].concat();
        assert_eq!(manifest(&line(MANIFEST)).unwrap(), line(MANIFEST));
        assert_eq!(manifest(&line(&MANIFEST.replace(":1,", ":9,"))), None, "of a newer format");
        let ledger = chained(b"", RECEIPT.as_bytes()).unwrap();
        assert_eq!((told(&ledger), chained(&ledger, RECEIPT.as_bytes())), ((1, 0), None));
    }

    proptest! {
        #[test]
        fn what_holds_of_any_bytes_holds(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just(RECEIPT.to_owned()), Just(RECEIPT.replace("web", "mail")), Just(MANIFEST.to_owned()), Just("\n".to_owned()),
                    Just("\n\n".to_owned()), Just("{}".to_owned()), (0_u32..9).prop_map(|n| RECEIPT.replace(":2", &format!(":{n}"))),
                    "[a-z\"{}:,]{0,9}",
                ],
                0..20,
            )
        ) {
            hold(parts.concat().as_bytes());
        }
    }
}
