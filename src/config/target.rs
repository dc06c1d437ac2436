//! One `[[target]]`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use toml::de::DeValue;

use super::acme;
use super::problem::Problems;
use super::schema;
use super::table::Table;
use super::{FilesConfig, Listen, NginxConfig, Policy, SourceConfig, TargetConfig, TargetKind, WILDCARD_LABEL, words};
use crate::assess::Rules;
use crate::cert::{Generate, Name, SubjectKey, SubjectPart};
use crate::change::Apply;
use crate::endpoint::Endpoint;

/// Lifetime of what a local CA issues where nothing is said, and the most it may be: the cap of the CA/Browser Forum's Baseline
/// Requirements section 6.3.2 from March 2026 on, which clients hold against private CAs too sooner or later.
const DAYS: u32 = 90;
const DAYS_MOST: u32 = 200;

/// The words for kinds of keys.
const KEY_TYPES: &[(&str, Generate)] = &[
    ("p256", Generate::P256),
    ("p384", Generate::P384),
    ("p521", Generate::P521),
    ("ed25519", Generate::Ed25519),
    ("rsa2048", Generate::Rsa2048),
    ("rsa3072", Generate::Rsa3072),
    ("rsa4096", Generate::Rsa4096),
];

/// A word that no two targets may share: a name, or a file that is written.
pub(super) struct Taken {
    pub(super) what: String,
    pub(super) at: Range<usize>,
}

/// What the rest of the file says for every target.
pub(super) struct Given<'a> {
    pub(super) policy: &'a Policy,
    pub(super) trust: &'a BTreeMap<String, PathBuf>,
    pub(super) rules: &'a Arc<Rules>,
}

/// Reads a target; what no other may have as well is added to `places`.
pub(super) fn target(
    mut table: Table<'_>,
    given: &Given<'_>,
    places: &mut Vec<Taken>,
    problems: &mut Problems<'_>,
) -> Option<TargetConfig> {
    table.require("name", "every target has a name of its own", problems);
    let name = table.text("name", problems).and_then(|(word, at)| match words::label(word) {
        Ok(name) => {
            places.push(Taken { what: format!("the target {name:?}"), at });
            Some(name)
        }
        Err(why) => {
            problems.add(&at, format!("the name of a target {why}"));
            None
        }
    });
    let kind = kind(&mut table, places, problems);
    let names = names(&mut table, problems);
    let by_path = matches!(&kind, Some(TargetKind::Nginx(NginxConfig { certificate: Some(_), .. })));
    if !by_path {
        table.require("names", "the names its certificate must carry: names = [\"www.example.org\"]", problems);
        if names.as_ref().is_some_and(Vec::is_empty) {
            problems.add(table.span(), format!("{} is empty", table.named("names")));
        }
    }
    let names = names.unwrap_or_default();
    let listen = listen(&mut table, &names, problems);
    let apply = Apply {
        check: table.command("check", problems),
        reload: table.command("reload", problems),
        restart: table.command("restart", problems),
    };
    let probe = table.command("probe", problems);
    let service_user = table.text("service_user", problems).and_then(|(word, at)| match words::user(word) {
        Ok(user) => Some(user),
        Err(why) => {
            problems.add(&at, format!("{} {why}", table.named("service_user")));
            None
        }
    });
    let source = source(&mut table, &names, problems);
    let needs_client_auth = table.flag("needs_client_auth", problems).unwrap_or_default();
    let hooks = table.flag("hooks", problems).unwrap_or(true);
    let mut policy = given.policy.clone();
    let place = format!("[target.policy] of {}", table.place());
    if let Some(mut inner) = table.table("policy", place, problems) {
        policy = schema::policy(&mut inner, given.policy, given.trust, problems);
        inner.finish(problems);
    }
    table.finish(problems);
    Some(TargetConfig {
        name: name?,
        names,
        listen,
        kind: kind?,
        apply,
        probe,
        service_user,
        needs_client_auth,
        hooks,
        rules: Arc::clone(given.rules),
        source: source?,
        policy,
    })
}

fn kind(table: &mut Table<'_>, places: &mut Vec<Taken>, problems: &mut Problems<'_>) -> Option<TargetKind> {
    table.require("kind", "kind = \"files\" or kind = \"nginx\"", problems);
    let Some((word, at)) = table.text("kind", problems) else {
        ask_all(table);
        return None;
    };
    match word {
        "files" => files(table, places, problems).map(TargetKind::Files),
        "nginx" => Some(TargetKind::Nginx(NginxConfig {
            binary: table.path("binary", problems).unwrap_or_else(|| PathBuf::from(NginxConfig::BINARY)),
            conf: table.path("conf", problems),
            prefix: table.path("prefix", problems),
            certificate: table.path("certificate", problems),
        })),
        other => {
            let hint = match words::nearest(other, &["files", "nginx"]) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "files or nginx".to_owned(),
            };
            problems.add_with_hint(&at, format!("unknown kind {other:?} of {}", table.place()), hint);
            ask_all(table);
            None
        }
    }
}

/// Of a target whose kind is not known, the keys of every kind are.
fn ask_all(table: &mut Table<'_>) {
    for key in ["certificate", "key", "chain", "combined", "binary", "conf", "prefix"] {
        let _ = table.value(key);
    }
}

fn files(table: &mut Table<'_>, places: &mut Vec<Taken>, problems: &mut Problems<'_>) -> Option<FilesConfig> {
    let mut path = |key: &'static str| {
        let (path, at) = table.path_at(key, problems)?;
        places.push(Taken { what: format!("the file {}", path.display()), at });
        Some(path)
    };
    let (certificate, key, chain, combined) = (path("certificate"), path("key"), path("chain"), path("combined"));
    if table.has("combined") {
        for other in ["certificate", "key", "chain"] {
            if table.has(other) {
                problems.add_with_hint(
                    table.span(),
                    format!("{} has both `combined` and `{other}`", table.place()),
                    "`combined` is one file with chain and key; leave one of the two out",
                );
            }
        }
        return combined.map(FilesConfig::Combined);
    }
    table.require("certificate", "the file with the certificate and its chain, or `combined`", problems);
    table.require("key", "the file with the private key, or `combined`", problems);
    Some(FilesConfig::Separate { certificate: certificate?, key: key?, chain })
}

/// The names that are good; none where all that is there is wrong, which is told with each.
fn names(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Vec<Name>> {
    let mut names: Vec<Name> = Vec::new();
    let words = table.texts("names", problems)?;
    let given = !words.is_empty();
    for (word, at) in words {
        match word.parse::<Name>() {
            Ok(name) if names.contains(&name) => {}
            Ok(name) => names.push(name),
            Err(why) => problems.add(&at, format!("{}: {why}", table.named("names"))),
        }
    }
    (!names.is_empty() || !given).then_some(names)
}

fn listen(table: &mut Table<'_>, names: &[Name], problems: &mut Problems<'_>) -> Vec<Listen> {
    let usual = names.iter().find_map(server_name);
    let mut listeners = Vec::new();
    for item in table.array("listen", problems).into_iter().flatten() {
        let listener = match item.get_ref() {
            DeValue::String(text) => {
                endpoint(text, &item.span(), table, problems).map(|endpoint| listener_at(&endpoint, usual.clone()))
            }
            DeValue::Table(entries) => {
                let mut inner = Table::new(table.named("listen"), entries, item.span());
                inner.require("address", "listen = [{ address = \"host:port\", name = \"...\" }]", problems);
                let text = inner.text("address", problems);
                let name = match inner.text("name", problems) {
                    None => usual.clone(),
                    Some((word, at)) => match word.parse::<Name>() {
                        Ok(Name::Dns(name)) if !name.starts_with('*') => Some(name),
                        Ok(Name::Dns(_) | Name::Ip(_)) => {
                            problems.add(&at, format!("a client cannot ask for {word:?}: write one DNS name"));
                            None
                        }
                        Err(why) => {
                            problems.add(&at, format!("{}: {why}", inner.named("name")));
                            None
                        }
                    },
                };
                inner.finish(problems);
                text.and_then(|(text, at)| endpoint(text, &at, table, problems))
                    .map(|endpoint| listener_at(&endpoint, name))
            }
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => {
                problems.add_with_hint(
                    &item.span(),
                    format!("{} holds something that is no address", table.named("listen")),
                    "\"host:port\", \"smtp://host:port\" or { address = \"host:port\", name = \"server.name\" }",
                );
                None
            }
        };
        listeners.extend(listener.filter(|listener| !listeners.contains(listener)));
    }
    listeners
}

/// The name by which a server is asked for a certificate that carries this one.
fn server_name(name: &Name) -> Option<String> {
    match name {
        Name::Dns(name) => Some(match name.strip_prefix("*.") {
            Some(domain) => format!("{WILDCARD_LABEL}.{domain}"),
            None => name.clone(),
        }),
        Name::Ip(_) => None,
    }
}

fn listener_at(endpoint: &Endpoint, name: Option<String>) -> Listen {
    Listen { address: endpoint.address(), start: endpoint.start, name }
}

/// As `check` and `scan` take it.
fn endpoint(text: &str, at: &Range<usize>, table: &Table<'_>, problems: &mut Problems<'_>) -> Option<Endpoint> {
    match text.parse::<Endpoint>() {
        Ok(endpoint) => Some(endpoint),
        Err(error) => {
            problems.add_with_hint(at, format!("{} is no address: {error}", table.named("listen")), error.hint());
            None
        }
    }
}

fn source(table: &mut Table<'_>, names: &[Name], problems: &mut Problems<'_>) -> Option<SourceConfig> {
    let place = format!("[target.source] of {}", table.place());
    if !table.has("source") {
        let _ = table.value("source");
        return Some(SourceConfig::None);
    }
    let mut inner = table.table("source", place, problems)?;
    inner.require(
        "kind",
        "kind = \"local-ca\", kind = \"acme\", kind = \"csr\", kind = \"command\" or kind = \"import\"",
        problems,
    );
    let (word, at) = inner.text("kind", problems)?;
    let source = match word {
        "local-ca" => local_ca(&mut inner, problems),
        "acme" => acme::read(&mut inner, names, problems).map(SourceConfig::Acme),
        "import" => Some(import(&mut inner, problems)),
        "csr" => csr(&mut inner, problems),
        "command" => command(&mut inner, problems),
        other => {
            let hint = match words::nearest(other, &["local-ca", "acme", "csr", "command", "import"]) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "local-ca, acme, csr, command or import".to_owned(),
            };
            problems.add_with_hint(&at, format!("unknown kind {other:?} of {}", inner.place()), hint);
            return None;
        }
    };
    inner.finish(problems);
    source
}

fn local_ca(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<SourceConfig> {
    let ca = match table.text("ca", problems) {
        None => Some("default".to_owned()),
        Some((word, at)) => match words::label(word) {
            Ok(ca) => Some(ca),
            Err(why) => {
                problems.add(&at, format!("the name of a CA {why}"));
                None
            }
        },
    };
    let days = table.number("days", &(1..=DAYS_MOST), problems).unwrap_or(DAYS);
    let key = key_type(table, problems);
    Some(SourceConfig::LocalCa { ca: ca?, days, key: key? })
}

/// The kind of key to make; P-256 where nothing is said.
pub(super) fn key_type(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Generate> {
    let Some((word, at)) = table.text("key_type", problems) else { return Some(Generate::P256) };
    let key = KEY_TYPES.iter().find(|(known, _)| *known == word).map(|(_, key)| *key);
    if key.is_none() {
        let known: Vec<&str> = KEY_TYPES.iter().map(|(known, _)| *known).collect();
        problems.add_with_hint(&at, format!("unknown kind of key {word:?}"), known.join(", "));
    }
    key
}

fn csr(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<SourceConfig> {
    let key = key_type(table, problems);
    let subject = subject(table, problems);
    Some(SourceConfig::Csr { key: key?, subject })
}

fn command(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<SourceConfig> {
    table.require(
        "command",
        "the program that carries the request: command = [\"/usr/local/bin/ask-our-ca\"]",
        problems,
    );
    let command = table.command("command", problems);
    let key = key_type(table, problems);
    let subject = subject(table, problems);
    Some(SourceConfig::Command { command: command?, key: key?, subject })
}

fn subject(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Vec<SubjectPart> {
    let mut subject = Vec::new();
    let place = format!("subject of {}", table.place());
    if let Some(mut inner) = table.table("subject", place, problems) {
        for key in SubjectKey::ALL {
            let Some((value, at)) = inner.text(key.word(), problems) else { continue };
            match SubjectPart::new(key, value) {
                Ok(part) => subject.push(part),
                Err(why) => problems.add(&at, why.to_string()),
            }
        }
        inner.finish(problems);
    }
    subject
}

fn import(table: &mut Table<'_>, problems: &mut Problems<'_>) -> SourceConfig {
    table.require("from", "the files to read: from = [\"/path/to/fullchain.pem\", \"/path/to/privkey.pem\"]", problems);
    let mut from = Vec::new();
    let listed = table.texts("from", problems);
    for (word, at) in listed.iter().flatten() {
        match words::absolute(word) {
            Ok(path) => from.push(path),
            Err(why) => problems.add(at, format!("{} {why}", table.named("from"))),
        }
    }
    if listed.is_some_and(|listed| listed.is_empty()) {
        problems.add(table.span(), format!("{} is empty", table.named("from")));
    }
    let alias = table.text("alias", problems).map(|(word, _)| word.to_owned());
    SourceConfig::Import { from, passphrase_file: table.path("passphrase_file", problems), alias }
}
