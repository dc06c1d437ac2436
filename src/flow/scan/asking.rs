//! Many servers, asked at a time.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Scan;
use super::looking::Looking;
use crate::flow::asked::titled;
use crate::flow::judge::Answers;
use crate::host::tls::{self, Crowd, ProbeError, Question, Stage};
use crate::host::tree::Visitor;
use crate::inventory::{self, Item, Listed, is_metadata};

/// How servers are asked.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// How many at a time.
    pub concurrency: usize,
    /// For each, from the lookup of its name to the end of the handshake.
    pub timeout: Duration,
    /// How many are begun in a second at most.
    pub rate: Option<NonZeroU32>,
}

/// Asks each server and tells of each. A name that leads to an address at which cloud machines find their own secrets is not asked.
pub(super) fn all(scan: &Scan<'_>, items: &[Item], asking: &Asking) {
    // Counted once: this goes through all of them.
    let count = inventory::count(items);
    if count == 0 {
        return;
    }
    let crowd = Crowd {
        in_flight: asking.concurrency,
        limit: asking.timeout,
        rate: asking.rate,
        every_address: true,
        avoid: Some(is_metadata),
        ..Crowd::default()
    };
    let under_way: Mutex<HashMap<u64, (Listed, Answers)>> = Mutex::default();
    let questions = (0..).zip(inventory::servers(items)).take_while(|_| scan.goes_on()).map(|(index, server)| {
        let unanswered = (server.clone(), Answers::default());
        under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(index, unanswered);
        Question::new(server.endpoint)
    });
    let nameless = scan.servers.of_no_name();
    let mut looking = Looking::new(scan);
    tls::ask_all(questions, &crowd, &mut |index, answer, last| {
        let mut all = under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, answers)) = all.get_mut(&index) {
            answers.named.push(answer);
        }
        let Some((server, answers)) = last.then(|| all.remove(&index)).flatten() else { return };
        drop(all);
        let Listed { endpoint, of_range } = server;
        if of_range && answers.named.iter().all(|answer| answer.as_ref().is_err_and(nobody_there)) {
            scan.tally.lock().unwrap_or_else(PoisonError::into_inner).nobody();
            return;
        }
        let judge = if of_range { &nameless } else { scan.servers };
        looking.tell(&judge.answered(&titled(&endpoint.to_string(), &endpoint), &endpoint, answers));
        if count <= FEW {
            looking.rest();
        }
    });
    looking.rest();
}

/// Whether nothing listens at an address of a range, as at most of them: what this machine itself could not do is something else.
fn nobody_there(error: &ProbeError) -> bool {
    let nobody = matches!(
        error,
        ProbeError::Refused { .. } | ProbeError::Connect { .. } | ProbeError::Timeout { stage: Stage::Connect, .. }
    );
    nobody && !error.is_local()
}

/// So few that each is told at once.
const FEW: u64 = 64;
