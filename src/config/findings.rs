//! What the owner says of findings: `[findings]`, `[[accept]]`, and whose trust counts: `[trust.NAME]`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use time::{Date, Month};
use toml::de::DeValue;

use super::problem::Problems;
use super::table::Table;
use super::words;
use crate::assess::{Accept, Acceptance, Code, Rules, Severity};

/// Words that name clients and so can be no name of a `[trust.NAME]`.
const TAKEN: &[&str] = &["system", "none"];

/// Reads `[findings]` and `[[accept]]`.
pub(super) fn rules(root: &mut Table<'_>, problems: &mut Problems<'_>) -> Rules {
    let mut rules = Rules::default();
    if let Some(mut table) = root.table("findings", "[findings]", problems) {
        if let Some(severities) = table.table("severity", "`severity` in [findings]", problems) {
            for (key, value) in severities.entries() {
                let Some(code) = code(key.get_ref(), &key.span(), problems) else { continue };
                let word = value.get_ref().as_str();
                match word.and_then(|word| Severity::ALL.iter().find(|severity| severity.word() == word)) {
                    Some(severity) => {
                        rules.severity.insert(code, *severity);
                    }
                    None => problems.add_with_hint(
                        &value.span(),
                        format!("the severity of `{}` is none", code.name()),
                        "\"critical\", \"warning\" or \"note\"",
                    ),
                }
            }
        }
        table.finish(problems);
    }
    for item in root.tables("accept", problems).into_iter().flatten() {
        let DeValue::Table(entries) = item.get_ref() else {
            problems.add(&item.span(), "an acceptance is a table: write [[accept]]");
            continue;
        };
        let table = Table::new("[[accept]]", entries, item.span());
        rules.accepted.extend(accept(table, problems));
    }
    rules
}

fn accept(mut table: Table<'_>, problems: &mut Problems<'_>) -> Option<Accept> {
    table.require("code", "the name of a finding: code = \"self-signed\"", problems);
    table.require("reason", "why it is accepted, for whoever reads the report", problems);
    table.require("until", "the last day, on which somebody has to decide again: until = 2027-06-30", problems);
    let code = table.text("code", problems).and_then(|(word, at)| code(word, &at, problems));
    let reason = table.text("reason", problems).and_then(|(text, at)| {
        if text.trim().is_empty() {
            problems.add(&at, "the `reason` of an acceptance is empty");
            return None;
        }
        Some(text.to_owned())
    });
    let until = until(&mut table, problems);
    let target = table.text("target", problems).map(|(text, _)| text.to_owned());
    let subject = table.text("subject", problems).map(|(text, _)| text.to_owned());
    if target.is_none() && subject.is_none() {
        problems.add_with_hint(
            table.span(),
            "an acceptance says neither for which `target` nor for which `subject` it is",
            "target = \"web\"; `*` stands for any characters",
        );
    }
    table.finish(problems);
    Some(Accept { code: code?, target, subject, acceptance: Acceptance { reason: reason?, until: until? } })
}

fn until(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Date> {
    let value = table.value("until")?;
    let date = value.get_ref().as_datetime().and_then(|moment| moment.date);
    let day = date.and_then(|date| {
        let month = Month::try_from(date.month).ok()?;
        Date::from_calendar_date(i32::from(date.year), month, date.day).ok()
    });
    if day.is_none() {
        problems.add_with_hint(&value.span(), format!("{} is no date", table.named("until")), "until = 2027-06-30");
    }
    day
}

fn code(word: &str, at: &Range<usize>, problems: &mut Problems<'_>) -> Option<Code> {
    let code = Code::named(word);
    if code.is_none() {
        let distance = |known: &&Code| strsim::damerau_levenshtein(word, known.name());
        let near = Code::ALL.iter().min_by_key(distance).map_or("", |known| known.name());
        problems.add_with_hint(at, format!("there is no finding {word:?}"), format!("did you mean {near:?}?"));
    }
    code
}

/// Reads `[trust.NAME]`: files of roots by name.
pub(super) fn trust(root: &mut Table<'_>, problems: &mut Problems<'_>) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let Some(table) = root.table("trust", "[trust]", problems) else { return found };
    for (key, value) in table.entries() {
        let name = match words::label(key.get_ref()) {
            Ok(name) if TAKEN.contains(&name.as_str()) => {
                problems.add(&key.span(), format!("`{name}` always has its own meaning: call these clients otherwise"));
                continue;
            }
            Ok(name) => name,
            Err(why) => {
                problems.add(&key.span(), format!("the name of clients {why}"));
                continue;
            }
        };
        let Some(entries) = value.get_ref().as_table() else {
            let what = format!("`{name}` in [trust] is no table");
            problems.add_with_hint(&value.span(), what, format!("write [trust.{name}]"));
            continue;
        };
        let mut inner = Table::new(format!("[trust.{name}]"), entries, value.span());
        inner.require("file", "the file with the roots: file = \"/etc/ssl/certs/java.pem\"", problems);
        let file = inner.path("file", problems);
        inner.finish(problems);
        found.extend(file.map(|file| (name, file)));
    }
    found
}

/// Reads `trust = [...]` of a policy.
pub(super) fn clients(
    table: &mut Table<'_>,
    known: &BTreeMap<String, PathBuf>,
    problems: &mut Problems<'_>,
) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for (word, at) in table.texts("trust", problems)? {
        if TAKEN.contains(&word) || known.contains_key(word) {
            names.push(word.to_owned());
            continue;
        }
        let all: Vec<&str> = TAKEN.iter().copied().chain(known.keys().map(String::as_str)).collect();
        let hint = format!("{}; another is a [trust.{word}]", all.join(", "));
        problems.add_with_hint(&at, format!("{} names unknown clients {word:?}", table.named("trust")), hint);
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use time::macros::date;

    use super::*;
    use crate::config::{Config, ConfigError};

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("t.toml"))
    }

    #[test]
    fn what_the_owner_says_is_read() {
        let config = parse(
            "[findings]\nseverity = { root-sent = \"warning\", expiring = \"note\" }\n\
             [[accept]]\ncode = \"self-signed\"\ntarget = \"*.lan:443\"\nreason = \"lab\"\nuntil = 2027-06-30\n\
             [trust.java]\nfile = \"/opt/java/cacerts.pem\"\n\
             [defaults]\ntrust = [\"system\", \"java\"]\n\
             [[target]]\nname = \"a\"\nkind = \"files\"\nnames = [\"a\"]\ncombined = \"/a\"\nneeds_client_auth = true\n\
             [[target]]\nname = \"b\"\nkind = \"files\"\nnames = [\"a\"]\ncombined = \"/b\"\n[target.policy]\ntrust = []\n",
        )
        .unwrap();
        assert_eq!(config.rules.severity[&Code::RootSent], Severity::Warning);
        assert_eq!(config.rules.severity[&Code::Expiring], Severity::Note);
        let acceptance = Acceptance { reason: "lab".to_owned(), until: date!(2027 - 06 - 30) };
        let target = Some("*.lan:443".to_owned());
        assert_eq!(config.rules.accepted, [Accept { code: Code::SelfSigned, target, subject: None, acceptance }]);
        assert_eq!(config.trust["java"], Path::new("/opt/java/cacerts.pem"));
        assert_eq!(config.targets[0].policy.trust, ["system", "java"]);
        assert!(config.targets[0].needs_client_auth && !config.targets[1].needs_client_auth);
        assert!(config.targets[1].policy.trust.is_empty());
        assert_eq!(config.targets[0].rules, config.rules);
    }

    #[test]
    fn mistakes_are_told() {
        for (text, wanted) in [
            ("[findings]\nseverity = { root-snt = \"note\" }", "did you mean \"root-sent\"?"),
            ("[findings]\nseverity = { root-sent = \"bad\" }", "the severity of `root-sent` is none"),
            ("[findings]\nsevrity = {}", "severity"),
            ("[[accept]]\ncode = \"self-signd\"", "did you mean \"self-signed\"?"),
            ("[[accept]]\ncode = \"expired\"\ntarget = \"a\"\nreason = \"x\"", "until"),
            ("[[accept]]\ncode = \"expired\"\ntarget = \"a\"\nuntil = 2027-01-01", "reason"),
            ("[[accept]]\ncode = \"expired\"\ntarget = \"a\"\nreason = \" \"\nuntil = 2027-01-01", "is empty"),
            ("[[accept]]\ncode = \"expired\"\nreason = \"x\"\nuntil = 2027-01-01", "neither"),
            ("[[accept]]\ncode = \"expired\"\ntarget = \"a\"\nreason = \"x\"\nuntil = \"soon\"", "is no date"),
            ("accept = [1]", "write [[accept]]"),
            ("[trust.system]\nfile = \"/a\"", "its own meaning"),
            ("[trust.java]\n", "file"),
            ("[trust]\njava = \"/a\"", "write [trust.java]"),
            ("[defaults]\ntrust = [\"java\"]", "unknown clients \"java\""),
        ] {
            let told = parse(text).unwrap_err().to_string();
            assert!(told.contains(wanted), "{text}: {told}");
        }
    }
}
