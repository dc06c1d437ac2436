//! A door for the fuzzer, which no program has: a conversation with whoever says these bytes.

use std::net::{Ipv4Addr, SocketAddr};

use rustls::pki_types::ServerName;

use super::conversation::{Conversation, Manner, Wanted};
use super::failure::{ProbeError, Stage};
use super::raw::Offer;
use super::{Served, Start};

/// How many hellos [`converse`] knows.
pub const HELLOS: u8 = 6;

/// What is made of `said`, which comes in pieces of so many bytes (0: at once); with `slowly`, byte by byte until TLS begins.
///
/// # Errors
/// As in [`super::ask_at`].
pub fn converse(start: Start, hello: u8, piece: usize, slowly: bool, said: &[u8]) -> Result<Served, ProbeError> {
    let manner = match hello % HELLOS {
        0 => Manner::PostQuantum,
        1 | 2 => Manner::Classic,
        3 => Manner::Raw(Offer::Tls12),
        4 => Manner::Raw(Offer::Tls11),
        _ => Manner::Raw(Offer::Tls10),
    };
    let name = ServerName::try_from("a.example").ok();
    let wanted = Wanted { name, start, family: None, early: hello % HELLOS == 2 };
    let mut conversation = Conversation::new(wanted, manner, SocketAddr::from((Ipv4Addr::LOCALHOST, 443)), None)?;
    let mut rest = said;
    while !rest.is_empty() {
        let length = match (conversation.stage(), piece) {
            (Stage::StartTls, _) if slowly => 1,
            (_, 0) => rest.len(),
            (_, length) => length,
        };
        let (heard, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        conversation.out().clear();
        if let Some(end) = conversation.hear(heard) {
            return end;
        }
        rest = after;
    }
    conversation.hung_up()
}
