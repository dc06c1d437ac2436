//! The formats for programs that watch, and the page.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::bench::{Bench, Leaf};

/// A name with something in it for every format.
const EVIL: &str = "x\u{1b}]52;c;Y3VybA==\u{7}\u{9b}2J\u{202e}|days=9\"\\}{<script>'\nSSL_CERT OK - y";

fn acts(c: char) -> bool {
    !"\n\r".contains(c) && (c.is_control() || "\u{202e}\u{200b}".contains(c))
}

#[test]
fn nagios_has_its_own_exit_codes() {
    let bench = Bench::new();
    let nagios = |more: &[&str]| bench.run(&[&["check", "--format", "nagios"], more].concat());
    nagios(&[]).ends(2).says("SSL_CERT CRITICAL - web: self-signed: www.example.org signed itself");
    let (good, _) = bench.bring("good", &Leaf { days: 89, ..Leaf::default() });
    let ran = nagios(&[&good]).ends(0);
    let (text, values) = ran.out.trim_end().split_once('|').unwrap();
    assert!(
        text.starts_with(&format!(
            "SSL_CERT OK - {good}, x509 certificate 'www.example.org' from 'test CA' valid until "
        ))
    );
    assert!(text.ends_with("(expires in 88 days)") && values.starts_with("days=88.99;20;13.62;;"), "{text}|{values}");
    nagios(&["-w", "90", "-c", "20d", &good]).ends(1).says("ends in 88.99 days, which is less than 90");
    nagios(&["-w", "100", "-c", "90.5", &good]).ends(2);
    nagios(&["-w", "90%", "-c", "80%", &good]).ends(1);
    nagios(&["-w", "50%", "-c", "10%", &good]).ends(0);
    nagios(&["./none.pem"]).ends(3).says("SSL_CERT UNKNOWN - ");
    // None of these may be taken for a warning or worse.
    nagios(&["-w", "soon"]).ends(3).says("SSL_CERT UNKNOWN - invalid value 'soon'");
    nagios(&["-w", "5", "-c", "10"]).ends(3).says("nobody would ever be warned");
    nagios(&["wbe"]).ends(3).says("there is no target `wbe`");
    bench.run(&["--format", "nagios", "status"]).ends(3).says("not for this verb");
    bench.configure("colour = 1\n");
    nagios(&[]).ends(3).says("cannot use the configuration");
    bench.run(&["check", "--format=nagios", "--no-such"]).ends(3).says("SSL_CERT UNKNOWN");
}

#[test]
fn thresholds_and_formats_are_not_passed_over() {
    let bench = Bench::new();
    bench.run(&["check", "-w", "20"]).ends(2).warns("with `--format nagios` alone");
    for format in ["csv", "jsonl", "prometheus"] {
        let ran = bench.run(&["--format", format, "backups"]).ends(2).warns("not for this verb");
        assert_eq!(ran.out, "", "{format}");
        let ran = bench.run(&["--format", format, "check", "wbe"]).ends(2).warns("there is no target `wbe`");
        assert_eq!(ran.out, "", "{format}");
    }
}

#[test]
fn hostile_names_in_every_format() {
    let bench = Bench::new();
    let (evil, _) = bench.bring("evil", &Leaf { common_name: EVIL, self_signed: true, ..Leaf::default() });
    let run = |format: &str| {
        let ran = bench.run(&["check", "--format", format, &evil]);
        assert!(!ran.out.chars().chain(ran.err.chars()).any(acts), "{format}: {:?}", ran.out);
        ran.out
    };
    let text = run("text");
    assert!(text.contains("control characters: x\\u{1b}]52") && !text.contains("\\n"), "one way for what acts: {text}");
    let text = run("nagios");
    assert_eq!((text.matches('|').count(), text.lines().count()), (1, 2), "{text}");
    assert!(text.lines().all(|line| line.contains("CRITICAL") && !line.contains('<')), "{text}");
    let text = run("prometheus");
    assert!(text.lines().all(|line| ["# ", "x509_", "reseal_"].iter().any(|begin| line.starts_with(begin))), "{text}");
    assert!(text.contains("|days=9\\\"\\\\}{<script>'\\\\u{a}SSL_CERT OK - y\""), "{text}");
    let text = run("csv");
    assert_eq!(text.matches("\r\n").count(), 2, "{text}");
    let text = run("jsonl");
    assert_eq!(text.lines().count(), 1);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["leaf"]["common_name"], EVIL);
}

#[test]
fn prometheus_gets_a_whole_file() {
    let bench = Bench::new();
    let file = bench.path("reseal.prom");
    let write = || bench.run(&["check", "--format", "prometheus", "--output", file.to_str().unwrap()]);
    let ran = write().ends(3);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o644);
    for line in [
        "# TYPE x509_cert_not_after gauge\nx509_cert_not_after{target=\"web\",serial_number=\"",
        "\",subject_CN=\"www.example.org\",issuer_CN=\"www.example.org\"} ",
        "\nx509_read_errors 0\n",
        "\nreseal_findings{target=\"web\",code=\"self-signed\",severity=\"critical\"} 1\n",
        "\nreseal_checked{target=\"web\"} 1\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let serial = text.split("serial_number=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(serial.len() > 5 && serial.bytes().all(|b| b.is_ascii_digit()), "{serial}");
    // A run that cannot begin leaves what is there, and says so.
    bench.configure("colour = 1\n");
    write().ends(2).warns("cannot use the configuration");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    bench.configure("");
    let link = bench.path("link.prom");
    symlink("web.key", &link).unwrap();
    bench.run(&["check", "--format", "prometheus", "-o", "link.prom"]).ends(4).warns("no regular file is there");
    bench.run(&["check", "--format", "nagios", "-o", "none/x"]).ends(3).warns("cannot open the directory");
    for format in ["prometheus", "csv", "jsonl"] {
        let absent = bench.run(&["--config", "gone.toml", "check", "--format", format]).ends(2);
        absent.warns("`reseal --config gone.toml init` writes a first one");
    }
    bench.run(&["check", "--format", "csv", "-o", "x.csv", "--dry-run"]).ends(3).says("subject,kind,standing,");
    assert!(link.is_symlink() && !bench.path("x.csv").exists());
}

#[test]
fn a_line_for_each_subject_that_a_page_is_made_of() {
    let bench = Bench::new();
    let (certificate, _) = bench.bring("good", &Leaf::default());
    bench.run(&["check", "--format", "jsonl", "web", &certificate, "-o", "found.jsonl"]).ends(3);
    let text = fs::read_to_string(bench.path("found.jsonl")).unwrap();
    let object = bench.json(&["check", "web", &certificate]);
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(object["results"], serde_json::Value::Array(lines));

    let saved = bench.json(&["report", "--html", "page.html", "--from", "found.jsonl"]);
    assert_eq!(saved["results"][0]["subjects"], 2);
    assert_eq!(saved["results"][0]["standings"], serde_json::json!({"critical": 1, "note": 1}));
    let page = fs::read_to_string(bench.path("page.html")).unwrap();
    assert_eq!(saved["results"][0]["bytes"], page.len());
    assert!(page.contains("self-signed") && page.starts_with("<!doctype html>"));
    // The same without the detour, but for the minute.
    bench
        .run(&["report", "--html", "direct.html", "web", &certificate])
        .ends(0)
        .says("wrote ")
        .says("2 looked at: 1 critical, 1 note");
    let rest = |page: &str| page.split("</header>").nth(1).unwrap().to_owned();
    assert_eq!(rest(&fs::read_to_string(bench.path("direct.html")).unwrap()), rest(&page));
    assert!(page.contains("<p>2 from <strong>found<wbr>.jsonl</strong>, written <time"), "{page}");
    bench.run(&["report", "--html", "all.html"]).ends(0).says("1 looked at: 1 critical");
    bench.run(&["report", "--html", "dry.html", "--dry-run"]).ends(0).says("would write");
    assert!(!bench.path("dry.html").exists());
    assert_eq!(bench.run(&["-q", "report", "--html", "all.html"]).ends(0).out, "");
    bench.run(&["report", "--html", "x.html", "--from", "web.pem"]).ends(4).warns("line 1 is no result of `check`");
    bench.run(&["report", "--html", "x.html", "wbe"]).ends(2).warns("there is no target `wbe`");
    bench.run(&["report", "--html", "/dev/null"]).ends(4).warns("no regular file");
}

#[test]
fn no_report_replaces_what_it_is_made_of() {
    let bench = Bench::new();
    let (certificate, _) = bench.bring("good", &Leaf::default());
    let before = fs::read(&certificate).unwrap();
    let refused = "it holds a certificate or a key";
    bench.run(&["check", &certificate, "-o", &certificate]).ends(2).warns("is to be checked");
    bench.run(&["check", "web", "--format", "csv", "-o", &certificate]).ends(4).warns(refused);
    bench.run(&["report", "--html", &certificate]).ends(4).warns(refused);
    bench.run(&["report", "--html", &certificate, &certificate]).ends(2).warns("of which it is made");
    assert_eq!(fs::read(&certificate).unwrap(), before);
    bench.run(&["check", "--format", "jsonl", &certificate, "-o", "found.jsonl"]);
    let found = fs::read(bench.path("found.jsonl")).unwrap();
    fs::hard_link(bench.path("found.jsonl"), bench.path("again.jsonl")).unwrap();
    for page in ["found.jsonl", "./found.jsonl", "again.jsonl"] {
        bench.run(&["report", "--html", page, "--from", "found.jsonl"]).ends(2).warns("of which it is made");
    }
    assert_eq!(fs::read(bench.path("found.jsonl")).unwrap(), found);
}

#[test]
fn no_report_replaces_what_is_none() {
    let bench = Bench::new();
    let conf = "events {}\nhttp { server { listen 443 ssl; } }\n";
    bench.write("nginx.conf", conf, 0o644);
    let ran = bench.run(&["report", "--html", "nginx.conf", "web"]).ends(4).warns("it is no page that reseal wrote");
    assert!(!ran.err.contains("hint: name a file in"), "no second advice beside the first: {}", ran.err);
    for format in ["text", "json", "jsonl", "csv", "prometheus"] {
        let line = ["check", "web", "--format", format, "--output", "nginx.conf"];
        bench.run(&line).warns("cannot replace").warns("it is no result of `check`");
    }
    bench.run(&["csr", "web", "--out", "nginx.conf"]).ends(4).warns("something else than one certificate request");
    assert_eq!(fs::read_to_string(bench.path("nginx.conf")).unwrap(), conf);
    // What reseal wrote it writes anew, in whatever format.
    for format in ["text", "json", "jsonl", "csv", "prometheus", "nagios", "text"] {
        let ran = bench.run(&["check", "web", "--format", format, "--output", "own"]);
        assert_eq!(ran.err, "", "{format}");
    }
    for _ in 0..2 {
        bench.run(&["report", "--html", "page.html", "web"]).ends(0);
    }
    bench.run(&["report", "--html", "own", "web"]).ends(4);
    bench.run(&["report", "--html", "-", "web"]).ends(2).warns("`-` is no file");
}

#[test]
fn a_run_that_failed_makes_no_page() {
    let bench = Bench::new();
    let failed = bench.run(&["check", "--format", "json", "wbe"]).ends(2).out.clone();
    fs::write(bench.path("failed.json"), failed).unwrap();
    bench
        .run(&["report", "--html", "x.html", "--from", "failed.json"])
        .ends(4)
        .warns("tells of a run that failed")
        .warns("there is no target `wbe`");
    assert!(!bench.path("x.html").exists());
}

/// Whoever names a file wants to hear of a certificate: where there is none, no format says that all is well.
#[test]
fn a_key_alone_is_the_same_in_every_format() {
    let bench = Bench::new();
    let (_, key) = bench.bring("good", &Leaf::default());
    let check = |format: &str| bench.run(&["check", "--format", format, &key]);
    check("text").ends(3).says("no-certificate").says("1 checked: 1 with findings (1 critical, 0 warnings, 0 notes)");
    check("csv").ends(3).says(",file,critical,");
    check("jsonl").ends(3).says("\"no-certificate\"");
    check("prometheus").ends(3).says("code=\"no-certificate\",severity=\"critical\"} 1");
    check("nagios").ends(2).says("SSL_CERT CRITICAL - ");
    // One root has an end to be judged by, several have not.
    let root = || {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Root");
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    };
    let one = bench.write("one.pem", &root(), 0o644);
    let two = bench.write("two.pem", &format!("{}{}", root(), root()), 0o644);
    bench.run(&["check", &one, &two]).ends(0).says("2 checked: no findings");
    bench.run(&["check", "--format", "nagios", &one]).ends(0).says("SSL_CERT OK");
    bench.run(&["check", "--format", "nagios", &two]).ends(3).says("SSL_CERT UNKNOWN");
}

/// A person brings what has no source: the advice is a command that works for it.
#[test]
fn what_has_no_source_is_told_and_is_no_failure() {
    let bench = Bench::new();
    let ran = bench.run(&["check", "web"]).ends(3).says("it has no source to get another from");
    assert!(ran.out.contains(" install web --cert FILE --key FILE`") && !ran.out.contains(" renew`"), "{}", ran.out);
    let ran = bench.run(&["maintain"]).ends(3).says("it has no source: `").says(" install web --cert FILE --key FILE`");
    assert!(!ran.err.contains("refused"), "{}", ran.err);
    bench.run(&["renew", "web"]).ends(4).warns("no source is configured");
    let (certificate, key) = bench.bring("good", &Leaf::default());
    bench.run(&["install", "web", "--cert", &certificate, "--key", &key]).ends(0);
    bench.run(&["maintain"]).ends(0);
}

#[test]
fn the_rules_are_for_all_of_it() {
    let (page, rules) = (include_str!("../../docs/monitoring.md"), include_str!("../../fixtures/notify/alerts.yml"));
    for name in [
        "reseal_last_run_timestamp_seconds",
        "reseal_last_success_timestamp_seconds",
        "reseal_last_check_timestamp_seconds",
        "reseal_outcomes_total",
        "reseal_notify_failing",
        "reseal_findings",
        "reseal_served",
        "reseal_checked",
        "x509_read_errors",
        "x509_cert_not_after",
    ] {
        let used = |line: &str| line.trim_start().starts_with("expr: ") && line.contains(name);
        assert!(rules.lines().any(used) && page.contains(name), "{name}");
    }
    let rule = |text: &str| {
        let after = text.split("alert: NoCertificateShown\n").nth(1).unwrap();
        after.lines().next().unwrap().trim().to_owned()
    };
    assert_eq!(rule(rules), rule(page));
    // What is about a subject names it, be it a target, a server or a file.
    for (alert, rest) in rules.split("- alert: ").skip(1).filter_map(|rule| rule.split_once('\n')) {
        let of_subject = ["reseal_findings", "reseal_served", "reseal_checked", "x509_cert"];
        if of_subject.iter().any(|name| rest.contains(name)) {
            assert!(rest.contains("{{ $labels.target }}{{ $labels.endpoint }}{{ $labels.filepath }}"), "{alert}");
        }
    }
}

#[test]
fn the_page_on_monitoring_tells_what_there_is() {
    let page = include_str!("../../docs/monitoring.md");
    for column in reseal::report::csv::HEADER {
        assert!(page.contains(&format!("`{column}`")), "{column}");
    }
    let text = reseal::report::prometheus::render(&[], time::OffsetDateTime::UNIX_EPOCH);
    for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}
