//! Proof by handshakes. One handshake proves nothing: for a moment after a reload old and new workers both answer, so every probe
//! must show the new leaf several times in a row, over longer than that.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::journal::{Limits, Watched};
use crate::change::{Probe, Shown};
use crate::digest::Digest;
use crate::event::{Event, Listener};
use crate::host::Host;
use crate::outcome::{Checked, Checks, Proof};

/// Handshakes in a row that must show the wanted leaf, however short the settling time is.
const IN_A_ROW: u32 = 3;

/// Where nobody listened before: how long a service may take to come up after its reload has returned. Nobody is waited for longer
/// who was never there.
const PATIENCE: Duration = Duration::from_secs(1);

/// Between two looks at the same place.
const PAUSE: Duration = Duration::from_millis(15);

/// What is asked of one probe.
pub(super) struct Question<'a> {
    /// The probe.
    pub probe: Cow<'a, Probe>,
    /// Any of these leaves will do; empty: any success.
    pub leaves: Vec<Digest>,
    /// Whether the key must be proved.
    pub proved: bool,
    /// Asked for [`PATIENCE`] only, and no answer is an answer.
    pub briefly: bool,
}

/// How the questions were answered.
pub(super) struct Answers {
    /// Handshakes that showed what was wanted.
    pub handshakes: u32,
    /// Commands, and looks into files, that ended well.
    pub others: u32,
    /// Probes that did not come to show it, with what they showed last.
    pub bad: Vec<(Probe, Shown)>,
    /// A signal cut it short.
    pub interrupted: bool,
    /// How long it took.
    pub took: Duration,
}

impl Answers {
    /// What they prove; nothing where none was good.
    pub(super) fn proof(&self) -> Option<Proof> {
        match (self.handshakes, self.others) {
            (0, 0) => None,
            (0, count) => Some(Proof::Commands { count }),
            (count, _) => Some(Proof::Handshakes { count }),
        }
    }
}

/// Adds how each question was answered to what was checked.
pub(super) fn record(questions: &[Question<'_>], answers: &Answers, undo: bool, checks: &mut Checks) {
    for question in questions {
        let bad = answers.bad.iter().find(|(probe, _)| *probe == *question.probe);
        let saw = match (bad, &*question.probe) {
            (Some((_, shown)), _) => shown.to_string(),
            (None, Probe::Tls { .. }) if undo => "the old certificate".to_owned(),
            (None, Probe::Tls { .. }) => "the new certificate, its key proved".to_owned(),
            (None, Probe::Command(_) | Probe::Bundle { .. }) => "as it should be".to_owned(),
        };
        checks.add(Checked::Probe, &question.probe.to_string(), bad.is_none(), &saw, undo);
    }
}

/// What must be seen after an install.
pub(super) fn after_install(watched: &[Watched]) -> Vec<Question<'_>> {
    let question =
        |watched: &'_ Watched| (watched.wanted.into_iter().collect(), matches!(watched.before, Shown::Nobody { .. }));
    watched
        .iter()
        .map(|watched| {
            let (leaves, briefly) = question(watched);
            Question { probe: Cow::Borrowed(&watched.probe), leaves, proved: true, briefly }
        })
        .collect()
}

/// What must be seen after an undo: the same as before or better. Where nothing was well, nothing is asked. The old files'
/// own leaf will do where the service had not yet taken it up.
pub(super) fn after_undo(watched: &[Watched], old_leaf: Option<Digest>) -> Vec<Question<'_>> {
    watched
        .iter()
        .filter_map(|watched| {
            let leaves = match &watched.before {
                Shown::Leaf { fingerprint, .. } => [Some(*fingerprint), old_leaf].into_iter().flatten().collect(),
                Shown::Well => Vec::new(),
                // What was trusted is trusted again, and what was not is not.
                Shown::Failing { .. } => {
                    let probe = Cow::Owned(watched.probe.opposite()?);
                    return Some(Question { probe, leaves: Vec::new(), proved: false, briefly: false });
                }
                Shown::Nobody { .. } => return None,
            };
            Some(Question { probe: Cow::Borrowed(&watched.probe), leaves, proved: false, briefly: false })
        })
        .collect()
}

/// Asks all questions at the same time until each is answered or the limit is over.
pub(super) fn ask(
    host: &Host,
    questions: &[Question<'_>],
    limits: Limits,
    stop: bool,
    listener: &mut dyn Listener,
) -> Answers {
    let began = Instant::now();
    let deadline = began + host.within(Duration::from_millis(limits.verify));
    let given_up = AtomicBool::new(false);
    let mut answers = Answers { handshakes: 0, others: 0, bad: Vec::new(), interrupted: false, took: Duration::ZERO };
    let (tell, heard) = mpsc::channel();
    thread::scope(|scope| {
        let given_up = &given_up;
        let ask = |question: &Question<'_>, tell: &mpsc::Sender<Said>| {
            if let Some(shown) = pursue(host, question, limits, deadline, given_up, tell) {
                let _ = tell.send(Said::Bad(question.probe.as_ref().clone(), shown));
            }
        };
        for question in questions {
            let its = tell.clone();
            // Where the system gives no thread, it is asked before the others are heard.
            if thread::Builder::new().spawn_scoped(scope, move || ask(question, &its)).is_err() {
                ask(question, &tell);
            }
        }
        drop(tell);
        loop {
            match heard.recv_timeout(Duration::from_millis(50)) {
                Ok(Said::Saw { probe, shown, in_a_row }) => {
                    let good = match probe {
                        Probe::Tls { .. } => &mut answers.handshakes,
                        Probe::Command(_) | Probe::Bundle { .. } => &mut answers.others,
                    };
                    *good += u32::from(in_a_row > 0);
                    listener.hear(&Event::Probed { probe, shown, in_a_row });
                }
                Ok(Said::Bad(probe, shown)) => answers.bad.push((probe, shown)),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            if stop && host.interrupted().is_some() {
                given_up.store(true, Ordering::Relaxed);
                answers.interrupted = true;
            }
        }
    });
    answers.took = began.elapsed();
    answers
}

enum Said {
    Saw { probe: Probe, shown: Shown, in_a_row: u32 },
    Bad(Probe, Shown),
}

/// Asks one question until it is answered (`None`) or time is up (what was wrong last; where nothing was, it was not seen often enough).
fn pursue(
    host: &Host,
    question: &Question<'_>,
    limits: Limits,
    deadline: Instant,
    given_up: &AtomicBool,
    tell: &mpsc::Sender<Said>,
) -> Option<Shown> {
    let settle = Duration::from_millis(limits.settle);
    let asked = Instant::now();
    let (mut in_a_row, mut first, mut wrong) = (0, asked, None);
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
        let started = Instant::now();
        let shown = host.probe(&question.probe, left.min(Duration::from_millis(limits.probe)));
        if wanted(&shown, question) {
            if in_a_row == 0 {
                first = started;
            }
            in_a_row += 1;
        } else {
            in_a_row = 0;
            wrong = Some(shown.clone());
        }
        let _ = tell.send(Said::Saw { probe: question.probe.as_ref().clone(), shown: shown.clone(), in_a_row });
        let single = matches!(*question.probe, Probe::Command(_) | Probe::Bundle { .. });
        if in_a_row > 0 && (single || (in_a_row >= IN_A_ROW && first.elapsed() >= settle)) {
            return None;
        }
        let over = Instant::now() >= deadline || given_up.load(Ordering::Relaxed);
        if over || (question.briefly && in_a_row == 0 && asked.elapsed() >= PATIENCE) {
            return Some(wrong.unwrap_or(shown));
        }
        thread::sleep(PAUSE);
    }
}

fn wanted(shown: &Shown, question: &Question<'_>) -> bool {
    match shown {
        Shown::Leaf { fingerprint, proved } => {
            (question.leaves.is_empty() || question.leaves.contains(fingerprint)) && (*proved || !question.proved)
        }
        Shown::Well => true,
        Shown::Nobody { .. } | Shown::Failing { .. } => false,
    }
}
