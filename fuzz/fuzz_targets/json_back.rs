//! What an earlier run has written, read back and written in every way.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reseal::flow::recorded;
use reseal::outcome::Exit;
use reseal::report::escape::acts;
use reseal::report::{Answer, Body, View, csv, html, json, jsonl, nagios, prometheus, text};
use time::macros::datetime;

fuzz_target!(|data: &[u8]| {
    let now = datetime!(2026-06-01 0:00 UTC);
    let Some(all) = recorded::parsed(data, now) else { return };
    let lines: String = all.iter().map(jsonl::line).collect();
    let again = recorded::parsed(lines.as_bytes(), now).expect("what is written is read again");
    assert_eq!(again.iter().map(jsonl::line).collect::<String>(), lines);

    let shown = |text: &str| {
        let bad = text.chars().find(|c| acts(*c) && !matches!(c, '\n' | '\u{1b}'));
        assert_eq!(bad, None, "{text}");
    };
    shown(&lines);
    shown(&csv::render(&all, now).replace('\r', ""));
    shown(&prometheus::render(&all, now));
    let page = html::render(&all, &html::Look::Now(now));
    assert!(!page.contains("<script"));
    shown(&page);
    let answer = Answer { command: Some("check"), exit: Exit::Good, body: Body::Checks(all), failure: None };
    shown(&json::render(&answer));
    shown(&nagios::render(&answer, &nagios::Limits::default(), "reseal", now).text);
    for width in [None, Some(40)] {
        let view = View { now, width, program: "reseal".to_owned(), configuration: None, quiet: false };
        let text = text::render(&answer, &view);
        shown(&text.out);
        shown(&text.err);
    }
});
