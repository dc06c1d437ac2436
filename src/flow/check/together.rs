//! All that one check asks, at the same time: who is silent costs its limit once, and not once more for each that is silent too.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::endpoint::{Endpoint, Sni};
use crate::event::{Event, Listener};
use crate::flow::asked::{self, Asked};
use crate::flow::judge::Answers;
use crate::host::Host;
use crate::host::tls::{self, Crowd, Question};

/// Probes of targets that are asked at a time: each takes some threads, and commands among them are programs.
const AT_A_TIME: usize = 128;

/// How often it is told how far it is.
const TICK: Duration = Duration::from_millis(200);

/// What is to be asked.
#[derive(Default)]
pub(super) struct Questions {
    /// Servers that somebody named, each within this limit.
    pub servers: Vec<(Endpoint, Duration)>,
    /// The probes of each target, each within this limit.
    pub targets: Vec<(Vec<asked::Question>, Duration)>,
}

/// What the servers answered, and what the probes of each target came to; both in the order of the questions.
pub(super) fn ask(host: &Host, questions: &Questions, listener: &mut dyn Listener) -> (Vec<Answers>, Vec<Vec<Asked>>) {
    let of_targets = questions.targets.iter().map(|(probes, _)| probes.len()).sum::<usize>();
    let of = questions.servers.len() + of_targets;
    if of == 0 {
        return (Vec::new(), questions.targets.iter().map(|_| Vec::new()).collect());
    }
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        let done = sender.clone();
        let servers = scope.spawn(move || servers(&questions.servers, &done));
        let targets = scope.spawn(move || targets(host, &questions.targets, &sender));
        let (mut answered, mut told, mut last) = (0, None, Instant::now());
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(()) => answered += 1,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if last.elapsed() >= TICK && told != Some(answered) {
                listener.hear(&Event::Asking { answered, of });
                (told, last) = (Some(answered), Instant::now());
            }
        }
        // A thread that is lost has lost its answers: what is missing is told where each is judged.
        (servers.join().unwrap_or_default(), targets.join().unwrap_or_default())
    })
}

/// Every address is asked, and again by a client that names nobody: older clients do, and see something else.
fn servers(all: &[(Endpoint, Duration)], done: &Sender<()>) -> Vec<Answers> {
    let mut answers: Vec<Answers> = all.iter().map(|_| Answers::default()).collect();
    // One limit holds for a whole crowd, and as a rule it is the same for all.
    let mut limits: Vec<Duration> = all.iter().map(|(_, limit)| *limit).collect();
    limits.sort_unstable();
    limits.dedup();
    for limit in limits {
        let mut questions = Vec::new();
        for (place, (endpoint, _)) in all.iter().enumerate().filter(|(_, (_, own))| *own == limit) {
            questions.push((place, true, Question::new(endpoint.clone())));
            let named = match endpoint.sni {
                Sni::Host => endpoint.ip().is_none(),
                Sni::Name(_) => true,
                Sni::Nothing => false,
            };
            if named {
                questions.push((place, false, Question::new(endpoint.clone().named(Sni::Nothing))));
            }
        }
        let crowd = Crowd { limit, every_address: true, ..Crowd::default() };
        let asked = questions.iter().map(|(_, _, question)| question.clone());
        tls::ask_all(asked, &crowd, &mut |index, answer, last| {
            let question = usize::try_from(index).ok().and_then(|index| questions.get(index));
            let Some((place, named, _)) = question else { return };
            let Some(own) = answers.get_mut(*place) else { return };
            match answer {
                answer if *named => own.named.push(answer),
                // Of all that answered, always the same.
                Ok(served) if own.unnamed.as_ref().is_none_or(|known| served.address < known.address) => {
                    own.unnamed = Some(served);
                }
                Ok(_) | Err(_) => {}
            }
            if *named && last {
                // Nobody listens any more where the run is ending.
                let _ = done.send(());
            }
        });
    }
    answers
}

fn targets(host: &Host, all: &[(Vec<asked::Question>, Duration)], done: &Sender<()>) -> Vec<Vec<Asked>> {
    let probes: Vec<(&asked::Question, Duration)> =
        all.iter().flat_map(|(probes, limit)| probes.iter().map(|probe| (probe, *limit))).collect();
    let next = AtomicUsize::new(0);
    let found: Mutex<Vec<Option<Asked>>> = Mutex::new(probes.iter().map(|_| None).collect());
    let work = || {
        while let Some((place, (probe, limit))) = {
            let place = next.fetch_add(1, Ordering::Relaxed);
            probes.get(place).map(|probe| (place, probe))
        } {
            let asked = asked::closely(host, std::slice::from_ref(*probe), *limit).pop();
            if let Some(slot) = found.lock().unwrap_or_else(PoisonError::into_inner).get_mut(place) {
                *slot = asked;
            }
            let _ = done.send(());
        }
    };
    thread::scope(|scope| {
        for _ in 0..probes.len().min(AT_A_TIME) {
            // Where no further thread can be had, those there are do all of it.
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter();
    all.iter().map(|(probes, _)| found.by_ref().take(probes.len()).flatten().collect()).collect()
}
