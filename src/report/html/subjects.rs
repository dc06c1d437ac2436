//! Every subject, in groups by how it stands, and folded up by what is wrong or by the month of its end where a group is large.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::markup::Markup;
use super::remedies::badge;
use super::{away, told};
use crate::assess::{Finding, date};
use crate::cert::installed::Leaf;
use crate::change::Shown;
use crate::flow::check::{Checked, Seen};
use crate::report::standing::Standing;

/// Beyond so many the remedies stand in their own table alone, and only the facts one searches for are told.
const DETAILED: usize = 200;
/// Beyond so many a group is folded up.
const UNFOLDED: usize = 40;
/// How many names are shown of one that has many.
const NAMES: usize = 4;

pub fn list(all: &[Checked], now: OffsetDateTime, page: &mut Markup) {
    page.raw("<h2 id=\"subjects\">Targets, files and servers</h2>\n");
    if all.is_empty() {
        page.raw("<p>Nothing was looked at.</p>\n");
    }
    let detailed = all.len() <= DETAILED;
    for standing in Standing::ALL {
        let mut group: Vec<&Checked> = all.iter().filter(|one| Standing::of(one) == standing).collect();
        if group.is_empty() {
            continue;
        }
        group.sort_by_key(|one| one.leaf.as_ref().map(|leaf| leaf.not_after));
        page.raw("<section class=\"group ").raw(standing.word()).raw("\"><h3 id=\"").raw(standing.word()).raw("\">");
        page.raw(told(standing)).raw(" <span class=\"count\">").value(group.len()).raw("</span></h3>\n");
        if group.len() <= UNFOLDED {
            table(&group, standing, now, detailed, page);
        } else {
            let mut parts: BTreeMap<String, Vec<&Checked>> = BTreeMap::new();
            for one in group {
                parts.entry(part_of(one)).or_default().push(one);
            }
            for (name, part) in parts {
                page.raw("<details><summary>").text(&name).raw(" <span class=\"count\">").value(part.len());
                page.raw("</span></summary>\n");
                table(&part, standing, now, detailed, page);
                page.raw("</details>\n");
            }
        }
        page.raw("</section>\n");
    }
}

/// What is wrong with it, or when it ends.
fn part_of(one: &Checked) -> String {
    match (one.findings.iter().find(|finding| finding.accepted.is_none()), &one.leaf) {
        (Some(finding), _) => finding.code.name().to_owned(),
        (None, Some(leaf)) => format!("ends in {:04}-{:02}", leaf.not_after.year(), u8::from(leaf.not_after.month())),
        (None, None) => "no certificate".to_owned(),
    }
}

fn table(part: &[&Checked], standing: Standing, now: OffsetDateTime, detailed: bool, page: &mut Markup) {
    page.raw("<table class=\"subjects\" aria-labelledby=\"").raw(standing.word()).raw("\">\n<thead><tr>");
    page.raw("<th scope=\"col\">Where</th><th scope=\"col\">Certificate</th><th scope=\"col\">Ends</th>");
    page.raw("<th scope=\"col\">Findings</th></tr></thead>\n<tbody>\n");
    for one in part {
        page.raw("<tr><th scope=\"row\">").parts(&one.subject).raw("<small>").text(one.kind).raw("</small></th><td>");
        match &one.leaf {
            Some(leaf) => {
                certificate(leaf, page);
                if detailed {
                    facts(one, leaf, page);
                } else {
                    page.raw("<small>").text(&leaf.fingerprint.short()).raw("</small>");
                }
                page.raw("</td><td><time datetime=\"")
                    .text(&date(leaf.not_after))
                    .raw("\">")
                    .text(&date(leaf.not_after));
                page.raw("</time><small>").text(&away(leaf.not_after, now)).raw("</small>");
            }
            None => {
                page.raw("<span class=\"none\">none was seen</span></td><td>");
            }
        }
        page.raw("</td><td>");
        findings(one, detailed, page);
        page.raw("</td></tr>\n");
    }
    page.raw("</tbody>\n</table>\n");
}

fn certificate(leaf: &Leaf, page: &mut Markup) {
    if leaf.names.is_empty() {
        page.text(&leaf.subject);
    } else {
        page.text(&leaf.names.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", "));
        if leaf.names.len() > NAMES {
            page.raw(" and ").value(leaf.names.len() - NAMES).raw(" more");
        }
    }
    let issuer = leaf.issuer_common_name.as_deref().unwrap_or(&leaf.issuer);
    page.raw("<small>by ").text(issuer).raw("</small>");
}

/// What is asked for less often.
fn facts(one: &Checked, leaf: &Leaf, page: &mut Markup) {
    let paired = match (one.kind, leaf.paired) {
        (_, true) => ", its private key is beside it",
        ("target", false) => ", its private key is not beside it",
        (_, false) => "",
    };
    let mut rows: Vec<(&'static str, String)> = vec![
        ("Subject", leaf.subject.clone()),
        ("Issuer", leaf.issuer.clone()),
        ("Valid from", date(leaf.not_before)),
        ("Key", format!("{}{paired}", leaf.key)),
        ("Serial", leaf.serial.clone()),
        ("SHA-256", leaf.fingerprint.to_string()),
    ];
    if leaf.names.len() > NAMES {
        rows.push(("Names", leaf.names.join(", ")));
    }
    page.raw("<details class=\"facts\"><summary>Details</summary><dl>");
    let fact = |page: &mut Markup, name: &'static str, value: &str| {
        if !value.is_empty() {
            page.raw("<dt>").raw(name).raw("</dt><dd>").text(value).raw("</dd>");
        }
    };
    for (name, value) in &rows {
        fact(page, name, value);
    }
    for other in &one.further {
        let (from, to) = (date(other.not_before), date(other.not_after));
        fact(page, "Beside it", &format!("{}; {from} to {to}; {}; {}", other.subject, other.key, other.fingerprint));
    }
    for seen in &one.served {
        fact(page, "Served", &served(seen, leaf));
    }
    page.raw("</dl></details>");
}

fn served(seen: &Seen, leaf: &Leaf) -> String {
    match &seen.shown {
        Shown::Leaf { fingerprint, proved: true } if *fingerprint == leaf.fingerprint => {
            format!("{}: this one, its key proved", seen.probe)
        }
        Shown::Leaf { .. } | Shown::Well | Shown::Nobody { .. } | Shown::Failing { .. } => {
            format!("{}: {}", seen.probe, seen.shown)
        }
    }
}

fn findings(one: &Checked, detailed: bool, page: &mut Markup) {
    if one.findings.is_empty() && one.problem.is_none() && one.notes.is_empty() {
        page.raw("<b class=\"badge good\">good</b>");
        return;
    }
    page.raw("<ul>");
    if let Some(problem) = &one.problem {
        page.raw("<li><b class=\"badge unknown\">not readable</b> ").prose(problem).raw("</li>");
    }
    for finding in &one.findings {
        told_finding(finding, detailed, page);
    }
    for note in &one.notes {
        page.raw("<li class=\"remark\">").prose(note).raw("</li>");
    }
    page.raw("</ul>");
}

fn told_finding(finding: &Finding, detailed: bool, page: &mut Markup) {
    page.raw("<li>");
    match &finding.accepted {
        Some(_) => page.raw("<b class=\"badge good\">accepted</b>"),
        None => page.add(&badge(finding.severity)),
    };
    page.raw(" <code>").raw(finding.code.name()).raw("</code>: ").prose(&finding.message);
    if let Some(accepted) = &finding.accepted {
        let told = format!("accepted until {}: {}", accepted.until, accepted.reason);
        page.raw("<small>").text(&told).raw("</small>");
    } else if detailed {
        page.raw("<small>").prose(&finding.remedy.told()).raw("</small>");
    }
    page.raw("</li>");
}
