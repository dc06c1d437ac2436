//! What the probes of a target came to, in the judge's words: the same as an endpoint that somebody names is judged by.

use std::time::Duration;

use crate::assess::{Look, Unseen, Wire, WireVersion};
use crate::change::{Probe, Shown};
use crate::digest::Digest;
use crate::endpoint::{Endpoint, Sni};
use crate::host::Host;
use crate::host::probe::{Answer, Sight};
use crate::host::tls::{PostQuantum, ProbeError, Refusal, Served, Spoken, Version};
use crate::host::together;

/// One probe, asked.
pub(super) struct Asked {
    /// The probe.
    pub probe: Probe,
    /// What it showed, in a word.
    pub shown: Shown,
    /// What it showed at each of its addresses; once, where that is the same.
    pub looks: Vec<Look>,
    /// Chains that were sent, DER, and where; kept by [`closely`] alone.
    pub chains: Vec<(String, Vec<Vec<u8>>)>,
    /// The chain that a client gets which names nobody, DER; kept by [`closely`] alone.
    pub unnamed: Option<Vec<Vec<u8>>>,
}

/// What every probe shows now, asked at the same time.
pub(super) fn ask(host: &Host, probes: &[Probe], limit: Duration) -> Vec<Asked> {
    at_once(probes, |probe| (host.look_by(probe, limit), None), false)
}

/// The same with the chains that are sent, and with what clients see that name nobody.
pub(super) fn closely(host: &Host, probes: &[Probe], limit: Duration) -> Vec<Asked> {
    let both = |probe: &Probe| {
        let (sight, unnamed) = together::both(|| host.look_by(probe, limit), || host.probe_without_name(probe, limit));
        (sight, unnamed.flatten())
    };
    at_once(probes, both, true)
}

fn at_once(probes: &[Probe], ask: impl Fn(&Probe) -> (Sight, Option<Served>) + Sync, chains: bool) -> Vec<Asked> {
    let lost = || Sight { shown: Shown::Failing { why: "the probe itself failed".to_owned() }, answers: Vec::new() };
    let answers = together::each(probes, ask);
    let all = probes.iter().zip(answers).map(|(probe, answer)| {
        let (sight, unnamed) = answer.unwrap_or_else(|| (lost(), None));
        asked(probe, sight, unnamed.as_ref(), chains)
    });
    all.collect()
}

fn asked(probe: &Probe, sight: Sight, unnamed: Option<&Served>, chains: bool) -> Asked {
    let looks = looks(probe, &sight, unnamed);
    let sent = sight.answers.into_iter().filter(|_| chains);
    let chains = sent.filter_map(|answer| Some((place(probe, &answer), answer.outcome.ok()?.chain))).collect();
    let unnamed = unnamed.map(|served| served.chain.clone());
    Asked { probe: probe.clone(), shown: sight.shown, looks, chains, unnamed }
}

/// What this machine itself could not do counts only where nothing else is known.
fn looks(probe: &Probe, sight: &Sight, unnamed: Option<&Served>) -> Vec<Look> {
    let own = |answer: &&Answer| answer.outcome.as_ref().is_err_and(ProbeError::is_local);
    let mut answers: Vec<&Answer> = sight.answers.iter().filter(|answer| !own(answer)).collect();
    if answers.is_empty() {
        answers.extend(sight.answers.first());
    }
    let mut each: Vec<Look> = answers.into_iter().map(|answer| one(probe, answer, unnamed)).collect();
    let same = |a: &Look, b: &Look| (&a.shown, a.unseen, &a.wire) == (&b.shown, b.unseen, &b.wire);
    if each.windows(2).all(|pair| same(&pair[0], &pair[1])) {
        each.truncate(1);
        for look in &mut each {
            look.at = probe.to_string();
        }
    }
    if each.is_empty() {
        let shown = sight.shown.clone();
        each.push(Look { at: probe.to_string(), shown, unseen: None, wire: Wire::default() });
    }
    each
}

fn one(probe: &Probe, answer: &Answer, unnamed: Option<&Served>) -> Look {
    let at = place(probe, answer);
    match &answer.outcome {
        Ok(served) => match leaf(served) {
            Some(fingerprint) => {
                // Who serves something else to everybody has nothing else as a default.
                let without_name = unnamed.and_then(leaf).filter(|other| *other != fingerprint);
                let shown = Shown::Leaf { fingerprint, proved: served.proved };
                Look { at, shown, unseen: None, wire: Wire { without_name, ..wire(served) } }
            }
            None => {
                let shown = Shown::Failing { why: "the server sent no certificate".to_owned() };
                Look { at, shown, unseen: Some(Unseen::Other), wire: Wire::default() }
            }
        },
        Err(error) => Look { at, shown: failed(error), unseen: Some(unseen(error)), wire: Wire::default() },
    }
}

/// The probe at this address of it.
fn place(probe: &Probe, answer: &Answer) -> String {
    match (probe, answer.address) {
        (Probe::Tls { start, name, family, .. }, Some(address)) => {
            let (address, start, name, family) = (address.to_string(), *start, name.clone(), *family);
            Probe::Tls { address, start, name, family }.to_string()
        }
        (Probe::Tls { .. } | Probe::Command(_) | Probe::Bundle { .. }, _) => probe.to_string(),
    }
}

/// How a server is called in results: as it is written, with the name that is asked for where that is another.
pub(super) fn titled(written: &str, endpoint: &Endpoint) -> String {
    match &endpoint.sni {
        Sni::Host => written.to_owned(),
        Sni::Name(name) => format!("{written} ({name})"),
        Sni::Nothing => format!("{written} (no name)"),
    }
}

/// The fingerprint of the leaf.
pub(super) fn leaf(served: &Served) -> Option<Digest> {
    served.chain.first().map(|leaf| Digest::of(leaf))
}

/// What a failed handshake shows.
pub(super) fn failed(error: &ProbeError) -> Shown {
    let why = crate::outcome::explain(error);
    let nobody = matches!(unseen(error), Unseen::NoAddress | Unseen::Refused);
    if nobody { Shown::Nobody { why } } else { Shown::Failing { why } }
}

/// What a handshake told, in the judge's words.
pub(super) fn wire(served: &Served) -> Wire {
    let version = match served.version {
        Version::Tls10 => WireVersion::Tls10,
        Version::Tls11 => WireVersion::Tls11,
        Version::Tls12 => WireVersion::Tls12,
        Version::Tls13 => WireVersion::Tls13,
    };
    Wire {
        version: Some(version),
        rsa_key_exchange: served.suite.is_some_and(|suite| suite.starts_with("TLS_RSA_")),
        post_quantum_refused: served.post_quantum == PostQuantum::Refused,
        without_name: None,
    }
}

/// The one place where an error of the probe becomes a reason of the catalogue.
pub(super) fn unseen(error: &ProbeError) -> Unseen {
    match error {
        ProbeError::Resolve { .. } | ProbeError::Name { .. } | ProbeError::Avoided { .. } => Unseen::NoAddress,
        ProbeError::Refused { .. } => Unseen::Refused,
        ProbeError::Connect { .. } => Unseen::Unreachable,
        ProbeError::Timeout { .. } => Unseen::Timeout,
        ProbeError::Reset { .. } => Unseen::Reset,
        ProbeError::NotTls { seen: Spoken::Http, .. } => Unseen::PlainHttp,
        ProbeError::NotTls { seen: Spoken::Known { .. } | Spoken::Other(_), .. } => Unseen::NotTls,
        ProbeError::Alert { alert, .. } if alert == "protocol_version" => Unseen::TooOld,
        ProbeError::Alert { .. } => Unseen::Alert,
        ProbeError::TooOld { .. } => Unseen::TooOld,
        ProbeError::Oversized { .. } | ProbeError::StartTls { why: Refusal::TooMuch, .. } => Unseen::Oversized,
        ProbeError::StartTls {
            why: Refusal::NotOffered | Refusal::Refused(_) | Refusal::TakenBack(_) | Refusal::Broken(_),
            ..
        } => Unseen::StarttlsRefused,
        ProbeError::Tls { .. } | ProbeError::Malformed { .. } | ProbeError::Tls13Alone { .. } => Unseen::Other,
    }
}

#[cfg(test)]
mod tests;
