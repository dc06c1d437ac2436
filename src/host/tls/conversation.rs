//! One conversation with a server, without input or output: it is fed bytes, and answers with bytes to be sent or with an end.
//!
//! So a recorded handshake can be cut at every byte, and the same code asks one address or thousands.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::rand;
use rustls::pki_types::ServerName;

use super::failure::{ProbeError, Stage};
use super::modern::Modern;
use super::raw::{self, Fault, Offer, Reader};
use super::spoken::{Spoken, begins_tls, is_ssl2};
use super::starttls::{Opening, Refusal, quote};
use super::witness::Way;
use super::{PostQuantum, Served};
use crate::change::KeyFamily;
use crate::endpoint::Start;

/// Bytes a server may send before its handshake ends.
const MOST_BYTES: usize = 1024 * 1024;

/// Records a handshake may consist of.
const MOST_RECORDS: usize = 256;

/// Which hello is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Manner {
    /// TLS 1.2 and 1.3, a post-quantum group first.
    PostQuantum,
    /// TLS 1.2 and 1.3, without that group: the hello fits in one packet.
    Classic,
    /// The reader of old handshakes.
    Raw(Offer),
}

/// What is wanted of a server, whatever the address and the hello.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    /// The name to ask for; an IP address is not sent.
    pub name: Option<ServerName<'static>>,
    /// How TLS begins.
    pub start: Start,
    /// Only signatures by such keys are offered.
    pub family: Option<KeyFamily>,
    /// Nothing is looked at after the certificates.
    pub early: bool,
}

/// The state of one conversation.
pub(super) struct Conversation {
    wanted: Wanted,
    manner: Manner,
    address: SocketAddr,
    /// What is to be sent.
    out: Vec<u8>,
    part: Part,
    meter: Meter,
}

enum Part {
    Opening(Opening),
    Modern(Box<Modern>),
    Raw(Reader),
}

impl Conversation {
    /// The state at the beginning, with what is to be sent first. `own` is the address of this end, where it is known.
    ///
    /// # Errors
    /// The crypto provider cannot make a hello.
    pub(super) fn new(
        wanted: Wanted,
        manner: Manner,
        address: SocketAddr,
        own: Option<IpAddr>,
    ) -> Result<Self, ProbeError> {
        let mut out = Vec::new();
        let domain = match &wanted.name {
            Some(ServerName::DnsName(name)) => name.as_ref().to_owned(),
            Some(_) | None => address.ip().to_string(),
        };
        let part = match Opening::new(wanted.start, &domain, own, &mut out) {
            Some(opening) => Part::Opening(opening),
            None => hello(&wanted, manner, address, &mut out)?,
        };
        Ok(Self { wanted, manner, address, out, part, meter: Meter::default() })
    }

    /// What is to be sent; whoever sends takes it out.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// What is being waited for.
    pub(super) fn stage(&self) -> Stage {
        match self.part {
            Part::Opening(_) => Stage::StartTls,
            Part::Modern(_) | Part::Raw(_) => Stage::Handshake,
        }
    }

    /// Whether a hello is out and nothing came back.
    pub(super) fn unanswered(&self) -> bool {
        match &self.part {
            Part::Opening(_) => false,
            Part::Modern(_) | Part::Raw(_) => self.meter.bytes == 0,
        }
    }

    /// Takes what came. The end, if this is it; what is in [`Conversation::out`] may then still be sent.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Option<Result<Served, ProbeError>> {
        match &mut self.part {
            Part::Opening(opening) => match opening.hear(bytes, &mut self.out) {
                Ok(false) => None,
                Ok(true) => match hello(&self.wanted, self.manner, self.address, &mut self.out) {
                    Ok(part) => {
                        self.part = part;
                        None
                    }
                    Err(error) => Some(Err(error)),
                },
                Err(why) => Some(Err(self.no_tls(why))),
            },
            Part::Modern(_) | Part::Raw(_) => self.hear_tls(bytes),
        }
    }

    fn hear_tls(&mut self, bytes: &[u8]) -> Option<Result<Served, ProbeError>> {
        let address = self.address;
        if bytes.is_empty() {
            return None;
        }
        if self.meter.bytes == 0 && !begins_tls(bytes) {
            let error = if is_ssl2(bytes) {
                ProbeError::TooOld { address, version: "SSL 2.0" }
            } else if self.wanted.start != Start::Tls {
                // The protocol is known: only TLS is missing, and the server says why.
                let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
                self.no_tls(Refusal::TakenBack(quote(line)))
            } else {
                ProbeError::NotTls { address, seen: Spoken::of(bytes) }
            };
            return Some(Err(error));
        }
        // A farewell without any other word. TLS itself would wait on, for anybody could have written it.
        if self.meter.bytes == 0 && matches!(bytes, [0x15, 3, _, 0, 2, _, 0, ..]) {
            return Some(Err(ProbeError::Reset { address }));
        }
        // What comes before the limit may be the end.
        let (good, over) = self.meter.count(bytes);
        let end = self.digest(bytes.get(..good).unwrap_or_default());
        end.or_else(|| over.map(|what| Err(ProbeError::Oversized { address, what })))
    }

    fn digest(&mut self, bytes: &[u8]) -> Option<Result<Served, ProbeError>> {
        let address = self.address;
        match &mut self.part {
            Part::Opening(_) => None,
            Part::Modern(modern) => modern.hear(bytes, &mut self.out),
            Part::Raw(reader) => match reader.hear(bytes) {
                Ok(None) => None,
                Ok(Some(read)) => Some(Ok(Served {
                    chain: read.chain,
                    proved: false,
                    refuted: false,
                    version: read.version,
                    suite: Some(read.suite),
                    group: None,
                    post_quantum: PostQuantum::NotNegotiated,
                    client_certificate: None,
                    raw: true,
                    address,
                })),
                Err(fault) => Some(Err(self.fault(&fault))),
            },
        }
    }

    /// What is to be made of it that the server hung up.
    pub(super) fn hung_up(&mut self) -> Result<Served, ProbeError> {
        match &mut self.part {
            // Whoever hangs up at the question for TLS has answered it.
            Part::Opening(opening) => {
                let why = if opening.heard() { Refusal::HungUp } else { Refusal::Mute };
                Err(self.no_tls(why))
            }
            Part::Raw(_) => Err(ProbeError::Reset { address: self.address }),
            Part::Modern(modern) => modern.hung_up(),
        }
    }

    fn no_tls(&self, why: Refusal) -> ProbeError {
        ProbeError::StartTls { address: self.address, protocol: self.wanted.start, why }
    }

    fn fault(&self, fault: &Fault) -> ProbeError {
        let address = self.address;
        match *fault {
            // SSL 3.0 answers a hello of TLS 1.0 in its own records.
            Fault::Alert { ssl3: true, .. } if self.manner == Manner::Raw(Offer::Tls10) => {
                ProbeError::TooOld { address, version: "SSL 3.0" }
            }
            Fault::Alert { number: 0, .. } => ProbeError::Reset { address },
            Fault::Alert { number, midway, .. } => {
                ProbeError::Alert { address, alert: raw::alert_name(number), midway }
            }
            Fault::TooOld(version) => ProbeError::TooOld { address, version },
            Fault::Oversized(what) => ProbeError::Oversized { address, what },
            Fault::Malformed(what) => ProbeError::Malformed { address, what },
        }
    }
}

fn hello(wanted: &Wanted, manner: Manner, address: SocketAddr, out: &mut Vec<u8>) -> Result<Part, ProbeError> {
    let offer = match manner {
        Manner::PostQuantum | Manner::Classic => {
            // No name is sent for an IP address (RFC 6066 section 3).
            let server = wanted.name.clone().unwrap_or_else(|| ServerName::from(address.ip()));
            let post_quantum = manner == Manner::PostQuantum;
            let way = Way { family: wanted.family, post_quantum, early: wanted.early };
            return Ok(Part::Modern(Box::new(Modern::new(address, server, way, out)?)));
        }
        Manner::Raw(offer) => offer,
    };
    let name = match &wanted.name {
        Some(ServerName::DnsName(name)) => Some(name.as_ref()),
        Some(_) | None => None,
    };
    let mut random = [0; 32];
    rand::fill(&mut random).map_err(|_| ProbeError::Tls { address, source: rustls::Error::FailedToGetRandomBytes })?;
    out.extend_from_slice(&raw::hello(offer, name, &random));
    Ok(Part::Raw(Reader::default()))
}

/// Counts bytes and records as they pass.
#[derive(Debug, Default)]
struct Meter {
    bytes: usize,
    records: usize,
    /// The header of a record, as far as it has come.
    header: [u8; 5],
    filled: usize,
    /// Bytes of the current record that have not come.
    missing: usize,
}

impl Meter {
    /// How many of the bytes are within the limits, and which one the next would pass.
    fn count(&mut self, bytes: &[u8]) -> (usize, Option<&'static str>) {
        let room = MOST_BYTES.saturating_sub(self.bytes);
        self.bytes = self.bytes.saturating_add(bytes.len());
        let mut rest = bytes.get(..room).unwrap_or(bytes);
        let taken = rest.len();
        while let Some((first, others)) = rest.split_first() {
            if self.missing > 0 {
                let passed = self.missing.min(rest.len());
                self.missing -= passed;
                rest = rest.get(passed..).unwrap_or_default();
                continue;
            }
            if self.filled == 0 {
                self.records += 1;
                if self.records > MOST_RECORDS {
                    return (taken - rest.len(), Some("more than 256 records"));
                }
            }
            if let Some(place) = self.header.get_mut(self.filled) {
                *place = *first;
            }
            rest = others;
            self.filled += 1;
            if self.filled == self.header.len() {
                let [.., high, low] = self.header;
                self.missing = usize::from(u16::from_be_bytes([high, low]));
                self.filled = 0;
            }
        }
        (taken, (bytes.len() > room).then_some("more than 1 MiB"))
    }
}

#[cfg(test)]
mod tests;
