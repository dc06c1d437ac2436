//! Which hooks run around a change of a target, what lies beside them and is not run, and which of them failed where that stops nothing.

use super::survey::Survey;
use super::{Refusal, Session};
use crate::assess::{Code, Finding, ruled};
use crate::change::{Command, Hooks, Point};
use crate::config::TargetConfig;
use crate::host::hook_dir::{Lying, Verdict};
use crate::outcome::explain;

/// What the directories of hooks hold for a target.
#[derive(Default)]
pub(super) struct Found {
    /// What runs; nothing where the target has none, or this run does without.
    pub hooks: Hooks,
    /// What lies there and is not run, by the owner's rules.
    pub findings: Vec<Finding>,
}

/// Looks into the directories: our own first, then certbot's for the moment of deployment. What must not be run is among the hooks all the
/// same, so that the change is refused by it.
///
/// # Errors
/// A directory is there and cannot be read.
pub(super) fn of(session: &Session<'_>, config: &TargetConfig, survey: Option<&Survey>) -> Result<Found, Refusal> {
    if !config.hooks || session.options.no_hooks {
        return Ok(Found::default());
    }
    let (given, mut hooks, mut findings) = (&session.config.hooks, Hooks::default(), Vec::new());
    for point in Point::ALL {
        let own = given.directory.as_ref().map(|directory| directory.join(point.word()));
        let certbot = given.certbot_deploy.clone().filter(|_| point == Point::Deploy);
        let list = match point {
            Point::Pre => &mut hooks.pre,
            Point::Deploy => &mut hooks.deploy,
            Point::Post => &mut hooks.post,
        };
        for directory in own.into_iter().chain(certbot) {
            let lying = session.host.hooks_in(&directory).map_err(|error| {
                Refusal::new(format!("cannot read the directory of hooks {}: {error}", directory.display()))
                    .hint("mend it, or do without hooks: `--no-hooks`")
            })?;
            for one in lying {
                let runs = matches!(one.verdict, Verdict::Runs | Verdict::Unsafe(_));
                findings.extend(finding(&one));
                if let Some(path) = one.path.to_str().filter(|_| runs) {
                    list.push(Command { argv: vec![path.to_owned()], timeout: given.timeout });
                }
            }
        }
    }
    if let Some(survey) = survey.filter(|_| !hooks.is_empty()) {
        let places = |pair: &super::survey::PairState| pair.pair.slots.iter().map(|slot| slot.path.clone()).collect();
        hooks.pairs = survey.pairs.iter().map(places).collect();
    }
    let chain = survey.and_then(|survey| survey.pairs.first()?.installed.chain.as_ref());
    let subject = chain.map(|chain| chain.leaf().subject());
    let findings = ruled(findings, &config.rules, &config.name, subject, session.host.now());
    Ok(Found { hooks, findings })
}

/// What is to be said of the hooks of a target, by the owner's rules.
pub(super) fn found(session: &Session<'_>, config: &TargetConfig, survey: &Survey) -> Vec<Finding> {
    let hooks = of(session, config, Some(survey)).map(|found| found.findings);
    hooks.unwrap_or_else(|refusal| vec![Finding::new(Code::HookRefused, refusal.why)])
}

fn finding(Lying { path, verdict }: &Lying) -> Option<Finding> {
    let not_run = |why: &str| Some(Finding::new(Code::HookNotRun, format!("{} {why}", path.display())));
    match verdict {
        Verdict::Runs => None,
        Verdict::NotExecutable => not_run("lies among the hooks and is not executable"),
        Verdict::NotAFile => not_run("lies among the hooks and is no file"),
        Verdict::LeadsNowhere => not_run("lies among the hooks and is a link that leads nowhere"),
        Verdict::Name => not_run("lies among the hooks, and its name is not UTF-8"),
        Verdict::Unsafe(error) => Some(Finding::new(Code::HookRefused, explain(error))),
    }
}
