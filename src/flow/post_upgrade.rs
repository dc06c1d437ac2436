//! `post-upgrade`: after a vendor's upgrade, what was committed last is held against what is there now, in the files and on the
//! wire; the committed certificate is put back, or another is obtained, or things are left as they are. It asks no questions.

use super::{Refusal, Report, Session, renew};

const VERB: &str = "post-upgrade";

/// Repairs what an upgrade did to the targets of these names, or to all.
///
/// # Errors
/// A name that no target has.
pub fn run(session: &mut Session<'_>, names: &[String]) -> Result<Vec<Report>, Refusal> {
    session.options.live = true;
    session.options.secrets.may_prompt = false;
    renew::run_as(session, names, VERB)
}
