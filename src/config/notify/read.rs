//! Reads `[[notify]]`, `[ping]` and `[metrics]`.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;
use toml::Spanned;
use toml::de::DeValue;

use super::{Channel, ChannelKind, Link, MailTls, Notify, On, Ping, SecretName, Shape, Smtp, Url, Webhook};
use crate::assess::Severity;
use crate::config::problem::Problems;
use crate::config::table::Table;
use crate::config::words;

/// Names that channels cannot have, for something else that is told of is called so.
const TAKEN: [&str; 2] = ["ping", "metrics"];

const DAY: Duration = Duration::from_hours(24);
const LIMIT: Duration = Duration::from_secs(20);

/// Reads all three.
pub(in crate::config) fn notify(root: &mut Table<'_>, problems: &mut Problems<'_>) -> Notify {
    let mut found = Notify::default();
    for item in root.tables("notify", problems).into_iter().flatten() {
        let DeValue::Table(entries) = item.get_ref() else {
            problems.add(&item.span(), "a channel is a table: write [[notify]]");
            continue;
        };
        let place = match entries.get("name").and_then(|name| name.get_ref().as_str()) {
            Some(name) if words::label(name).is_ok() => format!("channel {name}"),
            Some(_) | None => "[[notify]]".to_owned(),
        };
        let Some((channel, at)) = channel(Table::new(place, entries, item.span()), problems) else { continue };
        if found.channels.iter().any(|other| other.name == channel.name) {
            problems.add(&at, format!("the channel {:?} is there twice", channel.name));
            continue;
        }
        found.channels.push(channel);
    }
    found.ping = root.table("ping", "[ping]", problems).and_then(|table| ping(table, problems));
    found.metrics = root.table("metrics", "[metrics]", problems).and_then(|mut table| {
        table.require("textfile", "textfile = \"/var/lib/prometheus/node-exporter/reseal.prom\"", problems);
        let path = table.path("textfile", problems);
        table.finish(problems);
        path
    });
    found
}

fn channel(mut table: Table<'_>, problems: &mut Problems<'_>) -> Option<(Channel, Range<usize>)> {
    table.require("name", "what you call it: name = \"ops\"", problems);
    table.require("kind", "\"webhook\", \"smtp\", \"command\", \"journald\" or \"syslog\"", problems);
    let name = table.text("name", problems).and_then(|(text, at)| match words::label(text) {
        Ok(name) if TAKEN.contains(&name.as_str()) => {
            problems.add(&at, format!("`{name}` has its own meaning: call this channel otherwise"));
            None
        }
        Ok(name) if name.len() > 40 => {
            problems.add(&at, format!("the name of a channel is longer than 40 characters: {name:?}"));
            None
        }
        Ok(name) => Some((name, at)),
        Err(why) => {
            problems.add(&at, format!("the name of a channel {why}"));
            None
        }
    });
    let word = table.text("kind", problems);
    let label = name.as_ref().map_or("x", |(name, _)| name.as_str());
    let kind = word.and_then(|(word, at)| kind(word, &at, label, &mut table, problems));
    let on = on(&mut table, problems);
    let severity = severity(&mut table, problems);
    let targets = table.texts("targets", problems).unwrap_or_default();
    let targets = targets.into_iter().map(|(pattern, _)| pattern.to_owned()).collect();
    let (repeat, waiting, silence) = (table.value("repeat"), table.value("waiting"), table.value("silence"));
    let repeat = span("repeat", repeat, &table, problems).unwrap_or(Some(DAY));
    let mut at_least =
        |key, value| span(key, value, &table, problems).unwrap_or(Some(3 * DAY)).unwrap_or(Duration::MAX);
    let (waiting, silence) = (at_least("waiting", waiting), at_least("silence", silence));
    let limit = limit(&mut table, problems);
    table.finish(problems);
    let (name, at) = name?;
    Some((Channel { name, kind: kind?, on, severity, targets, repeat, waiting, silence, limit }, at))
}

fn kind(
    word: &str,
    at: &Range<usize>,
    name: &str,
    table: &mut Table<'_>,
    problems: &mut Problems<'_>,
) -> Option<ChannelKind> {
    let socket = |table: &mut Table<'_>, problems: &mut Problems<'_>, usual: &str| {
        table.path("socket", problems).unwrap_or_else(|| PathBuf::from(usual))
    };
    match word {
        "webhook" => webhook(name, table, problems).map(ChannelKind::Webhook),
        "smtp" => smtp(name, table, problems).map(ChannelKind::Smtp),
        "command" => {
            table.require("command", "the program: command = [\"/usr/local/bin/tell\"]", problems);
            table.command("command", problems).map(ChannelKind::Command)
        }
        "journald" => Some(ChannelKind::Journald { socket: socket(table, problems, "/run/systemd/journal/socket") }),
        "syslog" => Some(ChannelKind::Syslog { socket: socket(table, problems, "/dev/log") }),
        "eventlog" => {
            let hint = "\"command\" tells a program of yours, \"syslog\" the log of this system";
            problems.add_with_hint(at, "the event log is one of Windows, for which there is no reseal", hint);
            None
        }
        other => {
            let hint = "\"webhook\", \"smtp\", \"command\", \"journald\" or \"syslog\"";
            problems.add_with_hint(at, format!("{} is {other:?}", table.named("kind")), hint);
            None
        }
    }
}

fn webhook(name: &str, table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Webhook> {
    let mut shape = Shape::Reseal;
    if let Some((word, at)) = table.text("shape", problems) {
        match Shape::ALL.iter().find(|(known, _)| *known == word) {
            Some((_, found)) => shape = *found,
            None => {
                let words = Shape::ALL.map(|(word, _)| format!("{word:?}")).join(", ");
                problems.add_with_hint(&at, format!("{} is {word:?}", table.named("shape")), words);
            }
        }
    }
    let url = url(&format!("notify-{name}-url"), shape.secret_url(), table, problems);
    let (file, wanted) = (table.path("key_file", problems), table.flag("signed", problems));
    let key = secret(&format!("notify-{name}-key"), ("key_file", file), ("signed", wanted), table, problems);
    let (file, wanted) = (table.path("token_file", problems), table.flag("bearer", problems));
    let token = secret(&format!("notify-{name}-token"), ("token_file", file), ("bearer", wanted), table, problems);
    let link = link(table, problems);
    Some(Webhook { url: url?, shape, key, token, link })
}

/// A secret that may be wanted: a file that holds it, or the word that another source does.
fn secret(
    label: &str,
    (file, path): (&str, Option<PathBuf>),
    (word, wanted): (&str, Option<bool>),
    table: &Table<'_>,
    problems: &mut Problems<'_>,
) -> Option<SecretName> {
    if path.is_some() && wanted == Some(false) {
        problems.add(table.span(), format!("{} is there, and `{word}` says no", table.named(file)));
    }
    (path.is_some() || wanted == Some(true)).then(|| SecretName { label: label.to_owned(), file: path })
}

/// An address: in the open where it is no secret, else from a file or another source of secrets.
fn url(label: &str, secret: bool, table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Url> {
    let file = table.path("url_file", problems);
    let Some((text, at)) = table.text("url", problems) else {
        return Some(Url::Secret(SecretName { label: label.to_owned(), file }));
    };
    // What may be a secret is not repeated.
    let why = if file.is_some() {
        Some("there are both `url` and `url_file`")
    } else if secret {
        Some("this address is a secret: whoever knows it may write there")
    } else {
        match text.parse::<http::Uri>() {
            Err(_) => Some("it is no address"),
            Ok(uri) if !matches!(uri.scheme_str(), Some("http" | "https")) => Some("it does not begin with https://"),
            Ok(uri) if uri.query().is_some() => Some("it has a `?` in it: what is behind may be a secret"),
            Ok(uri) if uri.authority().is_none_or(|it| it.as_str().contains('@')) => {
                Some("it has a user's name in it, or no host")
            }
            Ok(uri) if uri.authority().is_some_and(|it| it.as_str() != it.host() && it.port_u16().is_none()) => {
                Some("what follows its host is not a port number")
            }
            Ok(_) => None,
        }
    };
    if let Some(why) = why {
        let hint = format!("put it into a file for root alone and name that: url_file = \"/etc/reseal/{label}\"");
        problems.add_with_hint(&at, format!("{} cannot be taken: {why}", table.named("url")), hint);
        return None;
    }
    Some(Url::Open(text.to_owned()))
}

fn link(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Link {
    Link { root: table.path("root", problems), plain: table.flag("plain", problems).unwrap_or(false) }
}

fn smtp(name: &str, table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Smtp> {
    for (key, why) in [
        ("server", "the mail server: server = \"mail.example.org:587\""),
        ("from", "from whom: from = \"reseal@example.org\""),
        ("to", "to whom: to = [\"ops@example.org\"]"),
    ] {
        table.require(key, why, problems);
    }
    let tls = table.text("tls", problems).and_then(|(word, at)| match word {
        "starttls" => Some(MailTls::StartTls),
        "implicit" => Some(MailTls::Implicit),
        "none" => Some(MailTls::None),
        other => {
            let hint = "\"starttls\", \"implicit\" or \"none\"";
            problems.add_with_hint(&at, format!("{} is {other:?}", table.named("tls")), hint);
            None
        }
    });
    let server = table.text("server", problems).and_then(|(text, at)| {
        let found = server(text);
        if found.is_none() {
            problems.add_with_hint(&at, format!("{} is no host with a port", table.named("server")), "\"host:587\"");
        }
        found
    });
    let root = table.path("root", problems);
    let from = table.text("from", problems).and_then(|(text, at)| mailbox(text, &at, "from", table, problems));
    let to: Vec<Mailbox> = table
        .texts("to", problems)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(text, at)| mailbox(text, &at, "to", table, problems))
        .collect();
    if table.has("to") && to.is_empty() {
        problems.add(table.span(), format!("{} names nobody", table.named("to")));
    }
    let user = table.text("user", problems).map(|(user, _)| user.to_owned());
    let file = table.path("password_file", problems);
    if user.is_none() && file.is_some() {
        problems.add(table.span(), format!("{} is there, and no `user`", table.named("password_file")));
    }
    let login = user.map(|user| (user, SecretName { label: format!("notify-{name}-password"), file }));
    let (host, port) = server?;
    let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let tls = tls.unwrap_or(match (here, port) {
        (true, _) => MailTls::None,
        (false, 465) => MailTls::Implicit,
        (false, _) => MailTls::StartTls,
    });
    if tls == MailTls::None && !here && login.is_some() {
        let hint = "leave `tls` out, or say `tls = \"starttls\"`";
        problems.add_with_hint(
            table.span(),
            format!("{} would send a password unencrypted to another machine", table.place()),
            hint,
        );
        return None;
    }
    if to.is_empty() {
        return None;
    }
    Some(Smtp { host, port, tls, root, from: from?, to, login })
}

/// `host:port` or `[v6]:port`; without a port that of submission (RFC 6409).
fn server(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') && (host.starts_with('[') || !host.contains(':')) => {
            (host, port.parse().ok().filter(|port| *port > 0)?)
        }
        Some(_) | None => (text, 587),
    };
    let inner = host.strip_prefix('[').map_or(Some(host), |rest| rest.strip_suffix(']'))?;
    let known = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
    (!inner.is_empty() && inner.chars().all(known)).then(|| (inner.to_owned(), port))
}

fn mailbox(
    text: &str,
    at: &Range<usize>,
    key: &str,
    table: &Table<'_>,
    problems: &mut Problems<'_>,
) -> Option<Mailbox> {
    let found = text.parse::<Mailbox>().ok();
    let found = found.filter(|mailbox| {
        let address: &str = mailbox.email.as_ref();
        address.is_ascii() && !address.bytes().any(|byte| byte <= b' ' || b"<>\x7f".contains(&byte))
    });
    if found.is_none() {
        let hint = "\"ops@example.org\" or \"Operations <ops@example.org>\", in ASCII";
        problems.add_with_hint(at, format!("{} holds no mail address: {text:?}", table.named(key)), hint);
    }
    found
}

fn ping(mut table: Table<'_>, problems: &mut Problems<'_>) -> Option<Ping> {
    let url = url("ping-url", true, &mut table, problems);
    let link = link(&mut table, problems);
    let limit = limit(&mut table, problems);
    table.finish(problems);
    Some(Ping { url: url?, link, limit })
}

fn limit(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Duration {
    table.number("limit", &(1..=300), problems).map_or(LIMIT, |seconds| Duration::from_secs(seconds.into()))
}

fn on(table: &mut Table<'_>, problems: &mut Problems<'_>) -> BTreeSet<On> {
    let Some(words) = table.texts("on", problems) else {
        return On::ALL.into_iter().filter(|on| *on != On::Success).collect();
    };
    if words.is_empty() {
        problems.add(table.span(), format!("{} is empty: the channel would never be told", table.named("on")));
    }
    let mut found = BTreeSet::new();
    for (word, at) in words {
        match On::ALL.into_iter().find(|on| on.word() == word) {
            Some(on) => {
                found.insert(on);
            }
            None => {
                let known = On::ALL.map(On::word).join(", ");
                problems.add_with_hint(&at, format!("{} knows no {word:?}", table.named("on")), known);
            }
        }
    }
    found
}

fn severity(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Severity {
    let Some((word, at)) = table.text("severity", problems) else { return Severity::Warning };
    let found = Severity::ALL.iter().find(|severity| severity.word() == word);
    if found.is_none() {
        let hint = "\"critical\", \"warning\" or \"note\": this and what is worse";
        problems.add_with_hint(&at, format!("{} is {word:?}", table.named("severity")), hint);
    }
    found.copied().unwrap_or(Severity::Warning)
}

/// A span of time, such as `"12h"`; `"never"` is none.
fn span(
    key: &str,
    value: Option<&Spanned<DeValue<'_>>>,
    table: &Table<'_>,
    problems: &mut Problems<'_>,
) -> Option<Option<Duration>> {
    let value = value?;
    let hint = "\"30m\", \"12h\", \"1d\", \"2w\" or \"never\"; at most a year";
    let Some(word) = value.get_ref().as_str() else {
        table.wrong_type_with_hint(key, value, "a string", Some(hint.to_owned()), problems);
        return None;
    };
    if word == "never" {
        return Some(None);
    }
    let found = words::span(word);
    if found.is_none() {
        problems.add_with_hint(&value.span(), format!("{} is no span of time: {word:?}", table.named(key)), hint);
    }
    found.map(Some)
}

#[cfg(test)]
mod tests;
