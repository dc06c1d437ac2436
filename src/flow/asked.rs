//! What the probes of a target came to, in the judge's words: the same as an endpoint that somebody names is judged by.

use std::time::Duration;

use crate::assess::{Look, Unseen, Wire, WireVersion, is_dead};
use crate::change::{KeyFamily, Probe, Shown};
use crate::digest::Digest;
use crate::endpoint::{Endpoint, Sni};
use crate::flow::check::Seen;
use crate::host::Host;
use crate::host::probe::{Answer, Sight, telling};
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

impl From<Asked> for Seen {
    fn from(asked: Asked) -> Self {
        let key_refuted = asked.looks.iter().any(|look| look.wire.key_refuted);
        Self { probe: asked.probe.to_string(), shown: asked.shown, key_refuted }
    }
}

/// What is to be asked.
#[derive(Clone)]
pub(super) struct Question {
    /// By which probe.
    pub probe: Probe,
    /// The leaf that the files hold, and how a client tells its key from others of the same server; none where nothing is known.
    pub own: Option<(Digest, KeyFamily)>,
}

impl From<Probe> for Question {
    fn from(probe: Probe) -> Self {
        Self { probe, own: None }
    }
}

/// What every probe shows now, asked at the same time.
pub(super) fn ask(host: &Host, questions: &[Question], limit: Duration) -> Vec<Asked> {
    at_once(questions, |question| look(host, question, |probe| (host.look_by(probe, limit), None)), false)
}

/// The same with the chains that are sent, and with what clients see that name nobody.
pub(super) fn closely(host: &Host, questions: &[Question], limit: Duration) -> Vec<Asked> {
    let both = |probe: &Probe| {
        let (sight, unnamed) = together::both(|| host.look_by(probe, limit), || host.probe_without_name(probe, limit));
        (sight, unnamed.flatten())
    };
    at_once(questions, |question| look(host, question, both), true)
}

/// Looks, and where a leaf with another kind of key is shown than the files hold, once more for the kind that theirs is: a server with two
/// pairs shows a client the one that it prefers. What is shown then counts only if it is theirs; else what clients see does.
fn look(host: &Host, question: &Question, ask: impl Fn(&Probe) -> (Sight, Option<Served>)) -> (Sight, Option<Served>) {
    let first = ask(&question.probe);
    let (Some((own, family)), Shown::Leaf { fingerprint, .. }) = (question.own, &first.0.shown) else { return first };
    let other_kind = own != *fingerprint && first.0.family().is_some_and(|shown| shown != family);
    let Some(asked) = question.probe.of_family(family).filter(|_| other_kind && host.interrupted().is_none()) else {
        return first;
    };
    let second = ask(&asked);
    let is_own = matches!(second.0.shown, Shown::Leaf { fingerprint: shown, .. } if shown == own);
    if is_own { second } else { first }
}

fn at_once(
    questions: &[Question],
    ask: impl Fn(&Question) -> (Sight, Option<Served>) + Sync,
    chains: bool,
) -> Vec<Asked> {
    let lost = || Sight { shown: Shown::Failing { why: "the probe itself failed".to_owned() }, answers: Vec::new() };
    let answers = together::each(questions, ask);
    let all = questions.iter().zip(answers).map(|(question, answer)| {
        let (sight, unnamed) = answer.unwrap_or_else(|| (lost(), None));
        asked(&question.probe, sight, unnamed.as_ref(), chains)
    });
    all.collect()
}

fn asked(probe: &Probe, sight: Sight, unnamed: Option<&Served>, chains: bool) -> Asked {
    let looks = looks(probe, &sight, unnamed);
    let sent = sight.answers.into_iter().filter(|_| chains);
    let mut chains: Vec<(String, Vec<Vec<u8>>)> =
        sent.filter_map(|answer| Some((place(probe, &answer), answer.outcome.ok()?.chain))).collect();
    // Who is told of once is called by one name throughout.
    let once = looks.len() == 1 && chains.windows(2).all(|pair| pair[0].1 == pair[1].1);
    if once {
        for (at, _) in &mut chains {
            *at = probe.to_string();
        }
    }
    let unnamed = unnamed.map(|served| served.chain.clone());
    Asked { probe: probe.clone(), shown: sight.shown, looks, chains, unnamed }
}

fn looks(probe: &Probe, sight: &Sight, unnamed: Option<&Served>) -> Vec<Look> {
    let mut each: Vec<Look> = telling(&sight.answers).into_iter().map(|answer| one(probe, answer, unnamed)).collect();
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
                // Who serves something else to everybody has nothing else as a default; and another address may have another.
                let same_place = unnamed.filter(|unnamed| unnamed.address == served.address);
                let without_name = same_place.and_then(leaf).filter(|other| *other != fingerprint);
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
        dead_suite: served.suite.filter(|suite| is_dead(suite)),
        rsa_key_exchange: served.suite.is_some_and(|suite| suite.starts_with("TLS_RSA_")),
        post_quantum_refused: served.post_quantum == PostQuantum::Refused,
        key_refuted: served.refuted,
        // Where nothing hangs on it, addresses that agree in all else need not agree in this.
        spoken: (!served.proved).then(|| served.spoken()),
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
        ProbeError::Reset { .. } | ProbeError::StartTls { why: Refusal::Mute, .. } => Unseen::Reset,
        ProbeError::StartTls { why: Refusal::Unwelcome(_), .. } => Unseen::Other,
        ProbeError::NotTls { seen: Spoken::Http, .. } => Unseen::PlainHttp,
        ProbeError::NotTls { seen: Spoken::Known { .. } | Spoken::Other(_), .. } => Unseen::NotTls,
        ProbeError::Alert { .. } => Unseen::Alert,
        ProbeError::TooOld { .. } => Unseen::TooOld,
        ProbeError::Oversized { .. } | ProbeError::StartTls { why: Refusal::TooMuch, .. } => Unseen::Oversized,
        ProbeError::StartTls {
            why:
                Refusal::NotOffered | Refusal::Refused(_) | Refusal::HungUp | Refusal::TakenBack(_) | Refusal::Broken(_),
            ..
        } => Unseen::StarttlsRefused,
        ProbeError::Tls { .. } | ProbeError::Malformed { .. } | ProbeError::Tls13Alone { .. } => Unseen::Other,
    }
}

#[cfg(test)]
mod tests;
