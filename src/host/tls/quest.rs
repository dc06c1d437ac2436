//! All that is done to see one server: its addresses, the connections to them, and the time they may take. Never waits.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Served;
use super::call::Call;
use super::conversation::{Manner, Wanted};
use super::course::{Course, Ended, Next, says_nothing};
use super::failure::{ProbeError, Stage};

/// Beside a hello that stays without an answer the short one is tried after a third of the time that is left; never sooner than this,
/// for a server may be slow, and not when less than half of this would remain for it. The first goes on: whichever is answered first
/// counts.
const PATIENCE: Duration = Duration::from_secs(1);

/// What has become of a quest.
pub(super) enum Step {
    /// It waits for its socket or for [`Quest::wake_at`].
    Wait,
    /// The same, and the socket is another than before.
    Fresh,
    /// It is over.
    End(Result<Served, ProbeError>),
}

/// The state of one quest.
pub(super) struct Quest {
    wanted: Wanted,
    /// As the addresses were asked for.
    label: String,
    addresses: VecDeque<SocketAddr>,
    deadline: Instant,
    /// The end of the time for connecting to the present address.
    connect_by: Instant,
    course: Course,
    call: Option<Call>,
    /// The connection with the long hello that nobody has answered yet, while another is tried beside it.
    held: Option<Call>,
    /// No second connection is to be had.
    alone: bool,
    /// The failure to connect that says most.
    worst: Option<ProbeError>,
}

impl Quest {
    /// One that asks the first of the addresses that accepts, until `deadline`.
    pub(super) fn new(wanted: Wanted, label: String, addresses: Vec<SocketAddr>, deadline: Instant) -> Self {
        let course = Course::new(wanted.family);
        let addresses = addresses.into();
        Self {
            wanted,
            label,
            addresses,
            deadline,
            connect_by: deadline,
            course,
            call: None,
            held: None,
            alone: false,
            worst: None,
        }
    }

    /// Begins with the next address.
    pub(super) fn begin(&mut self, now: Instant) -> Step {
        while let Some(address) = self.addresses.pop_front() {
            // One address that swallows packets leaves the others their share.
            let left = self.deadline.saturating_duration_since(now);
            let others = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX - 1);
            self.connect_by = now + left / (others + 1);
            let opened = if left.is_zero() { Err(late(Stage::Connect, address)) } else { Call::open(address) };
            match opened {
                Ok(call) => {
                    self.call = Some(call);
                    return Step::Fresh;
                }
                Err(error) => self.note(error),
            }
        }
        let none = || no_address(&self.label);
        Step::End(Err(self.worst.take().unwrap_or_else(none)))
    }

    /// The socket is ready, or may be.
    pub(super) fn ready(&mut self, now: Instant, scratch: &mut [u8]) -> Step {
        if let Some(held) = &mut self.held {
            let outcome = held.advance(&self.wanted, Manner::PostQuantum, scratch);
            let answered = held.unanswered_since().is_none();
            match outcome {
                Some(outcome) if answered => {
                    self.resume(true);
                    return self.ended(outcome, now);
                }
                // Silent to its end.
                Some(_) => self.held = None,
                None if answered => {
                    self.resume(true);
                    return Step::Wait;
                }
                None => {}
            }
        }
        let Some(call) = &mut self.call else { return Step::Wait };
        match call.advance(&self.wanted, self.course.manner(), scratch) {
            None => Step::Wait,
            Some(outcome) => self.ended(outcome, now),
        }
    }

    /// It is [`Quest::wake_at`], or later.
    pub(super) fn tick(&mut self, now: Instant) -> Step {
        let Some(call) = &self.call else { return Step::Wait };
        let (stage, address) = (call.stage(), call.address());
        let timeout = || late(stage, address);
        if now >= self.deadline {
            self.call = None;
            self.held = None;
            self.course.remember(timeout());
            return match self.course.give_up() {
                Next::End(Err(error)) => Step::End(Err(self.most(error))),
                Next::End(outcome) => Step::End(outcome),
                Next::Again => Step::Wait,
            };
        }
        if stage == Stage::Connect && now >= self.connect_by {
            return self.ended(Err(timeout()), now);
        }
        if self.stall_at().is_some_and(|at| now >= at) {
            return if self.course.confirming().is_some() {
                self.ended(Err(timeout()), now)
            } else {
                self.beside(timeout())
            };
        }
        Step::Wait
    }

    /// When it wants to be looked at, whatever the socket does.
    pub(super) fn wake_at(&self) -> Instant {
        let connecting = self.call.as_ref().is_some_and(|call| call.stage() == Stage::Connect);
        let first = if connecting { self.connect_by.min(self.deadline) } else { self.deadline };
        self.stall_at().map_or(first, |at| at.min(first))
    }

    /// When the long hello counts as swallowed.
    fn stall_at(&self) -> Option<Instant> {
        let since = self.call.as_ref()?.unanswered_since().filter(|_| self.course.manner() == Manner::PostQuantum)?;
        if let Some(short) = self.course.confirming() {
            return Some(since + (short * 4).max(PATIENCE));
        }
        if self.alone || self.course.has_stalled() {
            return None;
        }
        let left = self.deadline.saturating_duration_since(since);
        let patience = (left / 3).max(PATIENCE);
        (patience + PATIENCE / 2 <= left).then(|| since + patience)
    }

    /// Tries the short hello on another connection, and leaves the present one open.
    fn beside(&mut self, timeout: ProbeError) -> Step {
        let Some(call) = self.call.take() else { return Step::Wait };
        match Call::open(call.address()) {
            Ok(short) => {
                self.course.stall(call.ended().waited, timeout);
                self.held = Some(call);
                self.call = Some(short);
                self.addresses.clear();
                self.connect_by = self.deadline;
                Step::Fresh
            }
            Err(_) => {
                self.call = Some(call);
                self.alone = true;
                Step::Wait
            }
        }
    }

    /// Goes on with the connection that was held, and leaves the one beside it.
    fn resume(&mut self, answered: bool) {
        self.call = self.held.take();
        self.course.resume(answered);
    }

    fn ended(&mut self, outcome: Result<Served, ProbeError>, now: Instant) -> Step {
        let Some(call) = self.call.take() else { return Step::Wait };
        let first = self.course.manner() == Manner::PostQuantum && self.course.confirming().is_none();
        match outcome {
            Err(error) if first && call.stage() == Stage::Connect => {
                self.note(error);
                self.begin(now)
            }
            outcome => match self.course.after(outcome, call.ended()) {
                Next::End(Err(error)) if self.held.is_some() && says_nothing(&error) => {
                    self.course.remember(error);
                    self.resume(false);
                    Step::Wait
                }
                Next::End(Err(error)) => Step::End(Err(self.most(error))),
                Next::End(outcome) => Step::End(outcome),
                Next::Again => {
                    if self.course.confirming().is_some() {
                        self.held = None;
                    }
                    self.addresses.clear();
                    self.connect_by = self.deadline;
                    match Call::open(call.address()) {
                        Ok(call) => {
                            self.call = Some(call);
                            Step::Fresh
                        }
                        Err(error) if self.course.confirming().is_some() => {
                            match self.course.after(Err(error), Ended::default()) {
                                Next::End(outcome) => Step::End(outcome),
                                Next::Again => Step::Wait,
                            }
                        }
                        Err(error) => {
                            self.course.remember(error);
                            match self.course.give_up() {
                                Next::End(outcome) => Step::End(outcome),
                                Next::Again => Step::Wait,
                            }
                        }
                    }
                }
            },
        }
    }

    fn note(&mut self, error: ProbeError) {
        if self.worst.as_ref().is_none_or(|known| known.weight() < error.weight()) {
            self.worst = Some(error);
        }
    }

    /// Of this failure and those of addresses that did not accept, the one that says most.
    fn most(&mut self, error: ProbeError) -> ProbeError {
        self.worst.take().filter(|worst| worst.weight() > error.weight()).unwrap_or(error)
    }

    /// Goes on until the end, waiting where it must.
    pub(super) fn finish(mut self) -> Result<Served, ProbeError> {
        let mut scratch = [0; 4096];
        let mut step = self.begin(Instant::now());
        loop {
            if let Step::End(outcome) = step {
                return outcome;
            }
            let left = self.wake_at().saturating_duration_since(Instant::now());
            if self.call.is_none() {
                return Err(no_address(&self.label));
            }
            let ready = wait(self.call.iter_mut().chain(&mut self.held), left);
            let now = Instant::now();
            step = if ready { self.ready(now, &mut scratch) } else { Step::Wait };
            if matches!(step, Step::Wait) && now >= self.wake_at() {
                step = self.tick(now);
            }
        }
    }
}

impl Quest {
    /// The present socket.
    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.call.as_ref().map(AsFd::as_fd)
    }
}

fn wait<'c>(calls: impl Iterator<Item = &'c mut Call>, limit: Duration) -> bool {
    let each = calls.map(|call| {
        let flags = if call.wants_write() { PollFlags::OUT | PollFlags::IN } else { PollFlags::IN };
        PollFd::new(&*call, flags)
    });
    let mut descriptors: Vec<PollFd<'_>> = each.collect();
    let timeout = Timespec::try_from(limit).ok();
    // An interruption is no end: the time is looked at anew.
    matches!(poll(&mut descriptors, timeout.as_ref()), Ok(1..))
}

fn late(stage: Stage, address: SocketAddr) -> ProbeError {
    ProbeError::Timeout { stage, address: address.to_string() }
}

pub(super) fn no_address(address: &str) -> ProbeError {
    ProbeError::Resolve {
        address: address.to_owned(),
        source: io::Error::new(io::ErrorKind::NotFound, "it has no address"),
    }
}
