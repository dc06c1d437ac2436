//! `schedule` and `hook`: what reseal places into the system for itself.

use std::path::Path;

use super::{Told, changes};
use crate::cli::args::{Asked, Side};
use crate::fitting::{Act, Family, Fitting, Template};
use crate::flow::fitting::{self, fire, show, status};
use crate::flow::{Report, Session};
use crate::host::terminal;
use crate::host::trusted_file;
use crate::outcome::{Exit, explain};
use crate::report::{Body, Failure};

/// The most that is read of what a package manager says.
const MOST: u64 = 4 * 1024 * 1024;

pub(super) fn placed(session: &mut Session<'_>, (family, asked): (Family, Asked<'_>)) -> Told {
    match asked {
        Asked::Install(which) => {
            if let Some(template) = which.and_then(|word| Template::named(family, word)) {
                let (why, hint) = template.refusal(family);
                return Err(Failure { exit: Exit::Refused, ..Failure::usage(why, Some(hint)) });
            }
            let fitting = match which {
                Some(word) => named(family, Act::Install, word)?,
                None => status::usual(session, family)?.into_iter().next().ok_or_else(|| nothing(family))?,
            };
            Ok(changes(fitting::install(session, &fitting)))
        }
        Asked::Remove(which) => {
            let fittings = match which {
                Some(word) => vec![named(family, Act::Remove, word)?],
                None => status::usual(session, family)?,
            };
            Ok(changes(fittings.iter().flat_map(|fitting| fitting::remove(session, fitting)).collect()))
        }
        Asked::Status(which) => {
            let fittings = match which {
                Some(word) => vec![named(family, Act::Status, word)?],
                None => status::usual(session, family)?,
            };
            let views = status::status(session, &fittings)?;
            let exit = if views.iter().all(|view| view.attention.is_empty()) { Exit::Good } else { Exit::Findings };
            Ok((exit, Body::Fittings(views)))
        }
        Asked::Show(word) => {
            let shown = match Template::named(family, word) {
                Some(template) => vec![show::template(template, family)],
                None => show::files(session, &named(family, Act::Show, word)?)?,
            };
            Ok((Exit::Good, Body::Texts(shown)))
        }
        Asked::Fire { when: Side::Before, packages, .. } => {
            let interrupted = || session.host.interrupted().is_some();
            // What cannot be read may be anything.
            let archives = if packages { terminal::all_of_input(MOST, &interrupted).ok() } else { None };
            if interrupted() {
                return Ok(told(Vec::new()));
            }
            Ok(told(fire::before(session, archives.as_deref())))
        }
        Asked::Fire { when: Side::After, begun, .. } => Ok(told(fire::after(session, begun))),
    }
}

/// A hook with nothing to tell says nothing.
fn told(reports: Vec<Report>) -> (Exit, Body) {
    if reports.is_empty() { (Exit::Good, Body::None) } else { changes(reports) }
}

fn named(family: Family, act: Act, word: &str) -> Result<Fitting, Failure> {
    let fitting = family.named(word).ok_or_else(|| {
        let does = if act == Act::Show { "prints" } else { "places" };
        Failure::usage(
            format!("{word:?} is nothing that `reseal {}` {does}", family.word()),
            Some(format!("write {}", family.words(act))),
        )
    })?;
    Ok(match fitting {
        Fitting::Directory(path) => {
            let absolute =
                |path: &Path| trusted_file::absolute(path).map_err(|error| Failure::usage(explain(&error), None));
            Fitting::Directory(absolute(&path)?)
        }
        Fitting::Systemd | Fitting::Cron | Fitting::Apt | Fitting::Dnf => fitting,
    })
}

fn nothing(family: Family) -> Failure {
    let (why, hint) = match family {
        Family::Schedule => {
            ("there is neither systemd nor cron here", "start `reseal maintain` daily by what this system has instead")
        }
        Family::Hook => (
            "there is neither apt nor dnf here",
            "`reseal hook install directory:DIR` is for the directory of an installer's hooks",
        ),
    };
    Failure { exit: Exit::Refused, ..Failure::usage(why, Some(hint.to_owned())) }
}
