use super::*;
use crate::assess::Code;
use crate::report::escape::acts;
use crate::report::specimen::{HOSTILE, NOW, endpoint, hostile};

fn page(all: &[Checked]) -> String {
    render(all, &Look::Now(NOW))
}

/// The start tags of a page, each with its attributes; whoever wrote `<` or `"` as text does not show up here.
fn tags(html: &str) -> Vec<String> {
    let html = html.replacen(STYLE, "", 1);
    html.split('<')
        .skip(1)
        .map(|rest| rest.split('>').next().unwrap().to_owned())
        .filter(|tag| !tag.starts_with('/'))
        .collect()
}

#[test]
fn nothing_hostile_becomes_markup() {
    let harmless: Vec<Checked> = HOSTILE.iter().map(|_| hostile("x")).collect();
    let all: Vec<Checked> = HOSTILE.iter().map(|text| hostile(text)).collect();
    let html = page(&all);
    assert!(!html.replace('\n', "").chars().any(acts));
    // The empty name leaves rows of facts out; everything else is as it would be for a good name.
    let names = |html: &str| -> Vec<String> {
        let names = tags(html).into_iter().map(|tag| tag.split_whitespace().next().unwrap().to_owned());
        names.filter(|name| !["dt", "dd", "code", "wbr"].contains(&name.as_str())).collect()
    };
    assert_eq!(names(&html), names(&page(&harmless)));
    for tag in tags(&html) {
        assert!(!tag.contains("script") && !tag.contains(" on") && !tag.contains(" style="), "{tag}");
        assert!(!tag.contains("src=") && (!tag.contains("href=") || tag.contains("href=\"#")), "{tag}");
    }
}

#[test]
fn the_policy_lets_this_style_sheet_in_and_nothing_else() {
    let html = page(&[endpoint("a", 60, &[])]);
    let content = html.split("Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    let content = content.replace("&#39;", "'");
    assert_eq!(content, policy::policy(STYLE));
    let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    assert_eq!(style, STYLE);
    assert!(html.find("Content-Security-Policy").unwrap() < html.find("<style>").unwrap());
    for word in ["url(", "@import", "http", "</"] {
        assert!(!STYLE.contains(word), "{word}");
    }
}

#[test]
fn what_is_told() {
    let all = [
        endpoint("good.example", 60, &[]),
        endpoint("bad.example", -3, &[Code::Expired, Code::RootSent]),
        Checked { leaf: None, problem: Some("cannot read it".to_owned()), ..endpoint("none.example", 1, &[]) },
    ];
    let html = page(&all);
    for told in [
        "<p>3 looked at on <time datetime=\"2026-11-21T12:00Z\">2026-11-21 12:00</time>",
        "The next to end is <strong>good<wbr>.example<wbr>:443</strong>, in 60 days (<time>2027-01-20</time>).",
        "<code>expired</code>",
        "3 days ago",
        "bad.example is expired",
        "clients refuse it: <code>reseal renew TARGET</code>",
        "cannot read it",
        "<th scope=\"row\">",
        "<th scope=\"col\">",
        "this one, its key proved",
    ] {
        assert!(html.contains(told), "{told}\n{html}");
    }
    let at = |text: &str| html.find(text).unwrap();
    assert!(at("<section class=\"group critical\">") < at("<section class=\"group unknown\">"));
    assert!(at("<section class=\"group unknown\">") < at("<section class=\"group good\">"));
    assert!(page(&[]).contains("Nothing was looked at."));
    let from = "/x/<found>.jsonl".to_owned();
    let look = Look::Recorded { from, written: NOW - time::Duration::days(40), now: NOW };
    let html = render(&all, &look);
    assert!(!html.contains("looked at on"), "{html}");
    assert!(html.contains(
        "<p>3 from <strong>/x<wbr>/&lt;found&gt;<wbr>.jsonl</strong>, written <time datetime=\"2026-10-12T12:00Z\">2026-10-12 12:00</time>, with"
    ), "{html}");
}

#[test]
fn five_thousand_are_no_megabytes_of_repetition() {
    let codes: [&[Code]; 4] = [&[], &[Code::Expired], &[Code::Expiring], &[]];
    let all: Vec<Checked> = (0_i64..5_000)
        .map(|number| {
            let codes = codes[usize::try_from(number).unwrap() % 4];
            endpoint(&format!("host-{number}.example"), if codes == [Code::Expired] { -5 } else { number % 400 }, codes)
        })
        .collect();
    let html = page(&all);
    assert!(html.len() < 2_500_000, "{}", html.len());
    assert_eq!(html.matches("<th scope=\"row\">").count(), 5_000 + 2, "a row each, and two kinds of findings");
    assert!(html.matches(Code::Expired.remedy().split('`').next().unwrap()).count() < 3);
    assert!(!html.contains("<details open"), "all is folded up");
}

/// WCAG 2.2 section 1.4.3, from the values of the style sheet.
#[test]
fn every_text_can_be_read_in_light_dark_and_print() {
    let blocks: Vec<&str> = STYLE.split(":root {").skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        let colour = |name: &str| {
            let value = block.split(&format!("--{name}: #")).nth(1)?.split(';').next()?;
            let long = if value.len() == 3 { value.chars().flat_map(|c| [c, c]).collect() } else { value.to_owned() };
            let channel = |at: usize| {
                let value = f64::from(u8::from_str_radix(&long[at..at + 2], 16).unwrap()) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            Some(0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4))
        };
        let mut pairs = vec![("ink", "page"), ("ink", "card"), ("soft", "page"), ("soft", "card")];
        for standing in ["critical", "warning", "unknown", "note", "good"] {
            pairs.extend([(standing, "page"), (standing, "card")]);
        }
        let tints: Vec<(String, String)> =
            Standing::ALL.iter().map(|s| (s.word().to_owned(), format!("{}-tint", s.word()))).collect();
        let pairs = pairs.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())).chain(tints);
        // What is drawn: section 1.4.11.
        for standing in Standing::ALL {
            let Some(a) = colour(&format!("bar-{}", standing.word())) else { continue };
            let b = colour("card").unwrap();
            let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            assert!(contrast >= 3.0, "{}: {contrast:.2}", standing.word());
        }
        for (text, ground) in pairs {
            let (a, b) = (colour(&text).unwrap(), colour(&ground).unwrap());
            let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            assert!(contrast >= 4.5, "{text} on {ground}: {contrast:.2}");
        }
    }
}
