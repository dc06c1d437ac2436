//! Whether the new is served: what follows from the answers after a change.

use std::time::Duration;

use super::failure::Failure;
use super::journal::{Begin, Transaction};
use super::{Engine, verify};
use crate::change::{Probe, Shown};
use crate::digest::Digest;
use crate::event::Listener;
use crate::outcome::{NotSeen, Proof};

/// The service was seen to serve the new, or there was nobody to ask.
#[must_use]
pub(super) struct Verified {
    pub(super) proof: Proof,
    pub(super) not_served: Vec<NotSeen>,
}

impl Verified {
    /// What follows where the service could not be told: it takes the new up when it is started, unless it has come up with something else.
    pub(super) fn of_one_that_was_down(mut self, failure: Failure) -> Result<Self, Failure> {
        if self.not_served.iter().any(|seen| !matches!(seen.shown, Shown::Nobody { .. })) {
            return Err(failure);
        }
        if let Proof::ReadBack { why } = &mut self.proof {
            *why = format!("{why}; {}", failure.why);
        }
        Ok(self)
    }
}

/// Nobody is asked, and why.
pub(super) fn unproved(begin: &Begin, why: String) -> Verified {
    let watched = begin.probes.iter();
    let not_served = watched.map(|it| NotSeen { probe: it.probe.clone(), shown: it.before.clone() }).collect();
    Verified { proof: Proof::ReadBack { why }, not_served }
}

/// Handshakes until every probe shows the new leaf, or time is up.
pub(super) fn prove(
    engine: &Engine<'_>,
    transaction: &mut Transaction,
    listener: &mut dyn Listener,
) -> Result<Verified, Failure> {
    let Transaction { begin, checks, .. } = transaction;
    if begin.probes.is_empty() {
        let why = "no place is known where it could be asked for".to_owned();
        return Ok(Verified { proof: Proof::ReadBack { why }, not_served: Vec::new() });
    }
    let questions = verify::after_install(&begin.probes);
    let answers = verify::ask(engine.host, &questions, begin.limits, true, listener);
    verify::record(&questions, &answers, false, checks);
    if answers.interrupted {
        return Err(Failure::new("a signal asked to stop before the new certificate was seen to be served"));
    }
    let listened = |probe: &Probe| {
        begin.probes.iter().any(|watched| watched.probe == *probe && !matches!(watched.before, Shown::Nobody { .. }))
    };
    if let Some((probe, shown)) = answers.bad.iter().find(|(probe, _)| listened(probe)) {
        if let Probe::Bundle { path, .. } = probe {
            return Err(Failure {
                why: format!("{shown} after the store was brought up to date"),
                hint: Some(format!(
                    "something else decides what is in {}: look for it where that file is made",
                    path.display()
                )),
            });
        }
        let new = begin.probes.iter().any(|watched| watched.probe == *probe && is_unproved(shown, watched.wanted));
        if new {
            return Err(unchecked(engine, begin, probe));
        }
        return Err(not_taken_up(begin, probe, shown, answers.took));
    }
    let all_absent = answers.bad.len() == begin.probes.len();
    let read = begin.probes.iter().find_map(|watched| match &watched.probe {
        Probe::Bundle { path, .. } => Some(path.clone()),
        Probe::Tls { .. } | Probe::Command(_) => None,
    });
    let proof = if let Some(path) = read {
        Proof::Bundle { path }
    } else if let Some(proof) = answers.proof().filter(|_| !all_absent) {
        proof
    } else {
        let came = answers.bad.iter().find(|(_, shown)| !matches!(shown, Shown::Nobody { .. }));
        let why = match came {
            None => "nothing listened, before or after".to_owned(),
            Some((_, Shown::Leaf { .. } | Shown::Well)) => {
                "nothing listened before, and what answers now does not show the new certificate".to_owned()
            }
            // It may be no answer at all: a name that is looked up in vain, packets that are swallowed.
            Some((_, shown)) => {
                format!("nothing listened before, and what came since does not show the new certificate: {shown}")
            }
        };
        Proof::ReadBack { why }
    };
    let not_served = answers.bad.into_iter().map(|(probe, shown)| NotSeen { probe, shown }).collect();
    Ok(Verified { proof, not_served })
}

/// What a probe that was answered before shows in place of the new certificate, and where to look for the cause.
fn not_taken_up(begin: &Begin, probe: &Probe, shown: &Shown, took: Duration) -> Failure {
    let seconds = took.as_secs();
    let before = begin.probes.iter().find(|watched| watched.probe == *probe).map(|watched| &watched.before);
    let (why, hint) = match shown {
        Shown::Leaf { fingerprint, .. } if Some(*fingerprint) == begin.before => (
            format!("{probe} still shows the OLD {shown} after {seconds} s, not the new certificate"),
            "the reload did not take the new files up: does the service read these paths, and does the reload command reach it?",
        ),
        Shown::Leaf { .. } if before == Some(shown) => (
            format!(
                "{probe} shows {shown} after {seconds} s as before, which is not the target's, and not the new certificate"
            ),
            "another service may answer there, or this one reads other files: see that address and name of the probe are the target's",
        ),
        Shown::Leaf { .. } | Shown::Well => (
            format!("{probe} shows {shown} after {seconds} s, not the new certificate"),
            "the service has taken up something else: does it read these paths?",
        ),
        Shown::Nobody { .. } | Shown::Failing { .. } => (
            format!("{probe} does not show the new certificate after {seconds} s: {shown}"),
            "the service may not run with the new pair: its own log tells why",
        ),
    };
    Failure { why, hint: Some(hint.to_owned()) }
}

/// Whether it is the new certificate, with nothing but the proof of its key amiss.
fn is_unproved(shown: &Shown, wanted: Option<Digest>) -> bool {
    matches!(shown, Shown::Leaf { fingerprint, proved: false } if Some(*fingerprint) == wanted)
}

/// Why the new certificate is shown and does not count. It is asked once more what is spoken there: a probe tells no more than a word.
fn unchecked(engine: &Engine<'_>, begin: &Begin, probe: &Probe) -> Failure {
    let sight = engine.host.look_by(probe, Duration::from_millis(begin.limits.probe));
    let unproved = sight.answers.iter().filter_map(|answer| answer.outcome.as_ref().ok()).find(|served| !served.proved);
    match unproved {
        Some(served) if served.refuted => Failure {
            why: format!("{probe} shows the new certificate, and signs its handshake with another key"),
            hint: Some("the service has read the new certificate and not its key: does it read the key from this path?".to_owned()),
        },
        Some(served) => Failure {
            why: format!(
                "{probe} shows the new certificate, but that it has its key cannot be checked here ({})",
                served.spoken()
            ),
            hint: Some(
                "a change is proved over TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM or ChaCha20: let the server speak one of them, or have a \
                 command in `probe` prove it in place of `listen`"
                    .to_owned(),
            ),
        },
        None => Failure {
            why: format!("{probe} showed the new certificate without proof of its key"),
            hint: Some("the service answers unevenly: see its own log".to_owned()),
        },
    }
}
