//! Each verb, handed to its flow.

mod keeping;
mod placing;
mod timely;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::keeping::{account, channels, passphrase, retired, trusted};
use self::placing::placed as fitted;
use super::args::{
    AcmeVerb, BackupsVerb, CaVerb, Csr, Export, FormWord, HistoryVerb, KeyType, Later, NotifyVerb, Verb,
};
use super::request::Request;
use super::telling::unwritten;
use crate::assess::Finding;
use crate::cert::{Generate, SubjectPart};
use crate::engine::When;
use crate::event::Listener;
use crate::flow::{
    self, Report, Session, adopt, backups, ca, check, csr, export, fitting, history, init, install, notify,
    post_upgrade, recorded, recover, renew, restore, secret, snapshot, status,
};
use crate::host::publish::{Kind, publish, same_file};
use crate::host::trusted_file;
use crate::outcome::{Exit, explain};
use crate::report::html::{self, Look};
use crate::report::standing::Standing;
use crate::report::{Answer, Body, Failure, Saved};

/// Does what was asked.
pub fn answer(request: &Request, listener: &mut dyn Listener) -> Answer {
    let Request { host, config, options, .. } = request;
    let mut session = Session::new(host, config, request.live_dir.clone(), options.clone(), listener);
    let command = Some(request.verb.word());
    let outcome = known(&session, request).and_then(|()| carry_out(&mut session, request));
    let outcome = outcome.map(|(exit, mut body)| {
        let Body::Changes(reports) = &mut body else { return (exit, body) };
        session.tell_recovered(reports);
        (flow::exit(reports).worst(exit), body)
    });
    match (outcome, &request.without_config) {
        (Ok((exit, Body::Anchors { anchors, unread: Some(failure) })), _) => {
            let body = Body::Anchors { anchors, unread: None };
            Answer { command, exit: exit.worst(failure.exit), body, failure: Some(failure) }
        }
        (Ok((exit, body)), None) => Answer { command, exit, body, failure: None },
        (Ok((exit, body)), Some(failure)) => {
            Answer { command, exit: exit.worst(failure.exit), body, failure: Some(failure.clone()) }
        }
        (Err(failure), _) => Answer::failed(command, failure),
    }
}

/// A name that no target has is a wrong word, told before anything is done.
fn known(session: &Session<'_>, request: &Request) -> Result<(), Failure> {
    let all = |names: &[String]| session.targets(names).map(|_| ()).map_err(Failure::from);
    let one = |name: &String| all(std::slice::from_ref(name));
    // Stores of trusted certificates have generations as targets have.
    let kept = |names: &[String]| session.kept(names).map(|_| ()).map_err(Failure::from);
    match &request.verb {
        Verb::Renew { names, .. }
        | Verb::Status { names }
        | Verb::Snapshot { names }
        | Verb::PostUpgrade { names, .. } => all(names),
        Verb::Install(install) => one(&install.name),
        Verb::Stage(stage) => one(&stage.name),
        Verb::Activate(activate) => all(&activate.names),
        Verb::Maintain(maintain) => all(&maintain.names),
        Verb::Csr(csr) => one(&csr.name),
        Verb::Export(export) => one(&export.name),
        Verb::Adopt { name, .. } => one(name),
        Verb::Restore { name, .. } => kept(std::slice::from_ref(name)),
        Verb::Backups { names, act: None } => kept(names),
        Verb::Backups { act: Some(act), .. } => match act {
            BackupsVerb::Verify { names } => kept(names),
            BackupsVerb::Pin { name, .. } | BackupsVerb::Unpin { name, .. } => kept(std::slice::from_ref(name)),
            BackupsVerb::Prune(prune) => kept(&prune.names),
        },
        Verb::Prune(prune) => kept(&prune.names),
        Verb::Notify { act: Later(NotifyVerb::Test { name: Some(name) }) } => {
            notify::known(session, name).map_err(Failure::misnamed)
        }
        Verb::Secret { act } => {
            act.labels().iter().try_for_each(|label| secret::known(session, label)).map_err(Failure::misnamed)
        }
        Verb::Recover { name: Some(name), .. } | Verb::Recover { accept: Some(name), .. } if request.configured => {
            Ok(recover::known(session, name)?)
        }
        // What these are about may be no target any more, or never was one.
        Verb::Check { .. }
        | Verb::Report { .. }
        | Verb::Scan(_)
        | Verb::Recover { .. }
        | Verb::History { .. }
        | Verb::Init { .. }
        | Verb::Ca { .. }
        | Verb::Acme { .. }
        | Verb::Trust { .. }
        | Verb::Retire(_)
        | Verb::Schedule { .. }
        | Verb::Hook { .. }
        | Verb::Notify { .. }
        | Verb::Demo
        | Verb::DemoServer { .. } => Ok(()),
    }
}

type Told = Result<(Exit, Body), Failure>;

fn carry_out(session: &mut Session<'_>, request: &Request) -> Told {
    match &request.verb {
        Verb::Check { subjects, .. } => {
            let checked = check::run(session, subjects).map_err(Failure::misnamed)?;
            Ok((check::exit(&checked), Body::Checks(checked)))
        }
        Verb::Report { html, subjects, from, .. } => page(session, html, subjects, from.as_deref()),
        Verb::Renew { names, .. } => Ok(changes(renew::run(session, names)?)),
        Verb::Install(words) if words.signed.is_empty() => {
            Ok(changes(vec![install::run(session, &words.name, &words.inputs())]))
        }
        Verb::Install(words) => Ok(changes(vec![install::answer(session, &words.name, &words.signed)])),
        Verb::Stage(words) => timely::stage(session, words),
        Verb::Activate(words) => timely::activate(session, words),
        Verb::Maintain(words) => timely::maintain(session, words),
        Verb::Csr(csr) => request_of(session, csr),
        Verb::Export(words) => exported(session, words),
        Verb::Restore { name, generation } => Ok(changes(vec![restore::run(session, name, *generation)])),
        Verb::Recover { accept: Some(name), .. } => Ok(changes(vec![recover::accept(session, name)])),
        Verb::Recover { name, boot, accept: None } => {
            let when = if *boot { When::Boot } else { When::Running };
            Ok(changes(recover::run(session, name.as_deref(), when)))
        }
        Verb::Backups { names, act: None } => generations(session, names, false),
        Verb::Backups { act: Some(act), .. } => match act {
            BackupsVerb::Verify { names } => generations(session, names, true),
            BackupsVerb::Pin { name, generation } => Ok(changes(vec![backups::pin(session, name, *generation, true)])),
            BackupsVerb::Unpin { name, generation } => {
                Ok(changes(vec![backups::pin(session, name, *generation, false)]))
            }
            BackupsVerb::Prune(prune) => Ok(changes(backups::prune(session, &prune.names, prune.keep)?)),
        },
        Verb::Prune(prune) => Ok(changes(backups::prune(session, &prune.names, prune.keep)?)),
        Verb::History { act: Some(HistoryVerb::Verify), .. } => {
            let verified = history::verify(session)?;
            let exit = if verified.is_whole() { Exit::Good } else { Exit::Findings };
            Ok((exit, Body::Ledger(verified)))
        }
        Verb::History { names, act: None } => {
            let (receipts, damaged_lines) = history::run(session, names)?;
            // A target that is gone has receipts; what has neither is a wrong word.
            let unknown = |name: &&String| !receipts.iter().any(|receipt| receipt.target == **name);
            if let Some(name) = names.iter().find(unknown) {
                session.targets(std::slice::from_ref(name)).map_err(Failure::misnamed)?;
            }
            let exit = if damaged_lines.is_empty() { Exit::Good } else { Exit::Findings };
            Ok((exit, Body::History { receipts, damaged_lines }))
        }
        Verb::Status { names } => {
            let list = status::run(session, names)?;
            let channels = notify::failing(session);
            let told = if channels.is_empty() { Exit::Good } else { Exit::Findings };
            let exit = list.iter().fold(told, |worst, one| worst.worst(standing(one)));
            Ok((exit, Body::Statuses { list, channels }))
        }
        Verb::Init { .. } => {
            let written = init::run(session.host, &request.config_path, session.options.dry_run)?;
            Ok((Exit::Good, Body::Written(written)))
        }
        Verb::Snapshot { names } => Ok(changes(snapshot::run(session, names)?)),
        Verb::PostUpgrade { pending: true, .. } if !fitting::fire::pending(session)? => Ok((Exit::Good, Body::None)),
        Verb::PostUpgrade { names, limit, up, idle, .. } => {
            if *idle {
                fitting::fire::wait_for_packages(session);
            }
            let seconds = |number: u32| Duration::from_secs(number.into());
            let limits = post_upgrade::Limits { total: seconds(*limit), up: seconds(*up) };
            Ok(changes(fitting::fire::post_upgrade(session, names, limits)?))
        }
        Verb::Adopt { name, undo } => Ok(changes(vec![adopt::run(session, name, *undo)])),
        Verb::Ca { act } => authority(session, act),
        Verb::Acme { act: Later(AcmeVerb::Account { act }) } => account(session, act),
        Verb::Secret { act } => passphrase(session, act),
        Verb::Trust { act } => trusted(session, act),
        Verb::Retire(words) => retired(session, words),
        Verb::Schedule { act } => fitted(session, act.asked()),
        Verb::Hook { act } => fitted(session, act.asked()),
        Verb::Notify { act } => channels(session, act),
        Verb::Scan(_) | Verb::Demo | Verb::DemoServer { .. } => Ok((Exit::Good, Body::None)),
    }
}

fn exported(session: &Session<'_>, words: &Export) -> Told {
    let secret = session.options.secrets.file.is_some() || session.options.secrets.descriptor.is_some();
    let (pem, p12) = (words.form == FormWord::Pem, words.form == FormWord::P12);
    let store = p12 || words.form == FormWord::Jks;
    let misplaced = [
        (words.legacy && !p12, "--legacy", "p12"),
        (words.alias.is_some() && !store, "--alias", "p12 and jks"),
        (words.no_key && words.form == FormWord::Der, "--no-key", "pem: DER never holds the key"),
        (secret && !store && (!pem || words.no_key), "a passphrase", "the forms that hold the key: pem, p12, jks"),
    ];
    if let Some((_, what, form)) = misplaced.into_iter().find(|(found, ..)| *found) {
        let message = format!("{what} can only be used with --form {form}").replace("--form the", "the");
        return Err(Failure::usage(message, Some("leave it out, or choose another form".to_owned())));
    }
    let wanted = export::Wanted {
        generation: words.generation,
        form: match words.form {
            FormWord::Pem => export::Form::Pem,
            FormWord::Der => export::Form::Der,
            FormWord::P12 => export::Form::P12,
            FormWord::Jks => export::Form::Jks,
        },
        output: new_file(&words.out, "a key does not go to standard output")?,
        alias: words.alias.clone(),
        legacy: words.legacy,
        without_key: words.no_key,
    };
    Ok((Exit::Good, Body::Exported(export::run(session, &words.name, &wanted)?)))
}

/// A file that is named to be written; nobody means one that is called `-`.
fn new_file(path: &Path, why: &str) -> Result<PathBuf, Failure> {
    if path == Path::new("-") {
        let hint = "name a file; `./-` is one of that name".to_owned();
        return Err(Failure::usage(format!("`-` is no file to write to: {why}"), Some(hint)));
    }
    trusted_file::absolute(path).map_err(|error| Failure::usage(explain(&error), None))
}

fn kind(words: &KeyType) -> Result<Option<Generate>, Failure> {
    words.chosen().map_err(|kind| {
        let message = format!(
            "a certificate with a key of the kind {kind} is read by few clients yet (OpenSSL from 3.5 on, no browser)"
        );
        Failure::usage(message, Some("add `--experimental` if yours do".to_owned()))
    })
}

fn request_of(session: &mut Session<'_>, words: &Csr) -> Told {
    if let Some(number) = words.forget {
        return Ok(changes(vec![csr::forget(session, &words.name, number)]));
    }
    let twice = |part: &&SubjectPart| words.subject.iter().filter(|other| other.key == part.key).count() > 1;
    if let Some(part) = words.subject.iter().find(twice) {
        let message = format!("cannot make a request with {} twice in its subject", part.key.word());
        return Err(Failure::usage(message, Some("choose one of the two".to_owned())));
    }
    let wanted = csr::Wanted {
        key: kind(&words.key)?,
        subject: words.subject.clone(),
        reuse_key: words.reuse_key,
        another: words.another,
        output: words.out.as_deref().map(|path| new_file(path, "the request is printed without it")).transpose()?,
    };
    let requested = csr::run(session, &words.name, &wanted)?;
    let exit = if requested.number.is_some() { Exit::Waiting } else { Exit::Good };
    Ok((exit, Body::Requested(Box::new(requested))))
}

fn authority(session: &mut Session<'_>, act: &CaVerb) -> Told {
    let body = match act {
        CaVerb::Show { name } => Body::Authorities(ca::show(session, name.as_deref())?),
        CaVerb::Import { name, cert, key, chain, key_passphrase_file, permit, urls, store_keyring } => {
            let wanted = ca::Import {
                certificate: cert.clone(),
                others: key.iter().chain(chain).cloned().collect(),
                key_passphrase_file: key_passphrase_file.clone(),
                permitted: permit.clone(),
                published: urls.published(),
                store_keyring: *store_keyring,
            };
            Body::Authorities(vec![ca::import(session, name, &wanted)?])
        }
        CaVerb::Init { name, permit, common_name, years, key, path_length, intermediate, urls, store_keyring } => {
            let wanted = ca::Init {
                permitted: permit.clone(),
                common_name: common_name.clone(),
                years: *years,
                key: kind(key)?.unwrap_or(Generate::P256),
                path_length: *path_length,
                intermediate: *intermediate,
                published: urls.published(),
                store_keyring: *store_keyring,
            };
            Body::Authorities(vec![ca::init(session, name, &wanted)?])
        }
        CaVerb::Issue { ca, names, days, key, output } => {
            let key = ca::LeafKey::Make(kind(key)?.unwrap_or(Generate::P256));
            let wanted = ca::Wanted { names: names.clone(), days: *days, key, target: None };
            let directory = trusted_file::absolute(output).map_err(|error| Failure::usage(explain(&error), None))?;
            Body::Issued(ca::issue(session, ca, wanted, &directory)?)
        }
        CaVerb::Sign { ca, request, name, allow_wildcards, days, output } => {
            let (request, output) = (request.clone(), placed(output.as_deref())?);
            let wanted = ca::Sign { request, names: name.clone(), wildcards: *allow_wildcards, days: *days, output };
            Body::Authority(ca::Done::Signed(ca::sign(session, ca, &wanted)?))
        }
        CaVerb::Revoke { ca, which, reason } => {
            Body::Authority(ca::Done::Revoked(ca::revoke(session, ca, which, *reason)?))
        }
        CaVerb::Crl { ca, output, der, days, root } => {
            let wanted = ca::List { output: placed(output.as_deref())?, der: *der, days: *days, root: *root };
            Body::Authority(ca::Done::List(ca::crl(session, ca, &wanted)?))
        }
        CaVerb::Rekey { ca, switch, retire, key, years } => {
            let step = match (switch, retire) {
                (true, _) => ca::Rekey::Switch,
                (false, true) => ca::Rekey::Retire,
                (false, false) => ca::Rekey::Make { key: kind(key)?, years: *years },
            };
            Body::Authorities(vec![ca::rekey(session, ca, step)?])
        }
        CaVerb::Export { ca, output, der, root, root_key, take_off } => {
            let (output, root_key) = (placed(output.as_deref())?, placed(root_key.as_deref())?);
            let wanted = ca::Export { output, der: *der, root: *root, root_key, take_off: *take_off };
            Body::Authority(ca::Done::Exported(ca::export(session, ca, &wanted)?))
        }
    };
    Ok((Exit::Good, body))
}

fn placed(path: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    let absolute = path.map(trusted_file::absolute).transpose();
    absolute.map_err(|error| Failure::usage(explain(&error), None))
}

/// What was found is the page's matter and not that of the run, whose work it is to write it.
fn page(session: &mut Session<'_>, path: &Path, subjects: &[OsString], from: Option<&Path>) -> Told {
    // No page is written over what it is made of.
    let inputs = subjects.iter().map(Path::new).chain(from);
    if let Some(input) = inputs.into_iter().find(|input| same_file(path, input)) {
        let message = format!("the page {} would replace {}, of which it is made", path.display(), input.display());
        return Err(Failure::usage(message, Some("name another file".to_owned())));
    }
    let now = session.host.now();
    let (checked, look) = match from {
        Some(from) => {
            let recorded = recorded::read(session.host, from)?;
            let from = from.display().to_string();
            (recorded.checked, Look::Recorded { from, written: recorded.written, now })
        }
        None => (check::run(session, subjects).map_err(Failure::misnamed)?, Look::Now(now)),
    };
    let path = new_file(path, "the page is a file")?;
    let text = html::render(&checked, &look);
    if !session.options.dry_run {
        publish(&path, Kind::Page, text.as_bytes()).map_err(|error| unwritten(&error))?;
    }
    let mut standings = BTreeMap::new();
    for one in &checked {
        *standings.entry(Standing::of(one).word()).or_default() += 1;
    }
    let written = !session.options.dry_run;
    let saved = Saved { path, written, bytes: text.len(), subjects: checked.len(), standings };
    Ok((Exit::Good, Body::Saved(saved)))
}

fn changes(reports: Vec<Report>) -> (Exit, Body) {
    (flow::exit(&reports), Body::Changes(reports))
}

fn generations(session: &Session<'_>, names: &[String], verified: bool) -> Told {
    let list = backups::list(session, names, verified)?;
    let damaged = list.iter().any(|one| one.damage.is_some());
    let exit = if damaged { Exit::Findings } else { Exit::Good };
    Ok((exit, Body::Generations { list, verified }))
}

fn standing(status: &status::Status) -> Exit {
    let attention = status.interrupted || !status.attention.is_empty();
    match (&status.problem, attention || status.findings.iter().any(Finding::counts)) {
        (Some(_), _) => Exit::Refused,
        (None, _) if !status.waiting.is_empty() => Exit::Waiting,
        (None, true) => Exit::Findings,
        (None, false) => Exit::Good,
    }
}
