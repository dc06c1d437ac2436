//! What a probe shows at this moment.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cert::Certificate;
use crate::change::{KeyFamily, Probe, Shown};
use crate::digest::Digest;
use crate::endpoint::{Endpoint, Sni, Start};
use crate::host::exec::{self, Ran};
use crate::host::tls::{self, ProbeError, Served};
use crate::host::{bundle, together};
use crate::outcome::explain;

/// What a probe came to.
#[derive(Debug)]
pub struct Sight {
    /// In a word.
    pub shown: Shown,
    /// What each address said; none from a command.
    pub answers: Vec<Answer>,
}

impl Sight {
    /// How a client tells the key of the leaf that was shown from others of the same server.
    #[must_use]
    pub fn family(&self) -> Option<KeyFamily> {
        let served = self.answers.iter().find_map(|answer| answer.outcome.as_ref().ok())?;
        Certificate::from_der(served.chain.first()?.clone()).ok()?.key_kind().family()
    }
}

/// What one address said.
#[derive(Debug)]
pub struct Answer {
    /// Which; none where the lookup failed.
    pub address: Option<SocketAddr>,
    /// What came of it.
    pub outcome: Result<Served, ProbeError>,
}

/// Asks once, for the answer in a word; see [`look`].
#[must_use]
pub fn probe(probe: &Probe, limit: Duration) -> Shown {
    look(probe, limit).shown
}

/// Asks once. A command is killed after `limit`, or after its own limit if that is shorter.
#[must_use]
pub fn look(probe: &Probe, limit: Duration) -> Sight {
    match probe {
        Probe::Tls { address, start, name, family } => {
            let answers = every_address(address, *start, name.as_deref(), *family, limit);
            Sight { shown: together(address, &answers), answers }
        }
        Probe::Command(command) => {
            let ran = match exec::check_program(command) {
                Ok(()) => exec::run(command, whole_seconds(limit).min(command.limit()), &[]),
                Err(error) => Ran::not_started(io::Error::other(explain(&error))),
            };
            let shown = if ran.ok() { Shown::Well } else { Shown::Failing { why: ran.to_string() } };
            Sight { shown, answers: Vec::new() }
        }
        Probe::Bundle { path, anchor, held } => Sight { shown: in_bundle(path, *anchor, *held), answers: Vec::new() },
    }
}

/// Whether a file of certificates holds this one, or does not, as is wanted.
fn in_bundle(path: &Path, anchor: Digest, held: bool) -> Shown {
    let (short, shown) = (anchor.short(), path.display());
    match bundle::holds(path, anchor) {
        Ok(found) if found == held => Shown::Well,
        Ok(true) => Shown::Failing { why: format!("{shown} still holds the certificate {short}") },
        Ok(false) => Shown::Failing { why: format!("{shown} does not hold the certificate {short}") },
        Err(why) => Shown::Failing { why },
    }
}

/// What a client sees that names nobody, where the probe names somebody.
#[must_use]
pub fn without_name(probe: &Probe, limit: Duration) -> Option<Served> {
    let Probe::Tls { address, start, name: Some(_), family } = probe else { return None };
    let endpoint = Endpoint { start: *start, ..address.parse().ok()? };
    tls::ask(&endpoint.named(Sni::Nothing), *family, limit).ok()
}

/// Asks every address a name has, at the same time: behind one of them may be a server that was not reached by the change.
fn every_address(
    address: &str,
    start: Start,
    name: Option<&str>,
    family: Option<KeyFamily>,
    limit: Duration,
) -> Vec<Answer> {
    let began = Instant::now();
    let addresses = match tls::resolve(address, limit) {
        Ok(addresses) => addresses,
        Err(error) => return vec![Answer { address: None, outcome: Err(error) }],
    };
    let left = limit.saturating_sub(began.elapsed());
    let ask = |at: SocketAddr| {
        let sni = name.map_or(Sni::Nothing, |name| Sni::Name(name.to_owned()));
        let endpoint = Endpoint { host: at.ip().to_string(), port: at.port(), start, sni };
        Answer { address: Some(at), outcome: tls::ask_at(at, &endpoint, family, left) }
    };
    if let [one] = addresses.as_slice() {
        return vec![ask(*one)];
    }
    let answers = together::each(&addresses, |at| ask(*at));
    addresses.iter().zip(answers).map(|(at, answer)| answer.unwrap_or_else(|| lost(*at))).collect()
}

fn lost(address: SocketAddr) -> Answer {
    Answer { address: Some(address), outcome: Err(ProbeError::Malformed { address, what: "the probe itself failed" }) }
}

/// The answers that say something of the server: what this machine itself could not ask counts only where nothing else is known.
#[must_use]
pub fn telling(answers: &[Answer]) -> Vec<&Answer> {
    let all = || answers.iter().map(|answer| &answer.outcome);
    let own = |answer: &Answer| answer.outcome.as_ref().is_err_and(|error| error.is_local_beside(all()));
    let of_server: Vec<&Answer> = answers.iter().filter(|answer| !own(answer)).collect();
    if of_server.is_empty() { answers.iter().take(1).collect() } else { of_server }
}

/// All answers as one. Addresses at which nobody listens do not count as long as somebody does at another.
fn together(address: &str, answers: &[Answer]) -> Shown {
    let mut each: Vec<(Option<SocketAddr>, Shown)> =
        telling(answers).into_iter().map(|answer| (answer.address, shown(&answer.outcome))).collect();
    let nobody = |shown: &Shown| matches!(shown, Shown::Nobody { .. });
    let deserted = each.iter().all(|(_, shown)| nobody(shown));
    if !deserted {
        each.retain(|(_, shown)| !nobody(shown));
    }
    let all_same = each.windows(2).all(|pair| pair[0].1 == pair[1].1);
    match each.len() {
        0 => Shown::Nobody { why: format!("{address} has no address") },
        _ if all_same => each.swap_remove(0).1,
        _ if deserted => {
            let each = each.iter().map(|(_, shown)| shown.to_string()).collect::<Vec<_>>();
            Shown::Nobody { why: each.join("; ") }
        }
        _ => {
            let place = |address: &Option<SocketAddr>| address.map_or(String::new(), |at| format!("{at}: "));
            let each = each.iter().map(|(at, shown)| format!("{}{shown}", place(at))).collect::<Vec<_>>();
            Shown::Failing { why: format!("its addresses differ ({})", each.join("; ")) }
        }
    }
}

/// One answer as people are told of it.
fn shown(outcome: &Result<Served, ProbeError>) -> Shown {
    let error = match outcome {
        Ok(served) => {
            let Some(leaf) = served.chain.first() else {
                return Shown::Failing { why: format!("{} shows no certificate", served.address) };
            };
            return Shown::Leaf { fingerprint: Digest::of(leaf), proved: served.proved };
        }
        Err(error) => error,
    };
    let why = explain(error);
    match error {
        ProbeError::Refused { .. } | ProbeError::Resolve { .. } => Shown::Nobody { why },
        // Somebody may be there: a filter that swallows packets must not pass for a service that is not running.
        ProbeError::Connect { .. }
        | ProbeError::Name { .. }
        | ProbeError::Avoided { .. }
        | ProbeError::Timeout { .. }
        | ProbeError::Reset { .. }
        | ProbeError::NotTls { .. }
        | ProbeError::Alert { .. }
        | ProbeError::Oversized { .. }
        | ProbeError::Tls { .. }
        | ProbeError::Malformed { .. }
        | ProbeError::TooOld { .. }
        | ProbeError::Tls13Alone { .. }
        | ProbeError::StartTls { .. } => Shown::Failing { why },
    }
}

/// A program needs a moment to start, whatever is left.
fn whole_seconds(limit: Duration) -> Duration {
    Duration::from_secs(u64::try_from(limit.as_millis().div_ceil(1000)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::path::Path;
    use std::thread;

    use super::*;
    use crate::change::Command;

    const LIMIT: Duration = Duration::from_secs(5);

    fn tls(address: String) -> Probe {
        Probe::tls(address, Some("localhost".to_owned()))
    }

    #[test]
    fn a_leaf_is_shown_by_its_fingerprint() {
        let (at, leaf) = crate::host::tls::tests::a_server();
        let shown = probe(&tls(at.to_string()), LIMIT);
        assert_eq!(shown, Shown::Leaf { fingerprint: Digest::of(&leaf), proved: true });
    }

    /// As root, a program that others may change is run by no door.
    #[test]
    fn a_command_that_others_may_change_is_not_asked() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("probe");
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        let asked = |mode| {
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
            probe(&Probe::Command(Command::new([path.to_str().unwrap()])), LIMIT)
        };
        assert_eq!(asked(0o755), Shown::Well);
        let Shown::Failing { why } = asked(0o757) else { panic!("it was run") };
        assert!(why.contains("probe"), "{why}");
    }

    #[test]
    fn nobody_and_failing_are_told_apart() {
        let closed = TcpListener::bind("127.0.0.78:0").unwrap().local_addr().unwrap();
        let why = format!("{closed} refuses the connection");
        assert_eq!(probe(&tls(closed.to_string()), LIMIT), Shown::Nobody { why });
        let Shown::Nobody { why } = probe(&tls("no port".to_owned()), LIMIT) else { panic!() };
        assert!(why.starts_with("look up no port: "), "{why}");

        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = silent.local_addr().unwrap();
        let why = format!("no answer in time while shaking hands with {at}");
        assert_eq!(probe(&tls(at.to_string()), Duration::from_millis(100)), Shown::Failing { why });
        thread::spawn(move || silent.accept());
        let why = format!("{at} hung up during the TLS handshake");
        assert_eq!(probe(&tls(at.to_string()), LIMIT), Shown::Failing { why });
    }

    #[test]
    fn addresses_at_which_nobody_listens_are_nobody() {
        let closed: SocketAddr = TcpListener::bind("127.0.0.78:0").unwrap().local_addr().unwrap();
        let refused =
            |address: SocketAddr| Answer { address: Some(address), outcome: Err(ProbeError::Refused { address }) };
        let other = SocketAddr::new([127, 0, 0, 79].into(), closed.port());
        let Shown::Nobody { why } = together("a:1", &[refused(closed), refused(other)]) else { panic!() };
        assert_eq!(why, format!("{closed} refuses the connection; {other} refuses the connection"));
        let (at, leaf) = crate::host::tls::tests::a_server();
        let good = || Answer { address: Some(at), outcome: tls::handshake_at(at, None, None, LIMIT) };
        let fingerprint = Digest::of(&leaf);
        assert_eq!(together("a:1", &[refused(other), good()]), Shown::Leaf { fingerprint, proved: true });
        let reset = Answer { address: Some(other), outcome: Err(ProbeError::Reset { address: other }) };
        let Shown::Failing { why } = together("a:1", &[good(), reset]) else { panic!() };
        assert!(why.starts_with(&format!("its addresses differ ({at}: certificate ")), "{why}");
        // What could not be asked from here differs from nothing.
        for kind in [io::ErrorKind::NetworkUnreachable, io::ErrorKind::AddrNotAvailable] {
            let address: SocketAddr = "[2001:db8::1]:443".parse().unwrap();
            let unasked =
                Answer { address: Some(address), outcome: Err(ProbeError::Connect { address, source: kind.into() }) };
            assert_eq!(together("a:1", &[unasked, good()]), Shown::Leaf { fingerprint, proved: true }, "{kind}");
        }
    }

    #[test]
    fn commands_show_their_end_within_the_shorter_limit() {
        let command = |script: &str, timeout| {
            assert!(Path::new("/bin/sh").exists());
            Probe::Command(Command { argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(), timeout })
        };
        assert_eq!(probe(&command("exit 0", 5), LIMIT), Shown::Well);
        let why = "exited with 3: no pid".to_owned();
        assert_eq!(probe(&command("echo no pid; exit 3", 5), LIMIT), Shown::Failing { why });
        for (timeout, limit) in [(1, LIMIT), (60, Duration::from_millis(300))] {
            let Shown::Failing { why } = probe(&command("sleep 60", timeout), limit) else { panic!() };
            assert!(why.starts_with("killed after 1."), "{why}");
        }
    }
}
