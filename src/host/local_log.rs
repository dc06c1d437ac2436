//! The logs of this machine: the journal's native protocol, and the datagrams of syslog.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use time::OffsetDateTime;

/// How long one record may take: a log that is stuck holds nobody up.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much a record matters, as syslog counts (RFC 5424 section 6.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Priority {
    /// 2.
    Critical,
    /// 4.
    Warning,
    /// 5.
    Notice,
    /// 6.
    Info,
}

impl Priority {
    fn number(self) -> u8 {
        match self {
            Self::Critical => 2,
            Self::Warning => 4,
            Self::Notice => 5,
            Self::Info => 6,
        }
    }
}

/// A log that is open.
pub struct Log {
    socket: UnixDatagram,
}

impl Log {
    /// Opens the log behind a socket.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn open(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket })
    }

    /// One record for the journal. Names are upper-case letters, digits and `_`; a value may be anything: its length stands before it, so
    /// that none of it is taken for another field.
    ///
    /// # Errors
    /// It is too long for one datagram, or the journal does not take it.
    pub fn journal(&self, priority: Priority, fields: &[(&str, &str)]) -> io::Result<()> {
        let number = priority.number().to_string();
        let ours = [("PRIORITY", number.as_str()), ("SYSLOG_IDENTIFIER", "reseal")];
        let mut record = Vec::new();
        for (name, value) in ours.iter().chain(fields) {
            record.extend_from_slice(name.as_bytes());
            record.push(b'\n');
            record.extend_from_slice(&(value.len() as u64).to_le_bytes());
            record.extend_from_slice(value.as_bytes());
            record.push(b'\n');
        }
        insist(|| self.socket.send(&record))
    }

    /// One line for syslog, as the C library sends it (RFC 3164 section 4.1, without the host). `text` must hold no control character.
    ///
    /// # Errors
    /// The log does not take it.
    pub fn line(&self, priority: Priority, at: OffsetDateTime, text: &str) -> io::Result<()> {
        const DAEMON: u8 = 3 << 3;
        let month = &at.month().to_string()[..3];
        let (day, hour, minute, second) = (at.day(), at.hour(), at.minute(), at.second());
        let head = format!("<{}>{month} {day:>2} {hour:02}:{minute:02}:{second:02}", DAEMON | priority.number());
        let line = format!("{head} reseal[{}]: {text}", std::process::id());
        insist(|| self.socket.send(line.as_bytes()))
    }

    /// The same of any text: of one that is too long the beginning, with blanks for control characters.
    ///
    /// # Errors
    /// The log does not take it.
    pub fn any_line(&self, priority: Priority, at: OffsetDateTime, text: &str) -> io::Result<()> {
        self.line(priority, at, &one_line(text))
    }
}

/// The most bytes of a line of any text.
const MOST: usize = 1000;

fn one_line(text: &str) -> String {
    let mut plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let end = (0..=MOST.min(plain.len())).rev().find(|end| plain.is_char_boundary(*end)).unwrap_or_default();
    plain.truncate(end);
    plain
}

/// Sends again what a signal has cut short: where a call has a limit of its own, the system does not begin it again by itself (signal(7)).
fn insist(mut send: impl FnMut() -> io::Result<usize>) -> io::Result<()> {
    loop {
        match send() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            sent => return sent.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    /// Takes a record apart as the description of the protocol has it.
    fn fields(record: &[u8]) -> Vec<(String, String)> {
        let (mut rest, mut found) = (record, Vec::new());
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
            let name = String::from_utf8(rest[..end].to_vec()).unwrap();
            let length = usize::try_from(u64::from_le_bytes(rest[end + 1..end + 9].try_into().unwrap())).unwrap();
            let value = &rest[end + 9..end + 9 + length];
            assert_eq!(rest[end + 9 + length], b'\n');
            found.push((name, String::from_utf8(value.to_vec()).unwrap()));
            rest = &rest[end + 10 + length..];
        }
        found
    }

    #[test]
    fn a_record_is_one_whatever_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let far = UnixDatagram::bind(&path).unwrap();
        let log = Log::open(&path).unwrap();
        let hostile = "a\nPRIORITY=0\nMESSAGE=all is well\n\0";
        log.journal(Priority::Critical, &[("MESSAGE", hostile), ("RESEAL_TARGET", "web")]).unwrap();
        let mut bytes = [0; 4096];
        let count = far.recv(&mut bytes).unwrap();
        let found = fields(&bytes[..count]);
        let of = |name: &str| found.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>();
        assert_eq!((of("PRIORITY"), of("MESSAGE"), of("RESEAL_TARGET")), (vec!["2"], vec![hostile], vec!["web"]));

        log.line(Priority::Warning, datetime!(2026-11-03 04:05:06 UTC), "web: due").unwrap();
        let count = far.recv(&mut bytes).unwrap();
        let line = std::str::from_utf8(&bytes[..count]).unwrap();
        assert_eq!(line, format!("<28>Nov  3 04:05:06 reseal[{}]: web: due", std::process::id()));
        assert!(Log::open(&dir.path().join("none")).is_err());

        log.any_line(Priority::Warning, datetime!(2026-11-03 04:05:06 UTC), &format!("a\n<0>b\0{}", "ü".repeat(2000)))
            .unwrap();
        let count = far.recv(&mut bytes).unwrap();
        let line = std::str::from_utf8(&bytes[..count]).unwrap();
        assert!(line.contains("]: a <0>b üü") && !line.chars().any(char::is_control), "{line}");
        assert!(line.len() < MOST + 60, "{}", line.len());
    }

    #[test]
    fn a_signal_loses_no_record() {
        let mut ends = [Err(io::ErrorKind::Interrupted), Err(io::ErrorKind::Interrupted), Ok(5)].into_iter();
        insist(|| ends.next().unwrap().map_err(io::Error::from)).unwrap();
        assert_eq!(ends.next(), None);
        let full = insist(|| Err(io::ErrorKind::WouldBlock.into()));
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
