use std::fs;
use std::os::unix::fs::PermissionsExt;

use time::macros::datetime;

use super::*;
use crate::assess::Severity;
use crate::config::On;
use crate::digest::Digest;
use crate::host::watch::Watch;

const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

fn record() -> Record {
    let what = Condition::new(On::Finding, "web", "self-signed", Severity::Critical, "web signed itself", NOW);
    let mut record = Record::begun();
    let past = Past { told: BTreeMap::from([(what.key(), 7)]), delivered: Some(NOW), failing: None };
    record.open.insert(what.key(), Open { what: what.hinting(Some("renew it")), gone: None });
    record.channels.insert("ops".to_owned(), past);
    let failing = Failing { since: NOW, why: "it answers HTTP 500".to_owned(), hint: None, partly: false };
    record.channels.insert("chat".to_owned(), Past { failing: Some(failing), ..Past::default() });
    record.outcomes.entry("web".to_owned()).or_default().insert("committed".to_owned(), 3);
    record.last_success = Some(NOW);
    record
}

fn parse(bytes: &[u8]) -> Result<Record, RecordError> {
    Record::parse(bytes, PathBuf::from("/r"))
}

#[test]
fn it_is_read_as_it_was_written_and_every_change_is_seen() {
    let record = record();
    let bytes = record.bytes();
    assert_eq!(parse(&bytes).unwrap(), record);
    for length in 0..bytes.len() {
        assert!(matches!(parse(&bytes[..length]), Err(RecordError::Damaged { .. })), "torn after {length}");
    }
    for index in (0..bytes.len()).step_by(7) {
        let mut edited = bytes.clone();
        edited[index] ^= 1;
        assert!(parse(&edited).is_err(), "byte {index}");
    }
}

#[test]
fn one_of_a_newer_program_is_told_apart_from_a_damaged_one() {
    let sealed = |json: &str| format!("{} {json}\n", Digest::of(json.as_bytes()));
    let newer = sealed(r#"{"format":2,"whatever":[1]}"#);
    assert!(matches!(parse(newer.as_bytes()), Err(RecordError::Newer { .. })));
    assert!(matches!(parse(sealed("{}").as_bytes()), Err(RecordError::Damaged { .. })));
}

/// Records of every format that was ever written stay readable.
#[test]
fn a_record_of_format_one_is_read() {
    let bytes = include_bytes!("../../../fixtures/notify/format-1");
    assert_eq!(parse(bytes).unwrap(), record());
    assert_eq!(record().bytes(), bytes);
}

#[test]
fn a_kill_at_any_call_leaves_the_old_one_or_the_new_one() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let mut whole = false;
    for last in 0..30 {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let before = Record::begun();
        before.write(&Host::new(&state)).unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let watch = Watch::with(move |_| {
            let index = count.fetch_add(1, Ordering::SeqCst);
            if index >= last { Err(std::io::Error::from_raw_os_error(28)) } else { Ok(()) }
        });
        let host = Host::new(&state).with_watch(watch);
        let written = record().write(&host);
        let after = Record::read(&Host::new(&state)).unwrap().unwrap();
        assert!(after == before || after == record(), "after {last} calls");
        if written.is_ok() {
            assert_eq!(after, record());
            whole = true;
            break;
        }
        // What was left is in nobody's way.
        record().write(&Host::new(&state)).unwrap();
        let left: Vec<_> = fs::read_dir(state.join("notify")).unwrap().map(|one| one.unwrap().file_name()).collect();
        assert_eq!(left, ["record"]);
        let mode = fs::metadata(state.join("notify/record")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }
    assert!(whole);
}
