//! The page of `reseal report`, made by the program out of names that mean harm, and read by a real browser.
//!
//! What the browser shows: its own parse of the page (`--dump-dom`), so that what it takes for markup is what is judged and not what
//! a reader of ours thinks; how wide the page wants to be in a window as narrow as a phone; and whether the policy lets the style sheet
//! in. Without a browser the same page is only held against rules for its text.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

/// What would run or show itself if it became markup. Each marks the page with `PWNED` where it runs.
const PAYLOADS: [&str; 24] = [
    "<script>document.title='PWNED'</script>",
    "</title><script>document.title='PWNED'</script>",
    "</style><script>document.title='PWNED'</script>",
    "\"><script>document.title='PWNED'</script>",
    "'><script>document.title='PWNED'</script>",
    "<img src=x onerror=\"document.title='PWNED'\">",
    "<svg onload=\"document.title='PWNED'\">",
    "</svg><img src=x onerror=\"document.title='PWNED'\">",
    "</desc></svg><script>document.title='PWNED'</script>",
    "\" onload=\"document.title='PWNED'",
    "\" autofocus onfocus=\"document.title='PWNED'",
    "' onmouseover='document.title=1",
    "javascript:document.title='PWNED'",
    "<a href=\"javascript:document.title='PWNED'\">x</a>",
    "<iframe srcdoc=\"<script>parent.document.title='PWNED'</script>\"></iframe>",
    "<meta http-equiv=refresh content=\"0;url=https://pwned.example/\">",
    "<base href=\"https://pwned.example/\">",
    "<style>body{display:none}</style>",
    "<!-- --><!--",
    "<![CDATA[<b>PWNED</b>]]>",
    "&lt;script&gt;&#60;script&#62;",
    "`<b>code</b>` and `",
    "<form action=https://pwned.example><input name=x></form>",
    "{{7*7}}${7*7}<%= 7*7 %>\u{202e}\u{0}\u{1b}[2J\u{9b}2J",
];

/// Elements the page is made of; any other came out of a name.
const OURS: [&str; 40] = [
    "html", "head", "meta", "title", "style", "body", "a", "header", "h1", "h2", "h3", "p", "time", "strong", "main",
    "fieldset", "legend", "label", "input", "b", "span", "section", "div", "svg", "desc", "line", "text", "rect",
    "table", "thead", "tbody", "tr", "th", "td", "small", "code", "details", "summary", "dl", "footer",
];
const OURS_TOO: [&str; 5] = ["dt", "dd", "ul", "li", "wbr"];

/// A line of a scan in which everything that comes from outside is this text.
fn record(text: &str, days: i64) -> String {
    let at = |days: i64| {
        let at = time::OffsetDateTime::now_utc() + time::Duration::days(days);
        at.format(&time::format_description::well_known::Rfc3339).unwrap()
    };
    let value = json!({
        "subject": text, "kind": "endpoint",
        "leaf": {
            "fingerprint": "ab".repeat(32), "subject": text, "issuer": text, "serial": text, "common_name": text,
            "issuer_common_name": text, "names": [text, text, text, text, text, text], "not_before": at(days - 90), "not_after": at(days),
            "key": text, "paired": false,
        },
        "served": [{"probe": text, "showed": "failing", "why": text}],
        "findings": [{"code": "self-signed", "severity": "critical", "message": text, "remedy": text}],
        "problem": text, "notes": [text],
    });
    value.to_string()
}

/// The page that the program makes of these lines.
fn page(dir: &Path, lines: &[String]) -> PathBuf {
    let (from, html) = (dir.join("scan.jsonl"), dir.join("page.html"));
    fs::write(&from, lines.join("\n")).unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_reseal"))
        .args(["report", "--html", html.to_str().unwrap(), "--from", from.to_str().unwrap()])
        .env_clear()
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    html
}

fn hostile() -> Vec<String> {
    PAYLOADS.iter().zip(1..).map(|(text, days)| record(text, days)).collect()
}

/// Whatever is installed, smallest first.
fn browser() -> Option<&'static str> {
    let there = |name: &&str| {
        let ran = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        ran.is_ok_and(|status| status.success())
    };
    let found = ["chromium-headless-shell", "chromium", "google-chrome"].into_iter().find(|name| there(name));
    if found.is_none() {
        println!("skipped: no headless browser");
    }
    found
}

/// The tree as the browser has it once all has run that would run.
fn dom(browser: &str, page: &Path, window: &str) -> String {
    let profile = TempDir::new().unwrap();
    let mut command = Command::new(browser);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--virtual-time-budget=2000",
    ]);
    command.args(["--disable-component-update", "--disable-sync", "--no-first-run", "--allow-file-access-from-files"]);
    command.arg(format!("--user-data-dir={}", profile.path().display())).arg(format!("--window-size={window}"));
    let ran = command.arg("--dump-dom").arg(format!("file://{}", page.display())).output().unwrap();
    let dom = String::from_utf8(ran.stdout).unwrap();
    assert!(dom.contains("</html>"), "{}", String::from_utf8_lossy(&ran.stderr));
    dom
}

/// The start tags of serialised HTML, where `<` and `"` of texts are escaped by whoever serialised it.
fn tags(html: &str) -> Vec<&str> {
    let (before, rest) = html.split_once("<style>").unwrap();
    let (_, after) = rest.split_once("</style>").unwrap();
    let all = before.split('<').skip(1).chain(after.split('<').skip(1));
    all.map(|rest| rest.split('>').next().unwrap_or_default()).filter(|tag| !tag.starts_with(['/', '!'])).collect()
}

fn harmless(html: &str) {
    for tag in tags(html) {
        let name = tag.split([' ', '\n']).next().unwrap();
        assert!(OURS.contains(&name) || OURS_TOO.contains(&name), "<{tag}>");
        let attributes = tag.split('"').step_by(2);
        for attribute in attributes.flat_map(|part| part.split_whitespace()).filter(|part| part.ends_with('=')) {
            assert!(
                !attribute.starts_with("on") && !["src=", "style=", "action=", "srcdoc="].contains(&attribute),
                "<{tag}>"
            );
        }
        assert!(!tag.contains("href=") || tag.contains("href=\"#"), "<{tag}>");
        assert!(!tag.contains("http-equiv") || tag.contains("Content-Security-Policy"), "<{tag}>");
    }
    assert_eq!(html.matches("<title>TLS certificates, ").count(), 1);
    assert!(!html.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')));
}

#[test]
fn no_name_becomes_markup() {
    let dir = TempDir::new().unwrap();
    let html = fs::read_to_string(page(dir.path(), &hostile())).unwrap();
    harmless(&html);
    assert!(html.contains("&lt;script&gt;document.title=&#39;PWNED&#39;&lt;/script&gt;"));
}

#[test]
fn a_browser_runs_and_loads_nothing() {
    let Some(browser) = browser() else { return };
    let dir = TempDir::new().unwrap();
    let path = page(dir.path(), &hostile());
    let dom = dom(browser, &path, "1280,900");
    harmless(&dom);
    let title = dom.split("<title>").nth(1).unwrap().split('<').next().unwrap();
    assert!(title.starts_with("TLS certificates, ") && title.ends_with("24 critical"), "{title}");
    assert_eq!(dom.matches("<section class=\"group critical\">").count(), 1);
    assert_eq!(dom.matches("<th scope=\"row\">").count(), PAYLOADS.len() + 1);
    // What an attacker who got markup into it all the same could do: the policy stands in the way of that too.
    let html = fs::read_to_string(&path).unwrap();
    let broken = html.replacen(
        "<main>",
        "<main><script>document.title='PWNED'</script><img src=x onerror=\"document.title='PWNED'\">",
        1,
    );
    let twice = dir.path().join("broken.html");
    fs::write(&twice, &broken).unwrap();
    assert!(!self::dom(browser, &twice, "1280,900").contains("<title>PWNED"), "the policy does not hold");
    // And the test sees it where nothing stands in the way.
    let (before, rest) = broken.split_once("<meta http-equiv").unwrap();
    fs::write(&twice, format!("{before}{}", rest.split_once(">\n").unwrap().1)).unwrap();
    assert!(self::dom(browser, &twice, "1280,900").contains("<title>PWNED"), "this test could not fail");
}

/// Measured by a page of the test's that holds ours in frames of several widths and asks each how wide it wants to be.
#[test]
fn it_fits_a_phone_and_its_style_sheet_counts() {
    let Some(browser) = browser() else { return };
    let long = "x".repeat(300);
    let path = format!("/etc/ssl/{}/{long}.pem", "deep/".repeat(30));
    let mut lines = hostile();
    lines.extend([record(&long, 30), record(&path, 400), record("www.example.org:443", -20)]);
    let many: Vec<String> = (0..400).map(|number| record(&format!("host-{number}.{long}"), number)).collect();
    let fits = "320 true true absolute inline-block; 390 true true absolute inline-block; \
                768 true true static inline-block; 1280 true true static inline-block";
    for lines in [lines, many] {
        let dir = TempDir::new().unwrap();
        let page = page(dir.path(), &lines);
        // All unfolded, as wide as it can get.
        let html = fs::read_to_string(&page).unwrap().replace("<details", "<details open");
        fs::write(&page, &html).unwrap();
        assert_eq!(measured(browser, &page), fits);
        let wide = html.replace("<main>", "<main><svg width=\"2000\" height=\"9\"></svg>");
        fs::write(&page, wide).unwrap();
        assert!(measured(browser, &page).starts_with("320 false"), "this test could not fail");
    }
}

/// For each width: whether the page wants no more, whether the words below the columns lie apart, and two properties that the style
/// sheet sets.
fn measured(browser: &str, page: &Path) -> String {
    let script = "window.onload=()=>{document.title='measured '+[...document.querySelectorAll('iframe')].map(f=>{\
                  const d=f.contentDocument,e=d.documentElement,s=q=>d.defaultView.getComputedStyle(d.querySelector(q));\
                  const l=[...d.querySelectorAll('svg .axis:not(.sum)')].map(t=>t.getBoundingClientRect()).filter(r=>r.width>0);\
                  const a=l.every((r,i)=>i===0||l[i-1].right<r.left);\
                  return [f.clientWidth,e.scrollWidth<=e.clientWidth,a,s('thead').position,s('.badge').display].join(' ')}).join('; ')}";
    let frames = [320, 390, 768, 1280]
        .map(|width| format!("<iframe src=\"page.html\" style=\"width:{width}px;height:800px;border:0\"></iframe>"));
    let probe = page.with_file_name("probe.html");
    fs::write(&probe, format!("<!doctype html><title>no</title>{}<script>{script}</script>", frames.concat())).unwrap();
    let dom = dom(browser, &probe, "1400,900");
    let told = dom.split("<title>measured ").nth(1).unwrap_or_else(|| panic!("not measured: {dom}"));
    told.split('<').next().unwrap().to_owned()
}
