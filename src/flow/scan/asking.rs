//! Many servers, asked at a time.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::Scan;
use super::looking::Looking;
use crate::cert::Name;
use crate::change::Shown;
use crate::flow::check::Checked;
use crate::host::tls::{self, ProbeError, Served};
use crate::host::tree::Visitor;
use crate::inventory::{self, Item, Server, is_metadata};
use crate::outcome::explain;

/// How servers are asked.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// How many at a time.
    pub concurrency: usize,
    /// For each, from the lookup of its name to the end of the handshake.
    pub timeout: Duration,
    /// How many are begun in a second at most.
    pub rate: Option<u32>,
}

/// Asks each server and tells of each.
pub(super) fn all(scan: &Scan<'_>, items: &[Item], asking: &Asking) {
    let most = usize::try_from(inventory::count(items)).unwrap_or(usize::MAX);
    let asking = Asking { concurrency: asking.concurrency.min(most).min(MOST_THREADS), ..*asking };
    let servers = inventory::servers(items);
    ask_all(servers, &asking, scan, |looking, server, answer| looking.tell(&verdict(scan, server, answer)));
}

/// The one place that knows how many are asked at a time.
fn ask_all(
    servers: impl Iterator<Item = Server> + Send,
    asking: &Asking,
    scan: &Scan<'_>,
    each: impl Fn(&mut Looking<'_>, &Server, Result<Served, Unseen>) + Sync,
) {
    let servers = Mutex::new(Paced { servers, interval: asking.interval(), next: Instant::now() });
    let work = || {
        let mut looking = Looking::new(scan);
        loop {
            let server = servers.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(server) = server.filter(|_| scan.goes_on()) else { break };
            each(&mut looking, &server, ask(&server, asking.timeout));
            looking.rest();
        }
    };
    thread::scope(|scope| {
        for _ in 0..asking.concurrency {
            // One less is no reason to give up; without any, this thread asks.
            if thread::Builder::new().name("asker".to_owned()).stack_size(STACK).spawn_scoped(scope, work).is_err() {
                work();
                break;
            }
        }
    });
}

/// A thread and a descriptor each, of which an ordinary process may have 1,024.
const MOST_THREADS: usize = 512;

const STACK: usize = 512 * 1024;

/// Servers, no two closer to one another than the interval.
struct Paced<I> {
    servers: I,
    interval: Duration,
    next: Instant,
}

impl<I: Iterator<Item = Server>> Paced<I> {
    fn next(&mut self) -> Option<Server> {
        let server = self.servers.next()?;
        let now = Instant::now();
        if !self.interval.is_zero() {
            // Under the lock: the others have to wait as well.
            thread::sleep(self.next.saturating_duration_since(now));
            self.next = self.next.max(now) + self.interval;
        }
        Some(server)
    }
}

impl Asking {
    fn interval(&self) -> Duration {
        self.rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.max(1))
    }
}

/// Why a server showed nothing.
enum Unseen {
    /// It was asked.
    Asked(ProbeError),
    /// It was not: its name leads to an address at which a cloud machine finds its own secrets.
    Trap(std::net::IpAddr),
}

/// Asks the first of a server's addresses that accepts the connection.
fn ask(server: &Server, limit: Duration) -> Result<Served, Unseen> {
    let end = Instant::now() + limit;
    let addresses = tls::resolve(&server.address, limit).map_err(Unseen::Asked)?;
    if !server.is_literal()
        && let Some(trap) = addresses.iter().find(|address| is_metadata(address.ip()))
    {
        return Err(Unseen::Trap(trap.ip()));
    }
    let name = dns(server.asked_for().as_ref());
    let mut failed = None;
    for (index, address) in addresses.iter().enumerate() {
        // An address that swallows packets leaves the others their share.
        let left = end.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        match tls::handshake_at(*address, name.as_deref(), None, share) {
            Ok(served) => return Ok(served),
            Err(error) => failed = Some(error),
        }
    }
    let none = || ProbeError::Resolve {
        address: server.address.clone(),
        source: std::io::Error::new(std::io::ErrorKind::NotFound, "it has no address"),
    };
    Err(Unseen::Asked(failed.unwrap_or_else(none)))
}

fn verdict(scan: &Scan<'_>, server: &Server, answer: Result<Served, Unseen>) -> Checked {
    let shown = match answer {
        Ok(served) => return scan.judge.served(&server.address, server.asked_for().as_ref(), &served),
        Err(Unseen::Asked(error)) => {
            let why = explain(&error);
            if matches!(error, ProbeError::Refused { .. } | ProbeError::Resolve { .. }) {
                Shown::Nobody { why }
            } else {
                Shown::Failing { why }
            }
        }
        Err(Unseen::Trap(address)) => {
            let why = format!("the name leads to {address}, where cloud machines keep secrets: not asked");
            Shown::Nobody { why }
        }
    };
    scan.judge.not_served(&server.address, shown)
}

fn dns(name: Option<&Name>) -> Option<String> {
    name.filter(|name| matches!(name, Name::Dns(_))).map(ToString::to_string)
}
