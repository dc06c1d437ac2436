//! One mail handed to one server (RFC 5321), within one limit of time from the look-up of its name to its last word.
//!
//! The server may hang, lie, or have somebody sit in front of it. So every wait has the same end, lines and answers have a most length, a
//! certificate is verified, where TLS is wanted nothing of the mail is sent without, and what comes before TLS is not taken for what
//! comes after it.

mod dialog;
mod letter;

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::dialog::{Bad, Dialog, Reply};
pub use self::letter::Letter;
use self::letter::{stuffed, written};
use super::dial::{Reach, dial};
use super::process;
use super::reach::Unreached;
use super::roots::Roots;
use super::timed::Timed;
use crate::endpoint::{Endpoint, Sni, Start};
use crate::sensitive::Sensitive;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::message::Mailbox;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

/// How a conversation is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protection {
    /// TLS begins within SMTP (RFC 3207).
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// None.
    Nothing,
}

/// A mail server.
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub protection: Protection,
    /// Whom it is trusted by.
    pub roots: Roots,
    /// Who logs in, and the password.
    pub login: Option<(String, Sensitive)>,
}

/// A mail was taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taken {
    /// What the server said to it.
    pub reply: String,
    /// Those of the recipients whom it refused, with its reasons.
    pub refused: Vec<String>,
}

/// A mail was not taken.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It cannot be written.
    #[error("cannot write the mail: {0}")]
    Letter(String),
    /// It was not reached, or the conversation broke off.
    #[error(transparent)]
    Reach(#[from] Unreached),
    /// The server said no.
    #[error("{server} refused {stage}: {reply}")]
    Refused {
        /// Host and port.
        server: String,
        /// What.
        stage: &'static str,
        /// Its words.
        reply: String,
    },
    /// The server is none that mail is given to.
    #[error("{server} cannot be used: {why}")]
    Unfit {
        /// Host and port.
        server: String,
        /// Why.
        why: String,
        /// What to do.
        hint: &'static str,
    },
}

impl MailError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Letter(_) => "see `from` and `to` of the channel",
            Self::Reach(error) => error.hint(),
            Self::Refused { reply, .. } if reply.starts_with('4') => "it may take it later; the next run tries again",
            Self::Refused { .. } => "see the server's reason; its log may say more",
            Self::Unfit { hint, .. } => hint,
        }
    }
}

/// Hands `letter` to `server` within `limit`.
///
/// # Errors
/// It was not taken; for no recipient at all.
pub fn send(server: &Server, letter: &Letter, limit: Duration) -> Result<Taken, MailError> {
    let (bytes, sender) = written(letter)?;
    let config = match server.protection {
        Protection::Nothing => None,
        Protection::StartTls | Protection::Implicit => {
            let client = server.roots.client();
            let client = client.map_err(|why| Unreached::Roots { server: server.address(), why })?;
            Some(Arc::new(client))
        }
    };
    let mut talk = Talk { server, limit, end: Instant::now() + limit, stage: "its greeting" };
    let socket = dial(&server.endpoint(), talk.end, Reach::Anywhere)
        .map_err(|error| Unreached::from_dial(error, server.address(), limit))?;
    let local = socket.local_addr();
    let socket = Timed { socket, end: talk.end };
    let mut name = process::host_name().filter(|name| is_domain(name)).unwrap_or_default();
    if name.is_empty() {
        name = local.map_or_else(|_| "localhost".to_owned(), |local| literal(local.ip()));
    }

    let mut dialog = match (&config, server.protection) {
        (Some(config), Protection::Implicit) => talk.encrypted(config, socket)?,
        _ => Dialog::new(Box::new(socket) as Box<dyn Wire>),
    };
    talk.expects(&mut dialog, "its greeting", 220)?;
    let mut able = talk.hello(&mut dialog, &name)?;
    if let (Some(config), Protection::StartTls) = (&config, server.protection) {
        if !able.has("STARTTLS") {
            let why = "it offers no STARTTLS, and nothing is sent without".to_owned();
            let hint = "say `tls = \"implicit\"` where TLS begins at once (port 465), or ask whoever runs it";
            return Err(talk.unfit(why, hint));
        }
        talk.says(&mut dialog, "STARTTLS", "to begin TLS", 220)?;
        let (wire, early) = dialog.into_wire();
        if early > 0 {
            let why = format!("{early} bytes came before TLS had begun: somebody on the way could have put them there");
            return Err(talk.unfit(why, "find out what stands between this machine and the server"));
        }
        dialog = talk.encrypted(config, wire)?;
        able = talk.hello(&mut dialog, &name)?;
    }
    if let Some((user, password)) = &server.login {
        talk.logs_in(&mut dialog, &able, user, password)?;
    }
    let taken = talk.delivers(&mut dialog, &sender, &letter.to, &bytes)?;
    // It has the mail: what becomes of the conversation is of no interest.
    let _ = dialog.say(b"QUIT\r\n");
    Ok(taken)
}

/// What a conversation goes over.
trait Wire: Read + Write {}

impl<S: Read + Write> Wire for S {}

/// What the server can, as its answer to EHLO told.
struct Able(Vec<String>);

impl Able {
    fn has(&self, word: &str) -> bool {
        self.0.iter().any(|line| line.split(' ').next().is_some_and(|first| first.eq_ignore_ascii_case(word)))
    }

    fn logs_in_by(&self, mechanism: &str) -> bool {
        // An old spelling has `=` in it.
        let lines = self.0.iter().filter_map(|line| line.split_once([' ', '=']));
        lines
            .filter(|(word, _)| word.eq_ignore_ascii_case("AUTH"))
            .any(|(_, mechanisms)| mechanisms.split([' ', '=']).any(|word| word.eq_ignore_ascii_case(mechanism)))
    }
}

/// One conversation, for the words of its errors.
struct Talk<'s> {
    server: &'s Server,
    limit: Duration,
    end: Instant,
    stage: &'static str,
}

type Open = Dialog<Box<dyn Wire>>;

impl Talk<'_> {
    fn encrypted(
        &mut self,
        config: &Arc<rustls::ClientConfig>,
        wire: impl Read + Write + 'static,
    ) -> Result<Open, MailError> {
        let name = ServerName::try_from(self.server.host.clone());
        let name = name.map_err(|_| {
            self.unfit(format!("{:?} is not a valid name of a server", self.server.host), "see `server`")
        })?;
        self.stage = "its handshake";
        let connection = ClientConnection::new(Arc::clone(config), name);
        let connection = connection.map_err(|error| self.broke("begin TLS with")(io::Error::other(error)))?;
        let mut stream = StreamOwned::new(connection, wire);
        // Now, so that a refused certificate is told as what it is.
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(self.broke("begin TLS with"))?;
        }
        Ok(Dialog::new(Box::new(stream)))
    }

    fn hello(&mut self, dialog: &mut Open, name: &str) -> Result<Able, MailError> {
        let reply = self.says(dialog, &format!("EHLO {name}"), "to be greeted", 250)?;
        Ok(Able(reply.lines))
    }

    fn logs_in(&mut self, dialog: &mut Open, able: &Able, user: &str, password: &Sensitive) -> Result<(), MailError> {
        let what = "the login";
        if able.logs_in_by("PLAIN") {
            let plain = Sensitive::from([b"\0", user.as_bytes(), b"\0", password.expose()].concat());
            self.says(dialog, "AUTH PLAIN", what, 334)?;
            return self.says_bytes(dialog, base64_line(plain.expose()).expose(), what, 235).map(drop);
        }
        if able.logs_in_by("LOGIN") {
            self.says(dialog, "AUTH LOGIN", what, 334)?;
            self.says_bytes(dialog, base64_line(user.as_bytes()).expose(), what, 334)?;
            return self.says_bytes(dialog, base64_line(password.expose()).expose(), what, 235).map(drop);
        }
        let why = "it takes neither AUTH PLAIN nor AUTH LOGIN".to_owned();
        Err(self.unfit(why, "leave `user` out where it takes mail without, or ask whoever runs it"))
    }

    fn delivers(&mut self, dialog: &mut Open, from: &str, to: &[Mailbox], mail: &[u8]) -> Result<Taken, MailError> {
        self.says(dialog, &format!("MAIL FROM:<{from}>"), "the sender", 250)?;
        let (mut refused, mut last) = (Vec::new(), None);
        for one in to {
            match self.says(dialog, &format!("RCPT TO:<{}>", one.email), "the recipient", 250) {
                Ok(_) => {}
                Err(MailError::Refused { reply, server, stage }) => {
                    refused.push(format!("{}: {reply}", one.email));
                    last = Some(MailError::Refused { reply: format!("{reply} ({})", one.email), server, stage });
                }
                Err(other) => return Err(other),
            }
        }
        if let Some(error) = last.filter(|_| refused.len() == to.len()) {
            return Err(error);
        }
        self.says(dialog, "DATA", "to take a mail", 354)?;
        let reply = self.says_bytes(dialog, &stuffed(mail), "the mail", 250)?;
        Ok(Taken { reply: reply.text(), refused })
    }

    fn says(&mut self, dialog: &mut Open, line: &str, what: &'static str, wanted: u16) -> Result<Reply, MailError> {
        self.says_bytes(dialog, format!("{line}\r\n").as_bytes(), what, wanted)
    }

    fn says_bytes(
        &mut self,
        dialog: &mut Open,
        bytes: &[u8],
        what: &'static str,
        wanted: u16,
    ) -> Result<Reply, MailError> {
        self.stage = what;
        dialog.say(bytes).map_err(self.broke("speak to"))?;
        self.expects(dialog, what, wanted)
    }

    fn expects(&mut self, dialog: &mut Open, what: &'static str, wanted: u16) -> Result<Reply, MailError> {
        self.stage = what;
        let reply = dialog.hear().map_err(|bad| match bad {
            Bad::Io(error) => self.broke("hear")(error),
            Bad::Words(why) => self.unfit(why, "see that it is a mail server"),
        })?;
        // 251: it will be forwarded.
        if reply.code == wanted || (wanted == 250 && reply.code == 251) {
            return Ok(reply);
        }
        Err(MailError::Refused { server: self.server.address(), stage: what, reply: reply.text() })
    }

    fn broke(&self, what: &'static str) -> impl FnOnce(io::Error) -> MailError + use<> {
        let (server, stage, limit) = (self.server.address(), self.stage, self.limit);
        move |source| Unreached::from_io(what, server, stage, limit, source).into()
    }

    fn unfit(&self, why: String, hint: &'static str) -> MailError {
        MailError::Unfit { server: self.server.address(), why, hint }
    }
}

impl Server {
    fn endpoint(&self) -> Endpoint {
        Endpoint { host: self.host.clone(), port: self.port, start: Start::Tls, sni: Sni::Host }
    }

    fn address(&self) -> String {
        self.endpoint().address()
    }
}

/// What may be a password as a line of base64, written into its place at once: what grows or is formatted leaves copies behind.
fn base64_line(bytes: &[u8]) -> Sensitive {
    let mut line = vec![b'='; bytes.len().div_ceil(3) * 4];
    line.reserve_exact(2);
    // It has room for all of it.
    let written = STANDARD.encode_slice(bytes, &mut line);
    debug_assert_eq!(written, Ok(line.len()));
    line.extend_from_slice(b"\r\n");
    Sensitive::from(line)
}

fn is_domain(name: &str) -> bool {
    name.contains('.')
        && name.len() <= 255
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
}

/// An address as EHLO names it (RFC 5321 section 4.1.3).
fn literal(ip: std::net::IpAddr) -> String {
    match ip {
        std::net::IpAddr::V4(ip) => format!("[{ip}]"),
        std::net::IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
    }
}

#[cfg(test)]
mod tests;
