//! What a probe shows at this moment.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::change::{Command, KeyFamily, Probe, Shown};
use crate::digest::Digest;
use crate::host::exec;
use crate::host::tls::{self, ProbeError};
use crate::outcome::explain;

/// Asks once. A command is killed after `limit`, or after its own limit if that is shorter.
#[must_use]
pub fn probe(probe: &Probe, limit: Duration) -> Shown {
    match probe {
        Probe::Tls { address, name, family } => every_address(address, name.as_deref(), *family, limit),
        Probe::Command(command) => {
            let ran = exec::run(&within(command, limit), &[]);
            if ran.ok() { Shown::Well } else { Shown::Failing { why: ran.to_string() } }
        }
    }
}

/// Asks every address a name has: behind one of them may be a server that was not reached by the change. Addresses
/// at which nobody listens do not count as long as somebody does at another.
fn every_address(address: &str, name: Option<&str>, family: Option<KeyFamily>, limit: Duration) -> Shown {
    let began = Instant::now();
    let addresses = match tls::resolve(address, limit) {
        Ok(addresses) => addresses,
        Err(error) => return shown(Err(error)),
    };
    let mut answers: Vec<(SocketAddr, Shown)> = Vec::new();
    for address in addresses {
        let left = limit.saturating_sub(began.elapsed());
        answers.push((address, shown(tls::handshake_at(address, name, family, left))));
    }
    if answers.iter().any(|(_, shown)| !matches!(shown, Shown::Nobody { .. })) {
        answers.retain(|(_, shown)| !matches!(shown, Shown::Nobody { .. }));
    }
    let all_same = answers.windows(2).all(|pair| pair[0].1 == pair[1].1);
    match answers.len() {
        0 => Shown::Nobody { why: format!("{address} has no address") },
        _ if all_same => answers.swap_remove(0).1,
        _ => {
            let each = answers.iter().map(|(address, shown)| format!("{address}: {shown}")).collect::<Vec<_>>();
            Shown::Failing { why: format!("its addresses differ ({})", each.join("; ")) }
        }
    }
}

fn shown(result: Result<tls::Served, ProbeError>) -> Shown {
    let error = match result {
        Ok(served) => {
            let Some(leaf) = served.chain.first() else {
                return Shown::Failing { why: format!("{} shows no certificate", served.address) };
            };
            return Shown::Leaf { fingerprint: Digest::of(leaf), proved: served.proved };
        }
        Err(error) => error,
    };
    let why = explain(&error);
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

fn within(command: &Command, limit: Duration) -> Command {
    let seconds = u32::try_from(limit.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
    Command { argv: command.argv.clone(), timeout: command.timeout.min(seconds) }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::path::Path;
    use std::thread;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn tls(address: String) -> Probe {
        Probe::Tls { address, name: Some("localhost".to_owned()), family: None }
    }

    #[test]
    fn a_leaf_is_shown_by_its_fingerprint() {
        let (at, leaf) = crate::host::tls::tests::a_server();
        let shown = probe(&tls(at.to_string()), LIMIT);
        assert_eq!(shown, Shown::Leaf { fingerprint: Digest::of(&leaf), proved: true });
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
