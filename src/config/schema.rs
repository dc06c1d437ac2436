//! What may stand in `reseal.toml`, and what each word means.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{self, Problems};
use super::table::Table;
use super::target::{self, Given, Taken};
use super::{
    AfterUpgrade, CaConfig, Config, ConfigError, HooksConfig, Policy, RenewBefore, SystemStore, findings, notify, words,
};
use crate::moment::Window;

/// Reads a whole file.
pub(super) fn read(text: &str, origin: &Path) -> Result<Config, ConfigError> {
    let document = DeTable::parse(text).map_err(|error| {
        let at = error.span().unwrap_or(0..0);
        problem::only(text, origin, &at, format!("this is no TOML: {}", error.message()))
    })?;
    let mut problems = Problems::of(text);
    let config = config(&document, origin, &mut problems);
    match problems.into_error(origin) {
        None => Ok(config),
        Some(error) => Err(error),
    }
}

fn config<'a>(document: &'a Spanned<DeTable<'a>>, origin: &Path, problems: &mut Problems<'_>) -> Config {
    let mut root = Table::new("the file", document.get_ref(), document.span());
    let (mut state_dir, mut live_dir, mut policy) = (None, None, Policy::default());
    let trust = findings::trust(&mut root, problems);
    let rules = Arc::new(findings::rules(&mut root, problems));
    if let Some(mut defaults) = root.table("defaults", "[defaults]", problems) {
        state_dir = defaults.path("state_dir", problems);
        live_dir = defaults.path("live_dir", problems);
        policy = self::policy(&mut defaults, &policy, &trust, problems);
        defaults.finish(problems);
    }
    let authorities = root.table("ca", "[ca]", problems).map(|table| authorities(&table, problems)).unwrap_or_default();
    let system_store =
        root.table("system_store", "[system_store]", problems).and_then(|table| system_store(table, problems));
    let hooks = root.table("hooks", "[hooks]", problems).map(|table| hooks(table, problems)).unwrap_or_default();
    let notify = notify::notify(&mut root, problems);
    let mut targets = Vec::new();
    let mut places = Vec::new();
    for (index, item) in root.tables("target", problems).into_iter().flatten().enumerate() {
        let DeValue::Table(entries) = item.get_ref() else {
            problems.add(&item.span(), "a target is a table: write [[target]]");
            continue;
        };
        let table = Table::new(place(entries, index), entries, item.span());
        targets.extend(target::target(
            table,
            &Given { policy: &policy, trust: &trust, rules: &rules },
            &mut places,
            problems,
        ));
    }
    root.finish(problems);
    refuse_shared(&places, problems);
    Config {
        origin: origin.to_owned(),
        state_dir,
        live_dir,
        probe_timeout: policy.probe_timeout,
        authorities,
        trust,
        rules,
        system_store,
        hooks,
        notify,
        targets,
    }
}

fn hooks(mut table: Table<'_>, problems: &mut Problems<'_>) -> HooksConfig {
    let found = HooksConfig {
        directory: table.path("directory", problems),
        certbot_deploy: table.path("certbot_deploy", problems),
        timeout: table.number("timeout", &(1..=3600), problems).unwrap_or(HooksConfig::default().timeout),
    };
    table.finish(problems);
    found
}

fn system_store(mut table: Table<'_>, problems: &mut Problems<'_>) -> Option<SystemStore> {
    for (key, why) in [
        ("directory", "the directory for certificates of your own: directory = \"/usr/local/share/ca-certificates\""),
        ("bundle", "the file that clients read: bundle = \"/etc/ssl/certs/ca-certificates.crt\""),
        ("update", "what makes it anew: update = [\"/usr/sbin/update-ca-certificates\"]"),
    ] {
        table.require(key, why, problems);
    }
    let (directory, bundle) = (table.path("directory", problems), table.path("bundle", problems));
    let update = table.command("update", problems);
    let suffix = match table.text("suffix", problems) {
        None => Some(".crt".to_owned()),
        Some((word, at)) => {
            let ending = word
                .strip_prefix('.')
                .filter(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric()));
            if ending.is_none() {
                let why = format!("{} is no ending of a file's name: {word:?}", table.named("suffix"));
                problems.add_with_hint(&at, why, "a dot and letters: suffix = \".crt\"");
            }
            ending.map(|_| word.to_owned())
        }
    };
    table.finish(problems);
    Some(SystemStore { directory: directory?, suffix: suffix?, bundle: bundle?, update: update? })
}

/// How messages call a target: by name where it has a readable one, else by number.
fn place(entries: &DeTable<'_>, index: usize) -> String {
    match entries.get("name").and_then(|name| name.get_ref().as_str()) {
        Some(name) => format!("target {name:?}"),
        None => format!("target number {}", index + 1),
    }
}

fn authorities(table: &Table<'_>, problems: &mut Problems<'_>) -> BTreeMap<String, CaConfig> {
    let mut found = BTreeMap::new();
    for (key, value) in table.entries() {
        let name = match words::label(key.get_ref()) {
            Ok(name) => name,
            Err(why) => {
                problems.add(&key.span(), format!("the name of a CA {why}"));
                continue;
            }
        };
        let Some(entries) = value.get_ref().as_table() else {
            problems.add_with_hint(
                &value.span(),
                format!("`{name}` in [ca] is no table"),
                format!("write [ca.{name}]"),
            );
            continue;
        };
        let mut inner = Table::new(format!("[ca.{name}]"), entries, value.span());
        let passphrase_file = inner.path("passphrase_file", problems);
        inner.finish(problems);
        found.insert(name, CaConfig { passphrase_file });
    }
    found
}

fn refuse_shared(places: &[Taken], problems: &mut Problems<'_>) {
    let mut seen = HashSet::new();
    for taken in places {
        if !seen.insert(&taken.what) {
            problems.add(&taken.at, format!("{} is there twice", taken.what));
        }
    }
}

/// Reads the keys of `[defaults]` that each target may set otherwise; `base` holds where nothing is said.
pub(super) fn policy(
    table: &mut Table<'_>,
    base: &Policy,
    trust: &BTreeMap<String, PathBuf>,
    problems: &mut Problems<'_>,
) -> Policy {
    let seconds = |number: u32| Duration::from_secs(u64::from(number));
    let millis = |number: u32| Duration::from_millis(u64::from(number));
    let mut number = |key, range| table.number(key, &range, problems);
    let verify_timeout = number("verify_timeout", 1..=3600).map_or(base.verify_timeout, seconds);
    let settle = number("settle", 0..=60_000).map_or(base.settle, millis);
    let probe_timeout = number("probe_timeout", 1..=300).map_or(base.probe_timeout, seconds);
    let keep = number("keep", 1..=10_000).unwrap_or(base.keep);
    let min_free = number("min_free_mb", 0..=1_048_576).map_or(base.min_free, |mb| u64::from(mb) << 20);
    let renew_before = part_left(table, "renew_before", problems);
    let prepare_before = part_left(table, "prepare_before", problems);
    // Of one kind only: how a share compares with days depends on the certificate.
    let too_late = match (prepare_before, renew_before) {
        (Some(RenewBefore::Days(ready)), Some(RenewBefore::Days(due))) => ready < due,
        (Some(RenewBefore::Fraction { left, of }), Some(RenewBefore::Fraction { left: due, of: all })) => {
            u64::from(left) * u64::from(all) < u64::from(due) * u64::from(of)
        }
        _ => false,
    };
    if let Some(at) = table.value("prepare_before").filter(|_| too_late) {
        problems.add_with_hint(
            &at.span(),
            "`prepare_before` is less than `renew_before`: the next certificate would be due before it is made ready",
            "at least as much as `renew_before`, or leave it out",
        );
    }
    Policy {
        renew_before: renew_before.unwrap_or(base.renew_before),
        prepare_before: prepare_before.unwrap_or(base.prepare_before),
        window: windows(table, problems).unwrap_or_else(|| base.window.clone()),
        verify_timeout,
        settle,
        probe_timeout,
        keep,
        keep_key: table.flag("keep_key", problems).unwrap_or(base.keep_key),
        min_free,
        must_not_run: must_not_run(table, problems).unwrap_or_else(|| base.must_not_run.clone()),
        trust: findings::clients(table, trust, problems).unwrap_or_else(|| base.trust.clone()),
        after_upgrade: after_upgrade(table, problems).unwrap_or(base.after_upgrade),
    }
}

fn after_upgrade(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<AfterUpgrade> {
    let (word, at) = table.text("after_upgrade", problems)?;
    match word {
        "reinstate" => Some(AfterUpgrade::Reinstate),
        "renew" => Some(AfterUpgrade::Renew),
        "report" => Some(AfterUpgrade::Report),
        other => {
            let message = format!("{} is {other:?}", table.named("after_upgrade"));
            problems.add_with_hint(&at, message, "\"reinstate\", \"renew\" or \"report\"");
            None
        }
    }
}

/// How much of a certificate's life is left: days, or a share.
fn part_left(table: &mut Table<'_>, key: &'static str, problems: &mut Problems<'_>) -> Option<RenewBefore> {
    let value = table.value(key)?;
    match value.get_ref() {
        DeValue::Integer(_) => table.number(key, &(1..=3650), problems).map(RenewBefore::Days),
        DeValue::String(text) if words::share(text).is_some() => words::share(text),
        DeValue::String(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => {
            problems.add_with_hint(
                &value.span(),
                format!("{} is neither a number of days nor a share of the lifetime", table.named(key)),
                format!("{key} = 30, or {key} = \"1/3\""),
            );
            None
        }
    }
}

/// One window, or a list of them.
fn windows(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Vec<Window>> {
    let value = table.value("window")?;
    let listed = match value.get_ref() {
        DeValue::String(text) => vec![(text.as_ref(), value.span())],
        DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => table.texts("window", problems)?,
    };
    let mut found = Vec::new();
    for (text, at) in listed {
        match text.parse() {
            Ok(window) => found.push(window),
            Err(error) => {
                let message = format!("{} cannot be understood: {error}", table.named("window"));
                problems.add_with_hint(&at, message, "window = \"Sat,Sun 02:00-04:00 Europe/Berlin\"");
            }
        }
    }
    Some(found)
}

fn must_not_run(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for (word, at) in table.texts("must_not_run", problems)? {
        if word.is_empty() || word.contains(['/', '\0']) {
            problems.add_with_hint(
                &at,
                format!("{} holds no name of a process: {word:?}", table.named("must_not_run")),
                "the name of the program, without its directory",
            );
        }
        names.push(word.to_owned());
    }
    Some(names)
}
