//! DNS-01 (RFC 8555 section 8.4): a TXT record, put there by a command or by a dynamic update (RFC 2136).

use std::path::PathBuf;

use serde_json::json;

use super::error::AcmeError;
use crate::cert::Name;
use crate::change::Command;
use crate::host::Host;

/// How long a record may be kept by resolvers, in seconds.
const TTL: u32 = 60;

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Record {
    /// The name that is proved, without its wildcard.
    domain: String,
    /// The record's name, without the dot at the end.
    name: String,
    value: String,
    wildcard: bool,
}

impl Record {
    pub(super) fn of(name: &Name, value: &str) -> Self {
        let text = name.to_string();
        let domain = text.strip_prefix("*.").unwrap_or(&text).to_owned();
        let record = format!("_acme-challenge.{domain}");
        Self { domain, name: record, value: value.to_owned(), wildcard: name.is_wildcard() }
    }
}

/// A name server that takes updates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Update {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The zone; none: found out by `nsupdate`.
    pub zone: Option<String>,
    /// The file with the TSIG key (RFC 8945), as `tsig-keygen` writes it.
    pub key_file: Option<PathBuf>,
    /// The program.
    pub program: PathBuf,
    /// Its limit in seconds.
    pub timeout: u32,
}

impl Update {
    pub(super) fn carry_out(&self, host: &Host, record: &Record, present: bool) -> Result<(), AcmeError> {
        let mut argv = vec![self.program.display().to_string(), "-v".to_owned()];
        if let Some(file) = &self.key_file {
            argv.extend(["-k".to_owned(), file.display().to_string()]);
        }
        let command = Command { argv, timeout: self.timeout };
        run(host, &command, self.script(record, present).as_bytes(), record, present)
    }

    /// What `nsupdate` reads. Names and values hold no character that means anything to it.
    fn script(&self, record: &Record, present: bool) -> String {
        let mut text = format!("server {} {}\n", self.host, self.port);
        if let Some(zone) = &self.zone {
            text.push_str(&format!("zone {zone}\n"));
        }
        let Record { name, value, .. } = record;
        text.push_str(&match present {
            true => format!("update add {name}. {TTL} TXT \"{value}\"\n"),
            false => format!("update delete {name}. TXT \"{value}\"\n"),
        });
        text.push_str("send\n");
        text
    }
}

/// Has a command do it: the act as its last argument, the record as JSON on its standard input.
pub(super) fn hook(host: &Host, command: &Command, record: &Record, present: bool) -> Result<(), AcmeError> {
    let mut command = command.clone();
    command.argv.push(act(present).to_owned());
    let input = json!({
        "version": 1,
        "action": act(present),
        "type": "dns-01",
        "identifier": record.domain,
        "wildcard": record.wildcard,
        "record": record.name,
        "value": record.value,
        "ttl": TTL,
    });
    run(host, &command, format!("{input}\n").as_bytes(), record, present)
}

fn act(present: bool) -> &'static str {
    if present { "present" } else { "cleanup" }
}

fn run(host: &Host, command: &Command, input: &[u8], record: &Record, present: bool) -> Result<(), AcmeError> {
    // What was put there is taken away, whatever is left of the time for the run.
    let ran = if present { host.run_fed(command, input) } else { host.patiently(|| host.run_fed(command, input)) };
    if ran.ok() {
        return Ok(());
    }
    let program = command.argv.first().map(String::as_str).unwrap_or_default();
    let what = format!("{program} ({})", act(present));
    Err(AcmeError::Hook { what, record: record.name.clone(), how: ran.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_in_the_words_of_nsupdate() {
        let update = Update {
            host: "192.0.2.1".to_owned(),
            port: 53,
            zone: Some("example.org".to_owned()),
            key_file: None,
            program: "/usr/bin/nsupdate".into(),
            timeout: 30,
        };
        let record = Record::of(&"*.www.example.org".parse().unwrap(), "VALUE");
        assert_eq!(
            update.script(&record, true),
            "server 192.0.2.1 53\nzone example.org\nupdate add _acme-challenge.www.example.org. 60 TXT \"VALUE\"\nsend\n"
        );
        let short = Update { zone: None, ..update };
        assert_eq!(
            short.script(&record, false),
            "server 192.0.2.1 53\nupdate delete _acme-challenge.www.example.org. TXT \"VALUE\"\nsend\n"
        );
    }
}
