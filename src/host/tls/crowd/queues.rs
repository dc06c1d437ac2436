//! Who waits until the others that are asked at the same address are done.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use super::super::conversation::Wanted;

/// What is begun once there is room for it.
pub(super) struct Later {
    pub(super) index: u64,
    pub(super) wanted: Wanted,
    pub(super) label: String,
    pub(super) addresses: Vec<SocketAddr>,
}

/// Those under way and those that wait, by address.
pub(super) struct Queues {
    most: usize,
    under_way: HashMap<SocketAddr, usize>,
    waiting: HashMap<SocketAddr, VecDeque<Later>>,
    waits: usize,
}

impl Queues {
    /// With so many under way at one address at most.
    pub(super) fn new(most: usize) -> Self {
        Self { most, under_way: HashMap::new(), waiting: HashMap::new(), waits: 0 }
    }

    /// How many wait.
    pub(super) fn waits(&self) -> usize {
        self.waits
    }

    /// Counts it at the first of its addresses, and gives it back; none where as many as may be are under way there: then it waits.
    pub(super) fn admit(&mut self, later: Later) -> Option<Later> {
        let Some(address) = later.addresses.first().copied() else { return Some(later) };
        let under_way = self.under_way.entry(address).or_default();
        if *under_way >= self.most {
            self.waiting.entry(address).or_default().push_back(later);
            self.waits += 1;
            return None;
        }
        *under_way += 1;
        Some(later)
    }

    /// Takes one away from its address, and gives the one that has waited there longest, which is to be admitted in its turn.
    pub(super) fn leave(&mut self, address: SocketAddr) -> Option<Later> {
        if let Some(under_way) = self.under_way.get_mut(&address) {
            *under_way = under_way.saturating_sub(1);
            if *under_way == 0 {
                self.under_way.remove(&address);
            }
        }
        let queue = self.waiting.get_mut(&address)?;
        let next = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&address);
        }
        self.waits -= usize::from(next.is_some());
        next
    }
}
