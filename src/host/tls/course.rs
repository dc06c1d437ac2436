//! Which hello comes next when one was in vain.
//!
//! The newest first. A server that cannot bear a hello longer than a packet is asked again with a short one, and with the long one once
//! more before that is blamed: one lost connection says nothing. A server that refuses TLS 1.2 and 1.3 as they are spoken here is read
//! as an old one. One that takes a hello and then gives up, as where its key cannot be used, fails at something else than the hello,
//! and is asked no further. Of all failures the one that says most is told.

use std::time::Duration;

use rustls::Error;

use super::conversation::Manner;
use super::failure::ProbeError;
use super::raw::Offer;
use super::{PostQuantum, Served};
use crate::change::KeyFamily;

/// What is done next.
#[derive(Debug)]
pub(super) enum Next {
    /// Another connection, with the hello of [`Course::manner`].
    Again,
    /// Nothing more.
    End(Result<Served, ProbeError>),
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ended {
    /// The hello was out, and not one byte came back.
    pub unanswered: bool,
    /// How long the hello was out until the first answer, or until no answer was awaited any longer.
    pub waited: Duration,
}

/// The hellos sent to one address, and what came of them.
#[derive(Debug)]
pub(super) struct Course {
    manner: Manner,
    /// Without it, the reader of old handshakes is not used.
    old_too: bool,
    told: Option<ProbeError>,
    /// How long the long hello stayed without an answer.
    stalled: Option<Duration>,
    /// What the short hello showed where the long one was in vain, and how long that took: the long one is tried a second time.
    confirm: Option<(Served, Duration)>,
    /// TLS 1.2 was refused for its version.
    no_tls12: bool,
}

impl Course {
    /// With a family only TLS 1.2 and 1.3 are spoken: the reader of old handshakes proves nothing, and who asks for a family
    /// wants a proof.
    pub(super) fn new(family: Option<KeyFamily>) -> Self {
        Self {
            manner: Manner::PostQuantum,
            old_too: family.is_none(),
            told: None,
            stalled: None,
            confirm: None,
            no_tls12: false,
        }
    }

    /// The hello to be sent now.
    pub(super) fn manner(&self) -> Manner {
        self.manner
    }

    /// The long hello has stayed so long without an answer that the short one is tried beside it.
    pub(super) fn stall(&mut self, waited: Duration, timeout: ProbeError) {
        self.stalled = Some(waited);
        self.manner = Manner::Classic;
        self.remember(timeout);
    }

    /// Whether a long hello has stayed without an answer in this course.
    pub(super) fn has_stalled(&self) -> bool {
        self.stalled.is_some()
    }

    /// The long hello is what is waited for after all; `answered` where its answer has begun to come.
    pub(super) fn resume(&mut self, answered: bool) {
        self.manner = Manner::PostQuantum;
        if answered {
            self.stalled = None;
        }
    }

    /// How long the short hello took, where the long one is being tried a second time.
    pub(super) fn confirming(&self) -> Option<Duration> {
        self.confirm.as_ref().map(|(_, took)| *took)
    }

    /// After the end of a connection.
    pub(super) fn after(&mut self, outcome: Result<Served, ProbeError>, how: Ended) -> Next {
        if let Some((mut served, _)) = self.confirm.take() {
            return Next::End(Ok(match outcome {
                Ok(long) => long,
                Err(error) => {
                    if is_silence(&error) || chokes(&error) {
                        served.post_quantum = PostQuantum::Refused;
                    }
                    served
                }
            }));
        }
        let error = match outcome {
            Ok(served) if self.manner == Manner::Classic && self.blames_the_hello(how) => {
                self.confirm = Some((served, how.waited));
                self.manner = Manner::PostQuantum;
                return Next::Again;
            }
            Ok(served) => return Next::End(Ok(served)),
            // Another hello would show a certificate at best, of a server that no client gets to.
            Err(error @ ProbeError::Alert { midway: true, .. }) => return Next::End(Err(error)),
            Err(error) => error,
        };
        let next = self.next(&error, how);
        self.remember(error);
        match next {
            Some(manner) => {
                self.manner = manner;
                Next::Again
            }
            None => self.give_up(),
        }
    }

    /// The end, without another attempt.
    pub(super) fn give_up(&mut self) -> Next {
        if let Some((mut served, _)) = self.confirm.take() {
            served.post_quantum = PostQuantum::Refused;
            return Next::End(Ok(served));
        }
        let error = match self.told.take() {
            Some(ref error @ (ProbeError::Alert { address, .. } | ProbeError::Tls { address, .. }))
                if self.no_tls12 && finds_nothing_in_common(error) =>
            {
                ProbeError::Tls13Alone { address }
            }
            Some(error) => error,
            // Whoever gives up has been told why.
            None => ProbeError::Resolve { address: String::new(), source: std::io::ErrorKind::NotFound.into() },
        };
        Next::End(Err(error))
    }

    /// Keeps the failure that says most; of equals the first.
    pub(super) fn remember(&mut self, error: ProbeError) {
        if self.told.as_ref().is_none_or(|told| rank(told) < rank(&error)) {
            self.told = Some(error);
        }
    }

    /// A server that is slow with the short hello as well was only slow.
    fn blames_the_hello(&self, how: Ended) -> bool {
        self.stalled.is_some_and(|stalled| stalled.is_zero() || how.waited * 4 <= stalled)
    }

    fn next(&mut self, error: &ProbeError, how: Ended) -> Option<Manner> {
        let old = self.old_too.then_some(Manner::Raw(Offer::Tls12));
        match self.manner {
            // One that only took its time is not asked in another way.
            Manner::PostQuantum if how.unanswered && is_silence(error) && self.has_stalled() => None,
            Manner::PostQuantum if (how.unanswered && is_silence(error)) || chokes(error) => {
                self.stalled = Some(Duration::ZERO);
                Some(Manner::Classic)
            }
            Manner::Classic if how.unanswered && matches!(error, ProbeError::Reset { .. }) => old,
            Manner::PostQuantum | Manner::Classic if is_refusal(error) => old,
            Manner::PostQuantum | Manner::Classic => None,
            Manner::Raw(offer) => {
                let by_version = self.told.as_ref().is_some_and(|told| alert_of(told) == "protocol_version");
                self.no_tls12 |= offer == Offer::Tls12 && alert_of(error) == "protocol_version" && !by_version;
                let again = matches!(error, ProbeError::Alert { .. } | ProbeError::Reset { .. });
                match offer {
                    Offer::Tls12 if again => Some(Manner::Raw(Offer::Tls11)),
                    Offer::Tls11 if again => Some(Manner::Raw(Offer::Tls10)),
                    Offer::Tls12 | Offer::Tls11 | Offer::Tls10 => None,
                }
            }
        }
    }
}

/// Whether the server has said nothing at all, as far as this failure tells.
pub(super) fn says_nothing(error: &ProbeError) -> bool {
    rank(error) < 4
}

fn is_silence(error: &ProbeError) -> bool {
    matches!(error, ProbeError::Reset { .. } | ProbeError::Timeout { .. })
}

fn alert_of(error: &ProbeError) -> &str {
    if let ProbeError::Alert { alert, .. } = error { alert } else { "" }
}

/// What servers answer that cannot read a hello with something new in it.
fn chokes(error: &ProbeError) -> bool {
    let unread =
        matches!(alert_of(error), "decode_error" | "illegal_parameter" | "internal_error" | "unexpected_message");
    unread && !matches!(error, ProbeError::Alert { midway: true, .. })
}

/// What is answered where nothing that was offered can be taken (RFC 8446 section 4.1.1), by the server or by the client.
fn finds_nothing_in_common(error: &ProbeError) -> bool {
    matches!(alert_of(error), "handshake_failure" | "insufficient_security" | "illegal_parameter")
        || matches!(error, ProbeError::Tls { source: Error::PeerIncompatible(_), .. })
}

/// Whether the server may have meant that it speaks nothing of what was offered. Who does not know the name would not know it in
/// another hello.
#[allow(clippy::wildcard_enum_match_arm, reason = "the library's errors are an open set")]
fn is_refusal(error: &ProbeError) -> bool {
    match error {
        ProbeError::Alert { alert, .. } => alert != "unrecognized_name",
        ProbeError::Tls { source, .. } => matches!(
            source,
            Error::PeerIncompatible(_)
                | Error::PeerMisbehaved(_)
                | Error::InvalidMessage(_)
                | Error::InappropriateMessage { .. }
                | Error::InappropriateHandshakeMessage { .. }
                | Error::InvalidCertificate(_)
        ),
        _ => false,
    }
}

/// How much a failure says.
fn rank(error: &ProbeError) -> u8 {
    match error {
        ProbeError::Resolve { .. } | ProbeError::Name { .. } | ProbeError::Avoided { .. } => 0,
        ProbeError::Refused { .. } | ProbeError::Connect { .. } => 1,
        ProbeError::Timeout { .. } => 2,
        ProbeError::Reset { .. } => 3,
        ProbeError::Tls { .. }
        | ProbeError::Malformed { .. }
        | ProbeError::Oversized { .. }
        | ProbeError::StartTls { .. }
        | ProbeError::NotTls { .. } => 4,
        ProbeError::Alert { .. } => 4,
        ProbeError::Tls13Alone { .. } | ProbeError::TooOld { .. } => 5,
    }
}

#[cfg(test)]
mod tests;
