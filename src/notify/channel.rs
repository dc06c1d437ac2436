//! Telling one channel, and all of them at the same time: each within its limit, none of them held up by another.

mod logs;

use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::message::Message;
use super::secret::{self, Secrets, Words};
use super::{condition::harmless, shape};
use crate::cert::codec;
use crate::change::Command;
use crate::config::{Channel, ChannelKind, Link, MailTls, SecretName, Smtp, Url, Webhook};
use crate::host::Host;
use crate::host::dir::MAX_FILE;
use crate::host::exec::Status;
use crate::host::http::{Patience, Plain, Reply, Roots, Web, WebError};
use crate::host::mail::{Letter, Protection, Server, send as send_mail};
use crate::host::together;
use crate::moment::stamp;
use crate::outcome::explain;
use crate::sensitive::Sensitive;

/// Bytes of an answer to a webhook: nobody reads more than its beginning.
const MOST_ANSWER: usize = 64 * 1024;
/// How often a webhook is tried within its limit, where the server says that it is not its day.
const TRIES: u32 = 3;
/// How long to wait before the next try, where the server does not say.
const PAUSE: Duration = Duration::from_secs(1);

/// A channel was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// What the other side said to it.
    pub words: String,
    /// What went wrong all the same: some of many were not told.
    pub complaint: Option<Trouble>,
}

/// A channel could not be told. No secret is in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// What was tried on what, and why it failed.
    pub why: String,
    /// What to do.
    pub hint: Option<String>,
    /// Whether some of those it is for have the message all the same.
    pub partly: bool,
}

impl Trouble {
    /// One that nobody has the message of.
    pub fn new(why: impl Into<String>, hint: impl Into<Option<String>>) -> Self {
        Self { why: why.into(), hint: hint.into(), partly: false }
    }

    /// Without what must not be told, harmless and bounded.
    pub(super) fn without(self, secrets: &Secrets) -> Self {
        let clean = |text: String| harmless(&secrets.out_of(&text), 400);
        Self { why: clean(self.why), hint: self.hint.map(clean), ..self }
    }
}

/// Tells each channel its messages, one after the other, and all channels at once. The answers are in the same order, fewer where one was
/// not delivered or the channel's limit has passed: nothing that follows is tried then.
#[must_use]
pub fn tell_all(host: &Host, jobs: &[(&Channel, Vec<Message>)]) -> Vec<Vec<Result<Told, Trouble>>> {
    let told = together::each(jobs, |(channel, messages)| tell_in_turn(host, channel, messages));
    let lost = || vec![Err(Trouble::new("it ended with a bug of reseal", None))];
    told.into_iter().map(|one| one.unwrap_or_else(lost)).collect()
}

fn tell_in_turn(host: &Host, channel: &Channel, messages: &[Message]) -> Vec<Result<Told, Trouble>> {
    let end = Instant::now() + channel.limit;
    let mut answers = Vec::new();
    for message in messages {
        if !answers.is_empty() && Instant::now() >= end {
            break;
        }
        answers.push(tell(host, channel, message));
        if answers.last().is_some_and(Result::is_err) {
            break;
        }
    }
    answers
}

/// Tells one channel.
///
/// # Errors
/// It was not told, with why.
pub fn tell(host: &Host, channel: &Channel, message: &Message) -> Result<Told, Trouble> {
    let mut secrets = Secrets::default();
    let told = match &channel.kind {
        ChannelKind::Webhook(hook) => webhook(host, channel, hook, message, &mut secrets),
        ChannelKind::Smtp(smtp) => mail(host, channel, smtp, message, &mut secrets),
        ChannelKind::Command(command) => self::command(host, channel, command, message),
        ChannelKind::Journald { socket } => logs::tell("the journal", socket, message, logs::journal),
        ChannelKind::Syslog { socket } => logs::tell("the system's log", socket, message, logs::syslog),
    };
    let clean = |text: &str| harmless(&secrets.out_of(text), 400);
    told.map(|told| Told {
        words: clean(&told.words),
        complaint: told.complaint.map(|trouble| trouble.without(&secrets)),
    })
    .map_err(|trouble| trouble.without(&secrets))
}

/// Where a channel leads, for people: an address without what may be a secret.
#[must_use]
pub fn place(channel: &Channel) -> String {
    match &channel.kind {
        ChannelKind::Webhook(hook) => secret::shown(&hook.url),
        ChannelKind::Smtp(smtp) => {
            let to: Vec<String> = smtp.to.iter().map(|one| one.email.to_string()).collect();
            format!("{} by {}:{}", to.join(", "), smtp.host, smtp.port)
        }
        ChannelKind::Command(command) => command.argv.first().cloned().unwrap_or_default(),
        ChannelKind::Journald { socket } | ChannelKind::Syslog { socket } => socket.display().to_string(),
    }
}

/// What a channel would be sent, in its own form: the header fields and the body of a webhook, the subject and the text of a mail, what a
/// command reads, the records of a log. Nothing that needs a secret is in it.
#[must_use]
pub fn foretold(channel: &Channel, message: &Message) -> String {
    match &channel.kind {
        ChannelKind::Webhook(hook) => {
            let request = shape::webhook(message, hook.shape, channel.repeat);
            let mut fields: String = request.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
            if !fields.is_empty() {
                fields.push('\n');
            }
            format!("{fields}{}", String::from_utf8_lossy(&request.body))
        }
        ChannelKind::Smtp(smtp) => {
            let letter = letter(smtp, message);
            format!("subject: {}\n\n{}", letter.subject, letter.text)
        }
        ChannelKind::Command(_) => String::from_utf8_lossy(&shape::json(message)).into_owned(),
        ChannelKind::Journald { .. } => {
            let records = logs::records(message).into_iter().map(|(_, fields)| {
                fields.into_iter().map(|(name, value)| format!("{name}={value}\n")).collect::<String>()
            });
            records.collect::<Vec<_>>().join("\n")
        }
        ChannelKind::Syslog { .. } => logs::lines(message).into_iter().map(|(_, line)| format!("{line}\n")).collect(),
    }
}

/// A secret, which from then on is kept out of what is told.
pub(super) fn secret(host: &Host, name: &SecretName, secrets: &mut Secrets) -> Result<Sensitive, Trouble> {
    match secret::get(host, name) {
        Ok(found) => {
            secrets.add(&found);
            Ok(found)
        }
        Err(error) => {
            let tried: Vec<String> =
                error.tried.iter().map(|(origin, miss)| format!("{origin}: {}", explain(miss))).collect();
            let hint = match &name.file {
                Some(file) => format!("see {}: it holds the secret alone, on one line, mode 0600", file.display()),
                None => format!(
                    "name a file with it, load the systemd credential reseal.{0}, or `reseal secret set {0}`",
                    name.label
                ),
            };
            Err(Trouble::new(format!("there is no secret {}: {}", name.label, tried.join("; ")), hint))
        }
    }
}

/// An address, which from then on is kept out of what is told where it is a secret.
pub(super) fn address(host: &Host, url: &Url, secrets: &mut Secrets) -> Result<Sensitive, Trouble> {
    match url {
        Url::Open(url) => Ok(Sensitive::from(url.clone())),
        Url::Secret(name) => secret(host, name, secrets),
    }
}

/// A client for one address.
pub(super) fn client(host: &Host, link: &Link, url: &Sensitive, limit: Duration) -> Result<Web, Trouble> {
    let patience = Patience { request: limit, total: limit, body: MOST_ANSWER, only_status: true };
    // Reading the system's roots takes longer than all the rest, and without TLS nobody is verified.
    let plain = url.expose().starts_with(b"http://");
    let roots = if plain { Roots::These(Vec::new()) } else { roots(host, link.root.as_deref())? };
    let web = Web::new(&roots, patience).map_err(|error| Trouble::new(explain(&error), error.hint().to_owned()))?;
    Ok(web.permitting(if link.plain { Plain::Anywhere } else { Plain::Here }))
}

fn roots(host: &Host, file: Option<&std::path::Path>) -> Result<Roots, Trouble> {
    let Some(path) = file else { return Ok(Roots::System) };
    let hint = "name a file with the root as PEM or DER".to_owned();
    let failed = |why: String| Trouble::new(format!("cannot use {} as root: {why}", path.display()), hint.clone());
    let bytes = host.read(path, MAX_FILE).map_err(|error| failed(error.to_string()))?;
    let (found, reserved) = codec::read(&bytes, None).map(|found| found.into_roots()).unwrap_or_default();
    match reserved.into_iter().next() {
        _ if !found.is_empty() => Ok(Roots::These(found)),
        Some(why) => Err(failed(why)),
        None => Err(failed("there is no certificate in it".to_owned())),
    }
}

/// One request to an address that may be a secret; `words` are those of a failure.
pub(super) fn ask(
    web: &Web,
    method: &Method,
    (url, words): (&Sensitive, Words),
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Reply, Trouble> {
    let Ok(text) = std::str::from_utf8(url.expose()) else {
        return Err(Trouble::new("the address is no text", "see the file with it".to_owned()));
    };
    web.ask(method, text, headers, body).map_err(|error| match &error {
        // The address may be a secret: it is not repeated.
        WebError::Url { why, .. } => {
            Trouble::new(format!("the address cannot be asked: {why}"), "an https address on one line".to_owned())
        }
        WebError::Redirected { server, .. } if words == Words::Kept => {
            let error = WebError::Redirected { server: server.clone(), to: None };
            Trouble::new(explain(&error), error.hint().to_owned())
        }
        WebError::Far { .. } | WebError::Reach(_) | WebError::Redirected { .. } | WebError::Answer { .. } => {
            Trouble::new(explain(&error), error.hint().to_owned())
        }
    })
}

fn webhook(
    host: &Host,
    channel: &Channel,
    hook: &Webhook,
    message: &Message,
    secrets: &mut Secrets,
) -> Result<Told, Trouble> {
    let end = Instant::now() + channel.limit;
    let url = address(host, &hook.url, secrets)?;
    let key = hook.key.as_ref().map(|name| secret(host, name, secrets)).transpose()?;
    let token = hook.token.as_ref().map(|name| secret(host, name, secrets)).transpose()?;
    let request = shape::webhook(message, hook.shape, channel.repeat);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(request.content_type));
    for (name, value) in &request.headers {
        headers.insert(HeaderName::from_static(name), field(value.as_bytes(), "a header field")?);
    }
    if let Some(token) = &token {
        let value = Sensitive::from([b"Bearer ", token.expose()].concat());
        let mut value = field(value.expose(), "the token")?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    headers.insert(HeaderName::from_static("reseal-id"), field(message.id.as_bytes(), "the id")?);
    let words = if token.is_some() { Words::Kept } else { Words::of(&hook.url) };
    let said = |reply: &Reply| if words == Words::Kept { String::new() } else { said(&reply.body) };
    let mut left = TRIES;
    loop {
        left -= 1;
        if let Some(key) = &key {
            let stamp = host.now().unix_timestamp().to_string();
            let signature = sign(key, &stamp, &request.body);
            headers.insert(HeaderName::from_static("reseal-timestamp"), field(stamp.as_bytes(), "the time")?);
            headers.insert(HeaderName::from_static("reseal-signature"), field(signature.as_bytes(), "the signature")?);
        }
        let time = end.saturating_duration_since(Instant::now());
        let asked = ask(&client(host, &hook.link, &url, time)?, &Method::POST, (&url, words), &headers, &request.body);
        let (trouble, pause) = match asked {
            Ok(reply) if reply.status.is_success() => {
                return Ok(Told { words: format!("HTTP {}{}", reply.status, said(&reply)), complaint: None });
            }
            Ok(reply) => {
                let wait = reply.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                let again = matches!(reply.status.as_u16(), 429 | 502..=504).then_some(PAUSE);
                let pause = wait.map(Duration::from_secs).filter(|_| again.is_some()).or(again);
                (not_taken(&reply, &said(&reply)), pause)
            }
            // Whether it was taken is not known where the conversation broke off: it has an id.
            Err(trouble) => (trouble, None),
        };
        let time = end.saturating_duration_since(Instant::now());
        match pause.filter(|pause| left > 0 && *pause < time) {
            Some(pause) => thread::sleep(pause),
            None => return Err(trouble),
        }
    }
}

fn field(bytes: &[u8], what: &str) -> Result<HeaderValue, Trouble> {
    HeaderValue::from_bytes(bytes)
        .map_err(|_| Trouble::new(format!("{what} cannot stand in a request"), "one line of plain text".to_owned()))
}

/// HMAC-SHA-256 over version, time and body, in hexadecimal.
fn sign(key: &Sensitive, stamp: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
    let signed = [b"v1:", stamp.as_bytes(), b":", body].concat();
    let tag = hmac::sign(&key, &signed);
    format!("v1={}", tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn said(body: &str) -> String {
    // Cut only when the secrets are out of it: half of one would not be found any more.
    let body = body.trim();
    if body.is_empty() { String::new() } else { format!(": {body}") }
}

fn not_taken(reply: &Reply, said: &str) -> Trouble {
    let hint = match reply.status.as_u16() {
        401 | 403 => "it wants to know who asks, or the address is no longer good",
        404 | 410 => "the address is no longer good: make a new one where it was made",
        413 => "the receiver takes less than a message has; see its own limit",
        429 => "it is asked too often; the next run tries again",
        500..=599 => "the receiver has a problem of its own; the next run tries again",
        _ => "see what the receiver wants",
    };
    let wait = reply.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let wait = wait.map(|seconds| format!(", and to be asked again in {seconds} s")).unwrap_or_default();
    Trouble::new(format!("it answers HTTP {}{wait}{said}", reply.status), hint.to_owned())
}

fn mail(
    host: &Host,
    channel: &Channel,
    smtp: &Smtp,
    message: &Message,
    secrets: &mut Secrets,
) -> Result<Told, Trouble> {
    let login = match &smtp.login {
        Some((user, name)) => {
            let password = secret(host, name, secrets)?;
            secrets.add(&Sensitive::from([b"\0", user.as_bytes(), b"\0", password.expose()].concat()));
            Some((user.clone(), password))
        }
        None => None,
    };
    let server = Server {
        host: smtp.host.clone(),
        port: smtp.port,
        protection: match smtp.tls {
            MailTls::StartTls => Protection::StartTls,
            MailTls::Implicit => Protection::Implicit,
            MailTls::None => Protection::Nothing,
        },
        roots: roots(host, smtp.root.as_deref())?,
        login,
    };
    let taken = send_mail(&server, &letter(smtp, message), channel.limit)
        .map_err(|error| Trouble::new(explain(&error), error.hint().to_owned()))?;
    let complaint = (!taken.refused.is_empty()).then(|| {
        let why = format!("some recipients are refused, the others have the mail: {}", taken.refused.join("; "));
        Trouble { partly: true, ..Trouble::new(why, "see `to` of the channel".to_owned()) }
    });
    Ok(Told { words: taken.reply, complaint })
}

fn letter(smtp: &Smtp, message: &Message) -> Letter {
    Letter {
        from: smtp.from.clone(),
        to: smtp.to.clone(),
        subject: message.title(),
        text: format!("{}\n-- \nreseal {} on {}, {}\n", message.text(), message.verb, message.host, stamp(message.at)),
        at: message.at,
        id: format!("{}.{}", message.id, message.at.unix_timestamp()),
    }
}

fn command(host: &Host, channel: &Channel, command: &Command, message: &Message) -> Result<Told, Trouble> {
    let limit = u32::try_from(channel.limit.as_secs()).unwrap_or(u32::MAX);
    let command = Command { argv: command.argv.clone(), timeout: command.timeout.min(limit) };
    let ran = host.run_fed(&command, &shape::json(message));
    if ran.ok() {
        return Ok(Told { words: ran.to_string(), complaint: None });
    }
    let program = command.argv.first().map(String::as_str).unwrap_or_default();
    let hint = match ran.status {
        Status::NotStarted(_) => "`command` of the channel names the program; see that it is there and executable",
        Status::Exited(_) | Status::Signalled(_) | Status::TimedOut | Status::Lost(_) => {
            "run it by hand with a message on its standard input: `reseal notify test --dry-run` shows one"
        }
    };
    Err(Trouble::new(format!("{program} {ran}"), hint.to_owned()))
}

#[cfg(test)]
mod tests;
