//! What was typed becomes what it means on this machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::{Cli, Global, HookVerb, Later, Verb};
use crate::change::Command;
use crate::config::{Config, NoHome, Places};
use crate::flow::beside::Beside;
use crate::flow::clients::{NONE, SYSTEM};
use crate::flow::{Options, Secrets};
use crate::host::Host;
use crate::host::account::Account;
use crate::host::signal::Signals;
use crate::host::trusted_file;
use crate::outcome::{Exit, explain};
use crate::report::Failure;

/// A verb with all that it works with.
pub struct Request {
    /// What to do.
    pub verb: Verb,
    /// The machine.
    pub host: Host,
    /// The configuration; empty where none is needed and none is there.
    pub config: Config,
    /// How to call the program again for the same configuration and state.
    pub program: String,
    /// Where the configuration is, or would be.
    pub config_path: PathBuf,
    /// Where adopted pairs live.
    pub live_dir: PathBuf,
    /// What was asked for besides the verb.
    pub options: Options,
    /// Whether there was a configuration to read, or none had to be there: only then is a name that it lacks a wrong one.
    pub configured: bool,
    /// Why the configuration could not be used, where the verb does its work without.
    pub without_config: Option<Failure>,
}

/// How much of a configuration a verb needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Need {
    /// It is not even looked for.
    None,
    /// It may be missing.
    IfThere,
    /// The same, and others' may be unreadable: anybody may look at files and servers. What its owner accepts counts all the same.
    IfMine,
    /// Recovery comes first, whatever the state of the configuration: only where the records are is read from it.
    IfGood,
    /// It must be there.
    Must,
}

/// Finds and reads what the verb needs.
///
/// # Errors
/// The configuration is missing, wrong or not to be trusted; the machine refuses a signal handler.
pub fn resolve(cli: Cli) -> Result<Request, Failure> {
    let Cli { mut global, verb } = cli;
    let places = standard_places();
    if let Verb::Init { output: Some(path) } = &verb {
        // What is written there is used from there: the next commands have to name it, unless it is what is read without.
        let path = absolute(path)?;
        let usual = global.config.is_none() && places.as_ref().is_ok_and(|places| places.config == path);
        if !usual {
            global.config = Some(path);
        }
    }
    let program = program(&global);
    // Where no configuration can be, nothing that is there may be a target's name.
    let (needed, nowhere) = (need(&verb, &global), places.is_err() && global.config.is_none());
    let alone = nowhere && matches!(needed, Need::IfMine | Need::IfThere) && named_by_itself(&verb);
    let need = if alone { Need::None } else { needed };
    let config_path = match (&global.config, &places) {
        (Some(path), _) => absolute(path)?,
        (None, Ok(places)) => places.config.clone(),
        (None, Err(_)) if need == Need::None => PathBuf::new(),
        (None, Err(error)) => return Err(homeless(*error)),
    };
    let (mut config, mut without_config) = configuration(need, &config_path, global.config.is_some())?;
    let state_dir = match (&global.state_dir, &config.state_dir, &places) {
        (Some(dir), _, _) => absolute(dir)?,
        (None, Some(dir), _) => dir.clone(),
        (None, None, Ok(places)) => places.state.clone(),
        // Nothing is kept for a file or a server that somebody named.
        (None, None, Err(_)) if need == Need::None => PathBuf::new(),
        (None, None, Err(error)) => return Err(homeless(*error)),
    };
    let live_dir = match (&config.live_dir, &places) {
        (Some(dir), _) => dir.clone(),
        (None, Ok(places)) => places.live.clone(),
        (None, Err(_)) => config_path.with_file_name("live"),
    };
    if config.hooks.directory.is_none() {
        // Beside the configuration that is read, where that is no standard one.
        config.hooks.directory = match (&global.config, &places) {
            (None, Ok(places)) => Some(places.hooks.clone()),
            (Some(_), _) | (None, Err(_)) => Some(config_path.with_file_name("hooks")),
        };
    }
    if let Some(failure) = &mut without_config
        && failure.hint.is_none()
    {
        let looked = state_dir.display();
        failure.hint = Some(format!("looked in {looked} only: if the records are elsewhere, `--state-dir DIR`"));
    }
    let mut host = Host::new(state_dir);
    if verb.changes() && !global.dry_run {
        let signals = Signals::install().map_err(|error| Failure {
            exit: Exit::Refused,
            message: format!("cannot watch for signals: {error}"),
            hint: None,
            problems: Vec::new(),
        })?;
        host = host.with_signals(signals);
    }
    let options = options(&global, &verb);
    let configured = without_config.is_none() && need != Need::None;
    Ok(Request { verb, host, config, program, config_path, live_dir, options, configured, without_config })
}

/// The configuration of `scan`, which needs none: what it says counts all the same. One that nobody has named may be missing or another's.
///
/// # Errors
/// It is wrong; or it is named, and missing or not to be trusted.
pub fn if_there(global: &Global) -> Result<Config, Failure> {
    let path = match (&global.config, standard_places()) {
        (Some(path), _) => absolute(path)?,
        (None, Ok(places)) => places.config,
        (None, Err(_)) => return Ok(configuration(Need::None, Path::new(""), false)?.0),
    };
    let need = if global.config.is_some() { Need::Must } else { Need::IfMine };
    Ok(configuration(need, &path, global.config.is_some())?.0)
}

/// How to call the program again for the same configuration and state.
#[must_use]
pub fn program(global: &Global) -> String {
    let mut argv = vec!["reseal".to_owned()];
    for (flag, path) in [("--config", &global.config), ("--state-dir", &global.state_dir)] {
        if let Some(path) = path {
            argv.extend([flag.to_owned(), path.display().to_string()]);
        }
    }
    Command::new(argv).to_string()
}

fn need(verb: &Verb, global: &Global) -> Need {
    match verb {
        Verb::Report { from: Some(_), .. } => Need::None,
        Verb::Check { notify: true, .. } | Verb::Notify { .. } => Need::Must,
        Verb::Check { subjects, .. } | Verb::Report { subjects, .. } if subjects.is_empty() => Need::Must,
        // No target's name has one of these characters.
        Verb::Check { subjects, trust, .. } | Verb::Report { subjects, trust, .. }
            if subjects.iter().all(|subject| subject.as_encoded_bytes().iter().any(|byte| b"/:".contains(byte)))
                && trust.iter().all(|who| who.contains('/') || [SYSTEM, NONE].contains(&who.as_str())) =>
        {
            Need::IfMine
        }
        Verb::Check { .. }
        | Verb::Report { .. }
        | Verb::History { .. }
        | Verb::Ca { .. }
        | Verb::Acme { .. }
        | Verb::Secret { .. }
        | Verb::Trust { .. }
        | Verb::Retire(_)
        | Verb::Schedule { .. } => Need::IfThere,
        // It must tell of an upgrade whatever the configuration is like.
        Verb::Hook { act: Later(HookVerb::Fire { .. }) } => Need::IfGood,
        Verb::Hook { .. } => Need::IfThere,
        Verb::Restore { name, .. } if Beside::of_target(name).is_some() => Need::IfThere,
        Verb::Backups { names, act: None } if of_beside(names) => Need::IfThere,
        Verb::Backups { act: Some(act), .. } if of_beside(act.names()) => Need::IfThere,
        Verb::Prune(prune) if of_beside(&prune.names) => Need::IfThere,
        Verb::Scan(_) | Verb::Init { .. } | Verb::Demo | Verb::DemoServer { .. } => Need::None,
        Verb::Recover { .. } if global.state_dir.is_some() => Need::None,
        Verb::Recover { .. } => Need::IfGood,
        Verb::Renew { .. }
        | Verb::Install(_)
        | Verb::Stage(_)
        | Verb::Activate(_)
        | Verb::Maintain(_)
        | Verb::Csr(_)
        | Verb::Export(_)
        | Verb::Restore { .. }
        | Verb::Backups { .. }
        | Verb::Prune(_)
        | Verb::Status { .. }
        | Verb::Snapshot { .. }
        | Verb::PostUpgrade { .. }
        | Verb::Adopt { .. } => Need::Must,
    }
}

/// Whether all that is to be looked at is a file or a server, and whose trust is asked for needs no name of a configuration.
fn named_by_itself(verb: &Verb) -> bool {
    let (Verb::Check { subjects, trust, .. } | Verb::Report { subjects, trust, .. }) = verb else { return false };
    let host = Host::new("");
    let own = |word: &std::ffi::OsStr| {
        word.as_encoded_bytes().iter().any(|byte| b"/:".contains(byte)) || host.exists(Path::new(word))
    };
    let known = |who: &String| [SYSTEM, NONE].contains(&who.as_str()) || own(who.as_ref());
    subjects.iter().all(|subject| own(subject)) && trust.iter().all(known)
}

/// Whether these have generations and are in no configuration.
fn of_beside(names: &[String]) -> bool {
    !names.is_empty() && names.iter().all(|name| Beside::of_target(name).is_some())
}

fn configuration(need: Need, path: &Path, named: bool) -> Result<(Config, Option<Failure>), Failure> {
    let empty = || Config::parse("", path).map_err(|error| unusable(&error));
    if need == Need::None {
        return Ok((empty()?, None));
    }
    match (read(path), need) {
        (Ok(Some(config)), _) => Ok((config, None)),
        (Ok(None), Need::IfMine) => Ok((empty()?, None)),
        (Ok(None), Need::IfThere | Need::IfGood) if !named => Ok((empty()?, None)),
        // Not readable, or not to be trusted; one that is read and wrong is told.
        (Err(failure), Need::IfMine) if failure.problems.is_empty() => Ok((empty()?, None)),
        (Ok(None), Need::IfGood) => Ok((empty()?, Some(missing(path)))),
        (Ok(None), _) => Err(missing(path)),
        (Err(failure), Need::IfGood) => Ok((empty()?, Some(failure))),
        (Err(failure), _) => Err(failure),
    }
}

/// The configuration; `None` when there is no such file.
fn read(path: &Path) -> Result<Option<Config>, Failure> {
    let bytes = match trusted_file::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => {
            let message = format!("cannot use the configuration: {}", explain(&error));
            return Err(Failure::usage(message, error.hint()));
        }
    };
    let text = std::str::from_utf8(bytes.expose()).map_err(|error| {
        let line = bytes.expose()[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Failure::usage(
            format!("cannot use the configuration: {}:{line}: it is not UTF-8", path.display()),
            Some("TOML is always UTF-8: convert the file".to_owned()),
        )
    })?;
    Config::parse(text, path).map(Some).map_err(|error| unusable(&error))
}

fn unusable(error: &crate::config::ConfigError) -> Failure {
    let problems: Vec<_> = error.problems.iter().map(|problem| (error.origin.clone(), problem.clone())).collect();
    let message = format!("cannot use the configuration {}", error.origin.display());
    Failure { exit: Exit::Usage, message, hint: None, problems }
}

fn missing(path: &Path) -> Failure {
    Failure::usage(
        format!("cannot read the configuration {}: it does not exist", path.display()),
        Some("`reseal init` writes a first one; `--config` names another place".to_owned()),
    )
}

fn standard_places() -> Result<Places, NoHome> {
    let account = Account::of_this_process();
    if account.root {
        return Ok(Places::of_the_machine());
    }
    Places::of_a_user(account.home.as_deref(), account.config_home.as_deref(), account.state_home.as_deref())
}

fn homeless(error: NoHome) -> Failure {
    Failure::usage(error.to_string(), Some(error.hint().to_owned()))
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    trusted_file::absolute(path)
        .map_err(|error| Failure::usage(explain(&error), Some("name it by its absolute path".to_owned())))
}

fn options(global: &Global, verb: &Verb) -> Options {
    let mut options = Options {
        dry_run: global.dry_run,
        force: global.force,
        trust_clock: global.trust_clock,
        no_hooks: global.no_hooks,
        wait: Duration::from_secs(u64::from(global.wait)),
        secrets: secrets(global),
        ..Options::default()
    };
    if let Verb::Renew { live, keep_key, .. } = verb {
        (options.live, options.keep_key) = (*live, *keep_key);
    }
    if let Verb::Install(words) = verb {
        options.keep_key = words.keep_key;
        options.downgrade = words.downgrade;
        options.alias.clone_from(&words.alias);
    }
    if let Verb::Stage(words) = verb {
        options.keep_key = words.keep_key;
        options.downgrade = words.downgrade;
        options.alias.clone_from(&words.alias);
    }
    if let Verb::Maintain(words) = verb {
        options.live = words.live;
    }
    if let Verb::Check { trust, servers, .. } | Verb::Report { trust, servers, .. } = verb {
        options.trust.clone_from(trust);
        options.timeout = servers.timeout.map(|limit| Duration::from_secs(limit.into()));
        options.name.clone_from(&servers.name);
    }
    options
}

/// Where a passphrase may come from.
pub fn secrets(global: &Global) -> Secrets {
    Secrets {
        file: global.passphrase_file.clone(),
        descriptor: global.passphrase_fd,
        may_prompt: !global.non_interactive,
        remember: global.remember.map(|minutes| Duration::from_secs(minutes * 60)),
    }
}
