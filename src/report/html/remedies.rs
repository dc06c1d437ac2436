//! What to do, once for each kind of finding, worst first: a page on thousands does not say it thousands of times.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::markup::Markup;
use crate::assess::{Finding, Severity};
use crate::flow::check::Checked;
use crate::report::text::severity;

pub fn list(all: &[Checked], page: &mut Markup) {
    let mut kinds: BTreeMap<(Severity, &'static str), (usize, &Finding)> = BTreeMap::new();
    let counting = all.iter().flat_map(|one| &one.findings).filter(|finding| finding.accepted.is_none());
    for finding in counting {
        kinds.entry((finding.severity, finding.code.name())).or_insert((0, finding)).0 += 1;
    }
    if kinds.is_empty() {
        return;
    }
    let mut kinds: Vec<_> = kinds.into_values().collect();
    kinds.sort_by_key(|(count, finding)| (finding.severity, Reverse(*count)));
    page.raw("<section><h2 id=\"todo\">What to do</h2>\n<table class=\"todo\" aria-labelledby=\"todo\">\n<thead><tr>");
    page.raw("<th scope=\"col\">Finding</th><th scope=\"col\">Severity</th><th scope=\"col\">Times</th>");
    page.raw("<th scope=\"col\">Remedy</th></tr></thead>\n<tbody>\n");
    for (count, finding) in kinds {
        // One line for several targets names none of them.
        let remedy = if count == 1 { finding.remedy.told() } else { finding.remedy.general().into() };
        page.raw("<tr><th scope=\"row\"><code>")
            .raw(finding.code.name())
            .raw("</code></th><td>")
            .add(&badge(finding.severity));
        page.raw("</td><td>").value(count).raw("</td><td>").prose(&remedy).raw("</td></tr>\n");
    }
    page.raw("</tbody>\n</table></section>\n");
}

/// The severity as a word; its colour only repeats it.
pub fn badge(of: Severity) -> Markup {
    let mut markup = Markup::default();
    markup.raw("<b class=\"badge ").raw(severity(of)).raw("\">").raw(severity(of)).raw("</b>");
    markup
}
