//! Who is told: `[[notify]]`, `[ping]`, `[metrics]`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;
use serde::{Deserialize, Serialize};

use crate::assess::Severity;
use crate::change::Command;

pub(super) use self::read::notify;

mod read;

/// Who is told of what a run came to.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Notify {
    /// The channels, in the order of the file; no two have the same name.
    pub channels: Vec<Channel>,
    /// Whom the timer's verb tells that it runs.
    pub ping: Option<Ping>,
    /// The file that the timer's verb leaves for a collector of metrics.
    pub metrics: Option<PathBuf>,
}

impl Notify {
    /// Whether there is nobody to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.ping.is_none() && self.metrics.is_none()
    }
}

/// One `[[notify]]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Channel {
    /// Its name, like a target's.
    pub name: String,
    /// By what way it is told.
    pub kind: ChannelKind,
    /// Of what it is told.
    pub on: BTreeSet<On>,
    /// The mildest severity that it is told of.
    pub severity: Severity,
    /// Patterns of the targets it is told of, with `*`; none: all.
    pub targets: Vec<String>,
    /// After how long what has not changed is told again; none: never.
    pub repeat: Option<Duration>,
    /// How long a request may wait for its answer before it is told of.
    pub waiting: Duration,
    /// How long there may be no good run before it is told of.
    pub silence: Duration,
    /// How long telling may take.
    pub limit: Duration,
}

/// Of what a channel is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum On {
    /// What is wrong with a target, file or server.
    Finding,
    /// A run did not do what it should, and everything is as it was.
    Failure,
    /// A person is needed.
    Stuck,
    /// A request to a CA has waited for long.
    Waiting,
    /// There was no good run for long.
    Silence,
    /// Another channel does not deliver.
    Channel,
    /// A change was made and proved.
    Success,
}

impl On {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Finding, Self::Failure, Self::Stuck, Self::Waiting, Self::Silence, Self::Channel, Self::Success];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Finding => "finding",
            Self::Failure => "failure",
            Self::Stuck => "stuck",
            Self::Waiting => "waiting",
            Self::Silence => "silence",
            Self::Channel => "channel",
            Self::Success => "success",
        }
    }
}

/// By what way a channel is told.
#[derive(Clone, PartialEq, Debug)]
pub enum ChannelKind {
    /// An HTTP request.
    Webhook(Webhook),
    /// A mail.
    Smtp(Smtp),
    /// A program that reads JSON.
    Command(Command),
    /// The journal of systemd.
    Journald {
        /// Its socket.
        socket: PathBuf,
    },
    /// The system's log.
    Syslog {
        /// Its socket.
        socket: PathBuf,
    },
}

impl ChannelKind {
    /// Whether programs read it: these are told of each thing, in as many messages as that takes.
    #[must_use]
    pub fn is_for_programs(&self) -> bool {
        match self {
            Self::Webhook(hook) => matches!(hook.shape, Shape::Reseal | Shape::Alertmanager),
            Self::Command(_) | Self::Journald { .. } | Self::Syslog { .. } => true,
            Self::Smtp(_) => false,
        }
    }

    /// Its word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Smtp(_) => "smtp",
            Self::Command(_) => "command",
            Self::Journald { .. } => "journald",
            Self::Syslog { .. } => "syslog",
        }
    }
}

/// A secret, by the name every source of secrets knows it by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretName {
    /// Its label.
    pub label: String,
    /// The file that holds it; none: another source has it.
    pub file: Option<PathBuf>,
}

/// Where an HTTP request goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Url {
    /// It is no secret.
    Open(String),
    /// Who knows it may write there.
    Secret(SecretName),
}

/// How a server is reached.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Link {
    /// A file with the roots to trust, instead of the system's.
    pub root: Option<PathBuf>,
    /// Whether what is said may go unencrypted to other machines.
    pub plain: bool,
}

/// A webhook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Webhook {
    /// Where.
    pub url: Url,
    /// In which shape.
    pub shape: Shape,
    /// The key that signs each request.
    pub key: Option<SecretName>,
    /// What goes into the header `Authorization`.
    pub token: Option<SecretName>,
    /// How it is reached.
    pub link: Link,
}

/// The shape of a webhook's request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// reseal's own JSON.
    Reseal,
    /// Slack, Mattermost, Rocket.Chat.
    Slack,
    /// Microsoft Teams.
    Teams,
    /// ntfy.
    Ntfy,
    /// Prometheus Alertmanager.
    Alertmanager,
}

impl Shape {
    const ALL: [(&'static str, Self); 5] = [
        ("reseal", Self::Reseal),
        ("slack", Self::Slack),
        ("teams", Self::Teams),
        ("ntfy", Self::Ntfy),
        ("alertmanager", Self::Alertmanager),
    ];

    /// Whether whoever knows the address may write there.
    fn secret_url(self) -> bool {
        matches!(self, Self::Slack | Self::Teams)
    }
}

/// How a conversation with a mail server is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MailTls {
    /// TLS begins within SMTP (RFC 3207), or nothing is sent.
    StartTls,
    /// TLS from the first byte (RFC 8314 section 3.3).
    Implicit,
    /// Nothing is encrypted.
    None,
}

/// A mail server, and who writes to whom.
#[derive(Clone, PartialEq, Debug)]
pub struct Smtp {
    /// The server's name or address, IPv6 without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub tls: MailTls,
    /// A file with the roots to trust, instead of the system's.
    pub root: Option<PathBuf>,
    /// From whom.
    pub from: Mailbox,
    /// To whom; never empty.
    pub to: Vec<Mailbox>,
    /// Who logs in, and with what.
    pub login: Option<(String, SecretName)>,
}

/// `[ping]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ping {
    /// Where.
    pub url: Url,
    /// How it is reached.
    pub link: Link,
    /// How long one may take.
    pub limit: Duration,
}
