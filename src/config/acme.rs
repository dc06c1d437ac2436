//! `kind = "acme"` of a target's source.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use super::problem::Problems;
use super::table::Table;
use super::target::key_type;
use super::{AcmeChallenge, AcmeConfig, words};
use crate::cert::Name;
use crate::change::Command;
use crate::endpoint::Endpoint;

/// Seconds that an order may take.
const DEADLINE: u32 = 300;
/// Where Debian's `bind9-dnsutils` and RHEL's `bind-utils` put it.
const NSUPDATE: &str = "/usr/bin/nsupdate";
const CHALLENGES: &[&str] = &["http-01", "tls-alpn-01", "dns-01"];

pub(super) fn read(table: &mut Table<'_>, names: &[Name], problems: &mut Problems<'_>) -> Option<AcmeConfig> {
    let account = match table.text("account", problems) {
        None => Some("default".to_owned()),
        Some((word, at)) => match words::label(word) {
            Ok(name) => Some(name),
            Err(why) => {
                problems.add(&at, format!("the name of an ACME account {why}"));
                None
            }
        },
    };
    let directory = table.text("directory", problems).and_then(|(url, at)| {
        if url.starts_with("https://") {
            return Some(url.to_owned());
        }
        problems.add_with_hint(
            &at,
            format!("{} is no https address: {url:?}", table.named("directory")),
            "https://...",
        );
        None
    });
    let root = table.path("root", problems);
    let key = key_type(table, problems);
    let profile = plain(table, "profile", problems);
    let preferred_chain = plain(table, "preferred_chain", problems);
    let deadline = table.number("deadline", &(10..=3600), problems).unwrap_or(DEADLINE);
    let challenge = challenge(table, names, problems);
    Some(AcmeConfig {
        account: account?,
        directory,
        root,
        challenge: challenge?,
        profile,
        preferred_chain,
        key: key?,
        deadline: Duration::from_secs(u64::from(deadline)),
    })
}

/// A word of somebody else's that goes to the server as it is.
fn plain(table: &mut Table<'_>, key: &'static str, problems: &mut Problems<'_>) -> Option<String> {
    let (text, at) = table.text(key, problems)?;
    if text.is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
        problems.add(&at, format!("{} is empty, too long or has control characters", table.named(key)));
        return None;
    }
    Some(text.to_owned())
}

fn challenge(table: &mut Table<'_>, names: &[Name], problems: &mut Problems<'_>) -> Option<AcmeChallenge> {
    let (word, at) = match table.text("challenge", problems) {
        Some((word, at)) => (word, at),
        None => ("http-01", table.span().clone()),
    };
    let listen = listen(table, problems);
    let webroot = table.path("webroot", problems);
    let hook = table.command("hook", problems);
    let update = update(table, problems);
    let wait = table.number("propagation", &(0..=3600), problems);
    let unused = |table: &Table<'_>, keys: &[&'static str], problems: &mut Problems<'_>| {
        for key in keys.iter().filter(|key| table.has(key)) {
            problems.add(&at, format!("{} is not for {word}", table.named(key)));
        }
    };
    admit(word, &at, names, problems);
    match word {
        "http-01" => {
            unused(table, DNS_KEYS, problems);
            if table.has("listen") && table.has("webroot") {
                let hint = "`listen` is for a listener of reseal's own, `webroot` for a server that is there already";
                problems.add_with_hint(&at, format!("{} has both `listen` and `webroot`", table.place()), hint);
            }
            Some(webroot.map_or(AcmeChallenge::Http { listen }, |root| AcmeChallenge::Webroot { root }))
        }
        "tls-alpn-01" => {
            unused(table, DNS_KEYS, problems);
            unused(table, &["webroot"], problems);
            Some(AcmeChallenge::TlsAlpn { listen })
        }
        "dns-01" => {
            unused(table, &["listen", "webroot"], problems);
            dns(table, &at, (hook, update), Duration::from_secs(u64::from(wait.unwrap_or(0))), problems)
        }
        other => {
            let hint = match words::nearest(other, CHALLENGES) {
                Some(near) => format!("did you mean {near:?}?"),
                None => CHALLENGES.join(", "),
            };
            problems.add_with_hint(&at, format!("unknown challenge {other:?}"), hint);
            None
        }
    }
}

const DNS_KEYS: &[&str] = &["hook", "nameserver", "zone", "tsig_key_file", "nsupdate", "propagation"];

/// What no CA validates that way, told with its place.
fn admit(word: &str, at: &Range<usize>, names: &[Name], problems: &mut Problems<'_>) {
    for name in names {
        if name.is_wildcard() && word != "dns-01" {
            let hint = "set `challenge = \"dns-01\"` with a `hook` or a `nameserver`";
            problems.add_with_hint(at, format!("{name} is a wildcard, which is validated by dns-01 alone"), hint);
        }
        if matches!(name, Name::Ip(_)) && word == "dns-01" {
            let hint = "use http-01 or tls-alpn-01 for it";
            problems.add_with_hint(at, format!("{name} is an address, which dns-01 cannot validate"), hint);
        }
    }
}

fn listen(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<SocketAddr> {
    let (text, at) = table.text("listen", problems)?;
    let address = text.parse().ok();
    if address.is_none() {
        let message = format!("{} is no address of this machine: {text:?}", table.named("listen"));
        problems.add_with_hint(&at, message, "\"0.0.0.0:80\", \"[::]:80\" or \"127.0.0.1:8080\"");
    }
    address
}

/// Host and port of the name server, its zone, the key file and the program.
struct Nameserver {
    host: String,
    port: u16,
    zone: Option<String>,
    key_file: Option<PathBuf>,
    program: PathBuf,
}

fn update(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Nameserver> {
    let server = table.text("nameserver", problems);
    let zone = table.text("zone", problems);
    let key_file = table.path("tsig_key_file", problems);
    let program = table.path("nsupdate", problems).unwrap_or_else(|| PathBuf::from(NSUPDATE));
    let (text, at) = server?;
    let wrong = |hint: &str, problems: &mut Problems<'_>| {
        problems.add_with_hint(&at, format!("{} is no address: {text:?}", table.named("nameserver")), hint);
        None
    };
    let (host, port) = match text.parse::<Endpoint>() {
        Ok(_) if text.contains("://") => return wrong("write host:port, without a scheme", problems),
        Ok(endpoint) => (endpoint.host, endpoint.port),
        Err(error) => return wrong(error.hint(), problems),
    };
    let zone = zone.and_then(|(word, at)| match word.trim_end_matches('.').parse::<Name>() {
        Ok(Name::Dns(name)) if !name.starts_with('*') => Some(name),
        Ok(Name::Dns(_) | Name::Ip(_)) | Err(_) => {
            problems.add(&at, format!("{} is no zone: {word:?}", table.named("zone")));
            None
        }
    });
    Some(Nameserver { host, port, zone, key_file, program })
}

fn dns(
    table: &Table<'_>,
    at: &Range<usize>,
    (hook, update): (Option<Command>, Option<Nameserver>),
    wait: Duration,
    problems: &mut Problems<'_>,
) -> Option<AcmeChallenge> {
    match (hook, update) {
        (Some(_), Some(_)) => {
            problems
                .add(at, format!("{} has both `hook` and `nameserver`: one of them puts the record", table.place()));
            None
        }
        (Some(command), None) => {
            for key in ["zone", "tsig_key_file", "nsupdate"].iter().filter(|key| table.has(key)) {
                problems.add(at, format!("{} goes with `nameserver`", table.named(key)));
            }
            Some(AcmeChallenge::DnsHook { command, wait })
        }
        (None, Some(Nameserver { host, port, zone, key_file, program })) => {
            Some(AcmeChallenge::DnsUpdate { host, port, zone, key_file, program, wait })
        }
        (None, None) => {
            if !table.has("hook") && !table.has("nameserver") {
                let hint = "`hook = [\"/path/to/command\"]`, or `nameserver = \"192.0.2.1:53\"` with a `tsig_key_file`";
                problems.add_with_hint(at, format!("{} does not say how dns-01 is done", table.place()), hint);
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, SourceConfig};

    fn read(names: &str, source: &str) -> Result<AcmeConfig, Vec<String>> {
        let text = format!(
            "[[target]]\nname = \"w\"\nkind = \"files\"\nnames = {names}\ncombined = \"/w\"\n[target.source]\nkind = \"acme\"\n{source}"
        );
        match Config::parse(&text, Path::new("c")) {
            Ok(config) => match config.targets[0].source.clone() {
                SourceConfig::Acme(acme) => Ok(acme),
                other => panic!("{other:?}"),
            },
            Err(error) => Err(error.to_string().lines().map(str::to_owned).collect()),
        }
    }

    const NAME: &str = "[\"www.example.org\"]";

    #[test]
    fn nothing_but_the_kind_is_needed() {
        let usual = read(NAME, "").unwrap();
        assert_eq!(usual.challenge, AcmeChallenge::Http { listen: None });
        assert_eq!((usual.account.as_str(), usual.key), ("default", crate::cert::Generate::P256));
        assert_eq!(usual.deadline, Duration::from_mins(5));
    }

    #[test]
    fn every_key_has_its_meaning() {
        let whole = "account = \"ca\"\ndirectory = \"https://ca/dir\"\nroot = \"/r.pem\"\nkey_type = \"p384\"\nprofile = \"short\"\n\
                     preferred_chain = \"Root X\"\ndeadline = 60\n";
        let dns = "challenge = \"dns-01\"\nnameserver = \"[2001:db8::1]:53\"\nzone = \"example.org.\"\ntsig_key_file = \"/k\"\n\
                   nsupdate = \"/n\"\npropagation = 7\n";
        let read_whole = read("[\"*.example.org\"]", &format!("{whole}{dns}")).unwrap();
        let update = AcmeChallenge::DnsUpdate {
            host: "2001:db8::1".to_owned(),
            port: 53,
            zone: Some("example.org".to_owned()),
            key_file: Some("/k".into()),
            program: "/n".into(),
            wait: Duration::from_secs(7),
        };
        assert_eq!(read_whole.challenge, update);
        assert_eq!(read_whole.directory.as_deref(), Some("https://ca/dir"));
        assert_eq!((read_whole.root, read_whole.profile), (Some("/r.pem".into()), Some("short".to_owned())));
        let webroot = read(NAME, "webroot = \"/var/www\"").unwrap();
        assert_eq!(webroot.challenge, AcmeChallenge::Webroot { root: "/var/www".into() });
        let alpn = read(NAME, "challenge = \"tls-alpn-01\"\nlisten = \"[::1]:8443\"").unwrap();
        assert_eq!(alpn.challenge, AcmeChallenge::TlsAlpn { listen: "[::1]:8443".parse().ok() });
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let cases = [
            (
                NAME,
                "directory = \"http://ca/dir\"",
                "c:8:13: `directory` in [target.source] of target \"w\" is no https address",
            ),
            (NAME, "challenge = \"dns-1\"", "c:8:13: unknown challenge \"dns-1\" (did you mean \"dns-01\"?)"),
            (NAME, "challenge = \"dns-01\"", "c:8:13: [target.source] of target \"w\" does not say how dns-01 is done"),
            (NAME, "hook = [\"/h\"]", "is not for http-01"),
            (
                NAME,
                "challenge = \"tls-alpn-01\"\nwebroot = \"/w\"",
                "`webroot` in [target.source] of target \"w\" is not for tls-alpn-01",
            ),
            (
                NAME,
                "listen = \"localhost:80\"",
                "c:8:10: `listen` in [target.source] of target \"w\" is no address of this machine",
            ),
            (NAME, "listen = \"0.0.0.0:80\"\nwebroot = \"/w\"", "has both `listen` and `webroot`"),
            (
                NAME,
                "challenge = \"dns-01\"\nhook = [\"/h\"]\nnameserver = \"a:53\"",
                "has both `hook` and `nameserver`",
            ),
            (NAME, "challenge = \"dns-01\"\nhook = [\"/h\"]\nzone = \"a\"", "goes with `nameserver`"),
            (
                NAME,
                "challenge = \"dns-01\"\nnameserver = \"a\"",
                "`nameserver` in [target.source] of target \"w\" is no address",
            ),
            (
                NAME,
                "profile = \"a\\nb\"",
                "c:8:11: `profile` in [target.source] of target \"w\" is empty, too long or has control",
            ),
            (NAME, "account = \"../x\"", "c:8:11: the name of an ACME account must start with a letter or digit"),
            (NAME, "days = 90", "c:8:1: unknown key `days`"),
            ("[\"*.example.org\"]", "", "*.example.org is a wildcard, which is validated by dns-01 alone"),
            (
                "[\"192.0.2.1\"]",
                "challenge = \"dns-01\"\nhook = [\"/h\"]",
                "c:8:13: 192.0.2.1 is an address, which dns-01 cannot validate",
            ),
        ];
        for (names, source, words) in cases {
            let told = read(names, source).expect_err(source);
            assert!(told.iter().any(|line| line.contains(words)), "{source}: {told:#?}");
        }
    }
}
