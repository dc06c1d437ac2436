//! How changing verbs ended: a paragraph a target.

use super::{authority, hint, leaf_line, names, notes, trust};
use crate::assess::{Code, date};
use crate::cert::installed::Leaf;
use crate::change::{Command, Point, Role, Shown};
use crate::flow::Report;
use crate::flow::preview::{Plan, PlannedFile};
use crate::outcome::{End, Exit, NotSeen, Outcome, Proof, Receipt};
use crate::report::View;
use crate::report::page::{FIELD, Page, Paint};

/// What was done goes to `out`; what failed to `err`, where timers and pipes let people see it.
pub fn render(reports: &[Report], command: Option<&str>, view: &View, out: &mut Page, err: &mut Page) {
    if reports.is_empty() && !view.quiet {
        match command {
            Some("recover") => {
                out.say("nothing was interrupted").end();
            }
            Some("activate") => {
                out.say("nothing is staged").end();
            }
            Some("schedule remove" | "hook remove") => {
                out.say(super::fitting::NOWHERE).end();
            }
            Some(_) | None => super::unconfigured(view, out),
        }
    }
    for (index, report) in reports.iter().enumerate() {
        upgrade(report, out);
        hooks(report, err);
        match &report.outcome {
            Outcome::Nothing { .. }
            | Outcome::Recovered { .. }
            | Outcome::Pruned { .. }
            | Outcome::Retired { .. }
            | Outcome::Staged { .. }
            | Outcome::Dropped { .. }
                if view.quiet && report.outcome.exit() == Exit::Good => {}
            // What an upgrade has done is told, although it is mended: else nobody learns of it.
            Outcome::Committed { not_served, .. }
                if view.quiet && not_served.is_empty() && report.upgrade.is_empty() => {}
            Outcome::Nothing { why } => plain(report, Paint::Plain, why, out),
            Outcome::Recovered { what, .. } => plain(report, Paint::Good, &format!("recovered: {what}"), out),
            Outcome::Remembered { signed_off: true, .. } if view.quiet => {}
            Outcome::Remembered { number, generation, signed_off, written } => {
                remembered(report, (*number, *generation), *signed_off, *written, out);
            }
            Outcome::Staged { generation, when, written, .. } => {
                staged(report, *generation, when, *written, view, out);
            }
            Outcome::Dropped { generation } => {
                let kept =
                    generation.map(|number| format!("; generation {number} is kept as any other")).unwrap_or_default();
                plain(report, Paint::Plain, &format!("nothing is staged any more{kept}"), out);
            }
            Outcome::Reported { why } => plain(report, Paint::Warn, why, out),
            Outcome::Pruned { removed } => plain(report, Paint::Plain, &removed_line(removed), out),
            Outcome::Retired { roots } => plain(report, Paint::Good, &authority::retired(roots, true), out),
            Outcome::Planned => planned(report, command == Some("recover"), out),
            Outcome::Committed { receipt, not_served } => committed(report, receipt, not_served, view, out),
            Outcome::Refused { why, .. } if told_before(reports, index) => {
                head(report, err).put(Paint::Bad, "refused").say(": ").prose(Paint::Plain, why, 2).end();
                err.note("", Paint::Faint, "for the same reasons");
            }
            Outcome::Refused { why, hint } => bad(report, "refused", why, hint.as_deref(), err),
            Outcome::RolledBack { why, hint, receipt } => {
                let what = format!("rolled back (generation {})", receipt.generation);
                bad(report, &what, &format!("{why}; everything is as it was before"), hint.as_deref(), err);
            }
            Outcome::Stuck { slot, why, hint } => {
                bad(report, "STUCK", &format!("{}: {why}", slot.display()), hint.as_deref(), err);
            }
            Outcome::Waiting { since, request, why } => {
                let text = format!("waits since {} for the answer to {}: {why}", date(*since), request.display());
                let next = format!("have it signed, then: `reseal install {} --signed FILE`", report.target);
                head(report, out).prose(Paint::Warn, &text, 2).end();
                notes(&report.notes, out);
                hint(Some(&next), out);
            }
            Outcome::Busy { holder } => {
                let hint = "try again, or let it wait: `--wait 60`";
                bad(report, "not begun", &format!("another reseal is at work: {holder}"), Some(hint), err);
            }
        }
    }
}

/// Failed hooks and unseen reloads, and what lies among the hooks without being run: told also by a run that says nothing otherwise.
fn hooks(report: &Report, page: &mut Page) {
    for text in &report.hooks_failed {
        head(report, page).put(Paint::Warn, "failed").say(": ").prose(Paint::Plain, text, 2).end();
    }
    let changed = matches!(report.outcome, Outcome::Committed { .. } | Outcome::RolledBack { .. });
    for finding in report.findings.iter().filter(|one| changed && one.code == Code::HookNotRun && one.counts()) {
        head(report, page).put(Paint::Warn, "hook not run").say(": ").prose(Paint::Plain, &finding.message, 2).end();
    }
}

/// Before what was done about it.
fn upgrade(report: &Report, page: &mut Page) {
    if report.upgrade.is_empty() {
        return;
    }
    head(report, page).put(Paint::Warn, "the upgrade has changed it").end();
    for one in &report.upgrade {
        page.note("changed", Paint::Warn, &format!("{}: {}", one.harm.word(), one.message));
    }
}

fn remembered(report: &Report, (number, generation): (u32, u32), signed_off: bool, written: bool, page: &mut Page) {
    let what = if written { format!("snapshot {number}") } else { format!("as in snapshot {number}") };
    let head = head(report, page);
    match signed_off {
        true => head.put(Paint::Good, &what).say(": this is the wanted state").end(),
        false => head.put(Paint::Warn, &what).say(": kept, and not signed off as the wanted state").end(),
    };
    for finding in &report.findings {
        super::finding(finding, page);
    }
    page.field("kept").say(&format!("generation {generation}")).end();
    notes(&report.notes, page);
}

fn staged(report: &Report, generation: u32, when: &str, written: bool, view: &View, page: &mut Page) {
    let name = report.plan.as_ref().and_then(|plan| plan.after.as_ref()).map(names);
    let what = match (written, name) {
        (true, Some(name)) => format!("staged {name} as generation {generation}"),
        (true, None) => format!("generation {generation} stays staged, with another moment"),
        (false, _) => format!("generation {generation} is staged already"),
    };
    head(report, page).put(Paint::Good, &what).say("; nothing is changed yet").end();
    if let Some(plan) = &report.plan {
        before_and_after(plan, NONE, page);
    }
    page.note("when", Paint::Strong, when);
    for finding in &report.findings {
        super::finding(finding, page);
    }
    notes(&report.notes, page);
    let target = Command::new([report.target.as_str()]);
    page.field("at once").say(&format!("{} activate {target}", view.program)).end();
}

fn head<'p>(report: &Report, page: &'p mut Page) -> &'p mut Page {
    let name = if report.target.is_empty() { "reseal" } else { &report.target };
    page.put(Paint::Strong, name).say(": ")
}

fn plain(report: &Report, paint: Paint, text: &str, page: &mut Page) {
    head(report, page).advice(paint, text, 2).end();
    overruled(report, page);
    notes(&report.notes, page);
}

/// Whether the result before has the same reasons.
fn told_before(reports: &[Report], index: usize) -> bool {
    let before = index.checked_sub(1).and_then(|before| reports.get(before));
    let same = |before: &Report| reports.get(index).is_some_and(|report| report.against == before.against);
    before.is_some_and(|before| !before.against.is_empty() && same(before))
}

/// What was insisted on all the same.
fn overruled(report: &Report, page: &mut Page) {
    for one in &report.against {
        page.note("overruled", Paint::Warn, &one.line());
    }
}

fn bad(report: &Report, what: &str, why: &str, advice: Option<&str>, page: &mut Page) {
    head(report, page).put(Paint::Bad, what).say(": ").prose(Paint::Plain, why, 2).end();
    trust::against(&report.against, page);
    notes(&report.notes, page);
    hint(advice, page);
}

fn removed_line(removed: &[u32]) -> String {
    let numbers: Vec<String> = removed.iter().map(ToString::to_string).collect();
    format!("removed generation{} {}", if removed.len() == 1 { "" } else { "s" }, numbers.join(", "))
}

fn committed(report: &Report, receipt: &Receipt, not_served: &[NotSeen], view: &View, page: &mut Page) {
    let plan = report.plan.as_ref();
    head(report, page).put(Paint::Good, &done(receipt, plan)).end();
    if let Some(plan) = plan {
        why(plan, page);
        before_and_after(plan, NONE, page);
        page.note(
            "kept",
            Paint::Plain,
            &format!("what was there is generation {}; this is generation {}", plan.backup, plan.generation),
        );
    }
    if let End::Committed { proof } = &receipt.end {
        proved(proof, plan, not_served, page);
    }
    for NotSeen { probe, shown } in not_served {
        page.note("not served", Paint::Warn, &format!("{probe}: {shown}"));
    }
    if not_served.iter().any(|seen| matches!(seen.shown, Shown::Nobody { .. })) {
        let next = format!("start the service if it does not run; then `reseal check {}` looks again", receipt.target);
        page.field("next").advice(Paint::Plain, &next, FIELD).end();
    }
    overruled(report, page);
    notes(&report.notes, page);
    if let Some(next) = plan.and_then(|plan| way_back(report, receipt, plan, view)) {
        page.field("go back").say(&next).end();
    }
}

/// What a verb is called when it is done.
fn done(receipt: &Receipt, plan: Option<&Plan>) -> String {
    let name = plan.and_then(|plan| plan.after.as_ref()).map(names).unwrap_or_default();
    let anchors = plan.map(|plan| plan.trust.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", "));
    let name = anchors.filter(|names| !names.is_empty()).unwrap_or(name);
    let verb = match receipt.verb.as_str() {
        _ if plan.is_some_and(|plan| plan.files.is_empty()) => "reloaded",
        "install" => "installed",
        "trust install" => "trusted:",
        "trust remove" => "trusted no longer:",
        "retire" => "retired:",
        "schedule install" | "hook install" => "installed",
        "schedule remove" | "hook remove" => "removed",
        "renew" => "renewed",
        "restore" => "restored",
        "activate" => "activated",
        "maintain" => "renewed",
        "post-upgrade" => "repaired",
        "adopt" if plan.is_some_and(|plan| plan.files.iter().any(|file| file.act == "link")) => "adopted",
        "adopt" => "gave back",
        other => other,
    };
    format!("{verb} {name}").trim_end().to_owned()
}

/// Whether a plan is about files that reseal places for itself, in which there is no certificate.
fn places_files(plan: &Plan) -> bool {
    let role = |file: &PlannedFile| file.role == Some(Role::Fitting) || file.act == "remove" || file.act == "link";
    plan.trust.is_empty() && plan.before.is_none() && plan.after.is_none() && plan.files.iter().any(role)
}

/// Why, where that is not the headline once more.
fn why(plan: &Plan, page: &mut Page) {
    if !plan.why.starts_with("install ") && !plan.why.starts_with("trust ") {
        page.note("why", Paint::Plain, &plan.why);
    }
}

const NONE: &str = "no certificate";

fn before_and_after(plan: &Plan, unknown: &str, page: &mut Page) {
    for anchor in &plan.trust {
        page.field(anchor.act).say(&anchor.subject).end();
        page.field("").say(&format!("until {}; sha256 {}", date(anchor.not_after), anchor.fingerprint)).end();
    }
    if !plan.trust.is_empty() || places_files(plan) {
        return;
    }
    let line = |leaf: &Option<Leaf>, none: &str| leaf.as_ref().map_or(none.to_owned(), leaf_line);
    page.field("old").say(&line(&plan.before, NONE)).end();
    page.field("new").say(&line(&plan.after, unknown)).end();
    if let Some(after) = &plan.after {
        page.field("issuer").say(&after.issuer).end();
    }
}

fn proved(proof: &Proof, plan: Option<&Plan>, not_served: &[NotSeen], page: &mut Page) {
    let failed: Vec<String> = not_served.iter().map(|seen| seen.probe.to_string()).collect();
    let probes = plan.map(|plan| plan.probes.as_slice()).unwrap_or_default();
    let good: Vec<&str> = probes.iter().filter(|probe| !failed.contains(probe)).map(String::as_str).collect();
    let places = good.join(", ");
    match proof {
        Proof::Commands { .. } => {
            page.note("proof", Paint::Good, &format!("succeeded: {places}"));
        }
        Proof::Handshakes { count } => {
            let text = format!("{count} answers of {places} showed it, its key proved");
            page.note("proof", Paint::Good, &text);
        }
        Proof::Bundle { path } => {
            let text =
                format!("{} was read, from which clients take what they trust, and is as it should be", path.display());
            page.note("proof", Paint::Good, &text);
        }
        Proof::ReadBack { .. } if plan.is_some_and(|plan| !plan.trust.is_empty() || places_files(plan)) => {
            page.note("proof", Paint::Plain, "the files were read back");
        }
        Proof::ReadBack { why } => {
            page.note("proof", Paint::Warn, &format!("the files were read back; no handshake: {why}"));
        }
    }
}

/// The command that puts the old state back; none where there was none.
fn way_back(report: &Report, receipt: &Receipt, plan: &Plan, view: &View) -> Option<String> {
    if receipt.verb == "adopt" || plan.files.is_empty() {
        return None;
    }
    // To be typed: the name of a store may hold a path with a space.
    let target = Command::new([report.target.as_str()]);
    if !plan.trust.is_empty() || places_files(plan) {
        return Some(format!("{} restore {target} {}", view.program, plan.backup));
    }
    // What its own CA has taken back nobody should be led to bring back.
    let nothing = plan.before.is_none() && plan.files.iter().all(|file| file.before.is_none());
    if nothing || report.findings.iter().any(|finding| finding.code == Code::Revoked) {
        return None;
    }
    let good = |leaf: &Leaf| leaf.paired && leaf.not_before <= view.now && view.now <= leaf.not_after;
    let force = if plan.before.as_ref().is_some_and(good) { "" } else { " --force" };
    Some(format!("{} restore {target} {}{force}", view.program, plan.backup))
}

fn planned(report: &Report, recovery: bool, page: &mut Page) {
    let Some(plan) = &report.plan else {
        return plain(report, Paint::Plain, "would be done; nothing was changed", page);
    };
    let what = match (recovery, plan.staged) {
        (true, _) => "would be put back",
        (false, true) => "would be staged",
        (false, false) => "would be changed",
    };
    head(report, page).put(Paint::Strong, what).say("; this is a dry run, nothing was touched").end();
    why(plan, page);
    for finding in &report.findings {
        super::finding(finding, page);
    }
    if recovery {
        let from = format!("generation {} keeps what was there before generation {}", plan.backup, plan.generation);
        page.note("from", Paint::Plain, &from);
        if plan.files.is_empty() {
            page.note("files", Paint::Plain, "each is as it was before; only the journal would be closed");
        }
    } else {
        before_and_after(plan, "is issued when this is run", page);
        let keep = match plan.staged {
            true => format!("what is to come as generation {}", plan.generation),
            false => {
                format!("what is there now as generation {}; the change is generation {}", plan.backup, plan.generation)
            }
        };
        page.note("keep", Paint::Plain, &keep);
        if plan.staged {
            page.note("later", Paint::Plain, "what follows is done when it is activated");
        }
    }
    for file in &plan.files {
        planned_file(file, page);
    }
    let how =
        if plan.atomic { "all with one rename" } else { "file by file; undone as a whole where a later step fails" };
    if !plan.files.is_empty() && !recovery {
        page.note("switch", Paint::Plain, how);
    }
    let hooks = |point: Point, page: &mut Page| {
        for hook in plan.hooks.iter().filter(|hook| hook.when == point) {
            page.field("hook").say(&format!("{} {}", point.word(), hook.command)).end();
        }
    };
    hooks(Point::Pre, page);
    hooks(Point::Deploy, page);
    for command in &plan.commands {
        page.field("run").say(command).end();
    }
    for probe in &plan.probes {
        page.field("prove").say(probe).end();
    }
    hooks(Point::Post, page);
    if plan.probes.is_empty() && !recovery && plan.trust.is_empty() && !places_files(plan) {
        page.note("prove", Paint::Warn, "only by reading the files back: no place where it is served is configured");
    }
    overruled(report, page);
    notes(&report.notes, page);
}

fn planned_file(file: &PlannedFile, page: &mut Page) {
    let path = file.path.display().to_string();
    page.field(match file.act {
        "make-directory" => "make dir",
        "put-back" => "put back",
        other => other,
    });
    page.say(&path);
    if let Some(to) = &file.to {
        page.say(&format!(" -> {}", to.display()));
    }
    if let Some(role) = file.role {
        page.say(&format!(" ({role})"));
    }
    page.end();
    if let Some(after) = file.after {
        let before = file.before.map_or("nothing".to_owned(), |digest| digest.short());
        page.field("").put(Paint::Faint, &format!("sha256 {before} -> {}", after.short())).end();
    }
}
