//! One thread of the crowd: sockets that tell when they are ready, and times at which a quest wants to be looked at.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::super::conversation::Wanted;
use super::super::failure::{ProbeError, Stage};
use super::super::feed::{Bell, Feed, Taken};
use super::super::lookup::Lookups;
use super::super::quest::{Quest, Step};
use super::super::{Served, wanted};
use super::queues::{Later, Queues};
use super::{Crowd, Question, Shares, deadline};

/// A question's number, an answer to it, and whether that is the last.
pub(super) type Answer = (u64, Result<Served, ProbeError>, bool);

/// The key of the bell among those of the slots.
const BELL: u64 = u64::MAX;

/// Between two looks at what can be told by nobody: the channel has room again, a lookup has ended elsewhere.
pub(super) const PAUSE: Duration = Duration::from_millis(2);

/// Where the answers of lookups arrive.
pub(super) struct Inbox {
    pub(super) bell: Arc<Bell>,
    found: Arc<Mutex<Vec<Found>>>,
}

/// The key of a slot, and the addresses of its name.
type Found = (u64, Result<Vec<SocketAddr>, ProbeError>);

impl Inbox {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { bell: Arc::new(Bell::new()?), found: Arc::default() })
    }
}

/// What one slot is busy with.
enum Work {
    Lookup { wanted: Wanted, label: String, deadline: Instant },
    Quest(Box<Quest>),
}

struct Slot {
    index: u64,
    /// Tells what was here before from what is here now.
    turn: u32,
    work: Option<Work>,
    /// The address that counts as asked by it.
    address: Option<SocketAddr>,
    /// The next time in the heap.
    wake: Option<Instant>,
}

pub(super) struct Worker<'a> {
    number: usize,
    options: &'a Crowd,
    inbox: &'a Inbox,
    feed: &'a Feed<(u64, Question)>,
    lookups: Lookups,
    epoll: OwnedFd,
    slots: Vec<Slot>,
    free: Vec<usize>,
    shares: Shares,
    busy: usize,
    queues: Queues,
    /// Answers still to come to the questions that have several.
    open: HashMap<u64, usize>,
    times: BinaryHeap<Reverse<(Instant, u64)>>,
    /// Further addresses of names, each to be asked as the name was; and those that have waited.
    further: VecDeque<Later>,
    /// Answers that found the channel full.
    outbox: VecDeque<Answer>,
    ended: bool,
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        number: usize,
        shares: Shares,
        options: &'a Crowd,
        inbox: &'a Inbox,
        feed: &'a Feed<(u64, Question)>,
        lookups: Lookups,
    ) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &*inbox.bell, EventData::new_u64(BELL), EventFlags::IN)?;
        Ok(Self {
            number,
            options,
            inbox,
            feed,
            lookups,
            epoll,
            slots: Vec::new(),
            free: Vec::new(),
            shares,
            busy: 0,
            queues: Queues::new(shares.at_one_address),
            open: HashMap::new(),
            times: BinaryHeap::new(),
            further: VecDeque::new(),
            outbox: VecDeque::new(),
            ended: false,
        })
    }

    /// Until there is nothing more to ask, or nobody to tell.
    pub(super) fn run(mut self, sender: &SyncSender<Answer>) {
        let mut scratch = vec![0; 16 * 1024];
        let mut events = Vec::with_capacity(256);
        loop {
            if !self.tell(sender) {
                // Whoever brings must not wait for room that nobody makes.
                return self.feed.close();
            }
            let paused = self.take_up();
            if self.ended && self.busy == 0 && self.further.is_empty() && self.outbox.is_empty() {
                return;
            }
            let until = self.times.peek().map(|Reverse((at, _))| at.saturating_duration_since(Instant::now()));
            let paused = (paused || !self.outbox.is_empty()).then_some(PAUSE);
            let wait = until.into_iter().chain(paused).min().and_then(|wait| Timespec::try_from(wait).ok());
            events.clear();
            let buffer = rustix::buffer::spare_capacity(&mut events);
            // An interruption is nothing: all is looked at anew.
            let _ = epoll::wait(&self.epoll, buffer, wait.as_ref());
            let now = Instant::now();
            for &Event { data, .. } in &events {
                match data.u64() {
                    BELL => self.answered_lookups(now),
                    key => self.step(key, now, |quest| quest.ready(now, &mut scratch)),
                }
            }
            self.tick(now, &mut scratch);
        }
    }

    /// Gives away what can be given without waiting. False: nobody listens any more.
    fn tell(&mut self, sender: &SyncSender<Answer>) -> bool {
        while let Some(answer) = self.outbox.pop_front() {
            match sender.try_send(answer) {
                Ok(()) => {}
                Err(TrySendError::Full(answer)) => {
                    self.outbox.push_front(answer);
                    return true;
                }
                Err(TrySendError::Disconnected(_)) => return false,
            }
        }
        true
    }

    /// Begins what there is room for. True: there may be more, which no bell will tell of.
    fn take_up(&mut self) -> bool {
        // Who does not get rid of answers begins nothing new.
        while self.busy < self.shares.most && self.outbox.len() < self.shares.most {
            if let Some(later) = self.further.pop_front() {
                self.begin(later);
                continue;
            }
            if self.ended || self.queues.waits() >= self.shares.most {
                return false;
            }
            if self.lookups.crowded() && !self.lookups.is_silent() {
                return true;
            }
            match self.feed.take(self.number) {
                Taken::One((index, question)) => self.take(index, question),
                Taken::Later => return false,
                Taken::Never => self.ended = true,
            }
        }
        false
    }

    fn take(&mut self, index: u64, question: Question) {
        let Question { endpoint, family, address } = question;
        let wanted = match wanted(endpoint.server_name(), endpoint.start, family) {
            Ok(wanted) => Wanted { early: self.options.early, ..wanted },
            Err(error) => return self.outbox.push_back((index, Err(error), true)),
        };
        let label = endpoint.address();
        if let Some(address) = address.or_else(|| endpoint.ip().map(|ip| SocketAddr::new(ip, endpoint.port))) {
            return self.begin(Later { index, wanted, label, addresses: vec![address] });
        }
        if self.lookups.is_silent() {
            let error = ProbeError::Timeout { stage: Stage::Unasked, address: label };
            return self.outbox.push_back((index, Err(error), true));
        }
        let deadline = deadline(self.options.limit);
        let key = self.occupy(index, Work::Lookup { wanted, label, deadline });
        self.wake(key, deadline);
        let (bell, found) = (Arc::clone(&self.inbox.bell), Arc::clone(&self.inbox.found));
        self.lookups.ask(endpoint, deadline, move |answer| {
            found.lock().unwrap_or_else(PoisonError::into_inner).push((key, answer));
            bell.ring();
        });
    }

    fn begin(&mut self, later: Later) {
        let Some(Later { index, wanted, label, addresses }) = self.queues.admit(later) else { return };
        let address = addresses.first().copied();
        let quest = Quest::new(wanted, label, addresses, deadline(self.options.limit));
        let key = self.occupy(index, Work::Quest(Box::new(quest)));
        if let Some(slot) = self.slot(key) {
            slot.address = address;
        }
        let now = Instant::now();
        self.step(key, now, |quest| quest.begin(now));
    }

    fn occupy(&mut self, index: u64, work: Work) -> u64 {
        self.busy += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { index, turn: 0, work: None, address: None, wake: None });
            self.slots.len() - 1
        });
        let Some(slot) = self.slots.get_mut(place) else { return BELL };
        slot.index = index;
        slot.turn = slot.turn.wrapping_add(1);
        slot.work = Some(work);
        slot.address = None;
        slot.wake = None;
        // Places stay below the number in flight, which is far below 2^32.
        u64::from(slot.turn) << 32 | u64::try_from(place & 0xffff_ffff).unwrap_or_default()
    }

    /// The slot of a key, unless it is busy with something else by now.
    fn slot(&mut self, key: u64) -> Option<&mut Slot> {
        let place = usize::try_from(key & 0xffff_ffff).ok()?;
        self.slots.get_mut(place).filter(|slot| u64::from(slot.turn) == key >> 32 && slot.work.is_some())
    }

    /// Takes one quest forward.
    fn step(&mut self, key: u64, now: Instant, act: impl FnOnce(&mut Quest) -> Step) {
        let Some(Slot { work: Some(Work::Quest(quest)), .. }) = self.slot(key) else { return };
        let mut step = act(quest);
        if matches!(step, Step::Wait) && now >= quest.wake_at() {
            step = quest.tick(now);
        }
        let wake = quest.wake_at();
        match step {
            Step::Wait => self.wake(key, wake),
            Step::Fresh => {
                let Worker { epoll, slots, .. } = self;
                let place = usize::try_from(key & 0xffff_ffff).unwrap_or(usize::MAX);
                let socket = slots.get(place).and_then(|slot| match &slot.work {
                    Some(Work::Quest(quest)) => quest.socket(),
                    Some(Work::Lookup { .. }) | None => None,
                });
                // Told once for each change: whoever is told goes on until there is nothing more. Closing removes it.
                let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
                if let Some(socket) = socket {
                    // Without it the quest ends at its time.
                    let _ = epoll::add(epoll, socket, EventData::new_u64(key), flags);
                }
                self.wake(key, wake);
            }
            Step::End(outcome) => self.finish(key, outcome),
        }
    }

    fn finish(&mut self, key: u64, outcome: Result<Served, ProbeError>) {
        let Some((index, address)) = self.vacate(key) else { return };
        if let Some(address) = address {
            self.further.extend(self.queues.leave(address));
        }
        let last = self.open.get_mut(&index).is_none_or(|left| {
            *left -= 1;
            *left == 0
        });
        if last {
            self.open.remove(&index);
        }
        self.outbox.push_back((index, outcome, last));
    }

    /// Frees a slot; its question, and the address at which it counts.
    fn vacate(&mut self, key: u64) -> Option<(u64, Option<SocketAddr>)> {
        let slot = self.slot(key)?;
        slot.work = None;
        let left = (slot.index, slot.address.take());
        self.busy -= 1;
        self.free.push(usize::try_from(key & 0xffff_ffff).unwrap_or_default());
        Some(left)
    }

    /// Notes when a slot wants to be looked at. An entry of the heap that comes too early is only put off.
    fn wake(&mut self, key: u64, at: Instant) {
        if let Some(slot) = self.slot(key)
            && slot.wake.is_none_or(|noted| at < noted)
        {
            slot.wake = Some(at);
            self.times.push(Reverse((at, key)));
        }
    }

    /// Looks at those whose time it is. The socket once more before anything else: what has come, and only waits for this thread
    /// to take it, is in time.
    fn tick(&mut self, now: Instant, scratch: &mut [u8]) {
        while let Some(&Reverse((at, key))) = self.times.peek() {
            if at > now {
                return;
            }
            self.times.pop();
            let Some(slot) = self.slot(key) else { continue };
            if slot.wake == Some(at) {
                slot.wake = None;
            }
            match &slot.work {
                Some(Work::Lookup { label, .. }) => {
                    let address = label.clone();
                    self.finish(key, Err(ProbeError::Timeout { stage: Stage::Resolve, address }));
                }
                Some(Work::Quest(_)) => self.step(key, now, |quest| quest.ready(now, scratch)),
                None => {}
            }
        }
    }

    fn answered_lookups(&mut self, now: Instant) {
        self.inbox.bell.silence();
        let found = std::mem::take(&mut *self.inbox.found.lock().unwrap_or_else(PoisonError::into_inner));
        for (key, addresses) in found {
            let (every, avoid) = (self.options.every_address, self.options.avoid);
            let Some(slot) = self.slot(key) else { continue };
            let index = slot.index;
            let addresses = match addresses {
                Ok(addresses) => addresses,
                Err(error) => {
                    self.finish(key, Err(error));
                    continue;
                }
            };
            let Some(Work::Lookup { wanted, label, deadline }) = &slot.work else { continue };
            let (wanted, label, deadline) = (wanted.clone(), label.clone(), *deadline);
            let trap = avoid.and_then(|avoid| addresses.iter().find(|address| avoid(address.ip())));
            if let Some(trap) = trap {
                let error = ProbeError::Avoided { address: label, leads_to: trap.ip() };
                self.finish(key, Err(error));
                continue;
            }
            let (here, others, label) = match addresses.split_first() {
                // Each tells of itself.
                Some((first, others @ [_, ..])) if every => (vec![*first], others.to_vec(), first.to_string()),
                Some(_) | None => (addresses, Vec::new(), label),
            };
            if !others.is_empty() {
                self.open.insert(index, others.len() + 1);
            }
            let each = |address: SocketAddr| {
                let (wanted, label) = (wanted.clone(), address.to_string());
                Later { index, wanted, label, addresses: vec![address] }
            };
            self.further.extend(others.into_iter().map(each));
            let first = here.first().copied();
            let Some(later) = self.queues.admit(Later { index, wanted, label, addresses: here }) else {
                self.vacate(key);
                continue;
            };
            let Some(slot) = self.slot(key) else { continue };
            slot.work = Some(Work::Quest(Box::new(Quest::new(later.wanted, later.label, later.addresses, deadline))));
            slot.address = first;
            slot.wake = None;
            self.step(key, now, |quest| quest.begin(now));
        }
    }
}
