//! A mail as its bytes: headers that nothing of its text can get into, and lines of which none ends it.

use std::time::SystemTime;

use lettre::message::header::{ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0};
use lettre::message::{Mailbox, Message};
use time::OffsetDateTime;

use super::MailError;

/// A mail of plain text.
pub struct Letter {
    /// From whom.
    pub from: Mailbox,
    /// To whom.
    pub to: Vec<Mailbox>,
    /// Its subject; whatever is in it stays within its header.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// When it is written, UTC.
    pub at: OffsetDateTime,
    /// What tells it from all others.
    pub id: String,
}

/// The mail's bytes and its sender's address.
pub(super) fn written(letter: &Letter) -> Result<(Vec<u8>, String), MailError> {
    let failed = |error: &dyn std::fmt::Display| MailError::Letter(error.to_string());
    let domain = letter.from.email.domain().to_owned();
    let mut builder = Message::builder()
        .from(letter.from.clone())
        .subject(letter.subject.clone())
        .date(SystemTime::from(letter.at))
        .message_id(Some(format!("<{}@{domain}>", letter.id)))
        // No answering machine answers it (RFC 3834 section 5).
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
        .header(MIME_VERSION_1_0)
        .header(ContentType::TEXT_PLAIN);
    for one in &letter.to {
        builder = builder.to(one.clone());
    }
    let message = builder.body(letter.text.clone()).map_err(|error| failed(&error))?;
    let address: &str = letter.from.email.as_ref();
    Ok((message.formatted(), address.to_owned()))
}

/// The text between DATA and its end (RFC 5321 section 4.5.2): no line is taken for the last one.
pub(super) fn stuffed(mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(mail.len() + 64);
    let mut lines = mail.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() && lines.peek().is_none() {
            break;
        }
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}
