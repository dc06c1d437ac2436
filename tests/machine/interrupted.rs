//! The whole machine dies in the middle of an installation, at chosen system calls, and is switched on again.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::machine::Machine;
use crate::web;

/// The way of a pair that is at hand: no passphrase is needed, and both pairs are known by their digests.
const INSTALL: &str = "reseal install web --from /root/issued/fullchain.pem --from /root/issued/privkey.pem";

/// Holds reseal before the nth call of a kind until the power is cut.
fn die_before(machine: &mut Machine, call: &str, number: u32) {
    let held =
        format!("strace -o /root/trace -e trace={call} -e inject={call}:delay_enter=100000000:when={number} {INSTALL}");
    let mut child = machine.begin(&held);
    // Held: strace has written how the call begins, and not how it ended.
    let trace = machine.path("/root/trace");
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        let text = fs::read_to_string(&trace).unwrap_or_default();
        let begun = text.matches(&format!("{call}(")).count();
        if begun == number as usize && !text.ends_with('\n') {
            break;
        }
        assert!(child.try_wait().unwrap().is_none(), "it has ended before call {number} of {call}");
        assert!(Instant::now() < end, "it did not come to call {number} of {call}:\n{text}");
        thread::sleep(Duration::from_millis(20));
    }
    machine.cut_power();
    let _ = child.wait();
}

#[test]
fn a_machine_that_dies_in_an_installation_boots_with_a_whole_pair() {
    let Some(mut machine) = Machine::with_reseal() else { return };
    web::trusted(&machine, "");
    machine.must(
        "mkdir /root/issued && reseal ca issue office www.lan --output /root/issued --passphrase-file /root/pass",
    );
    let pair = "cat /etc/ssl/web.pem /etc/ssl/private/web.key | sha256sum";
    let old = machine.must(pair);

    // How many calls of each kind there are, in a run that comes to its end; then back.
    machine.must(&format!("strace -o /root/trace -e trace=renameat2,fsync {INSTALL}"));
    let new = machine.must(pair);
    assert_ne!(old, new);
    let trace = fs::read_to_string(machine.path("/root/trace")).unwrap();
    let renames: Vec<&str> = trace.lines().filter(|line| line.contains("renameat2(")).collect();
    let exchanges: Vec<u32> =
        (1..).zip(&renames).filter(|(_, line)| line.contains("RENAME_EXCHANGE")).map(|(n, _)| n).collect();
    let [first, second] = exchanges[..] else {
        panic!("certificate and key are not put in place by two exchanges:\n{trace}")
    };
    assert_eq!(second, first + 1, "something is between the two:\n{trace}");
    let syncs = u32::try_from(trace.matches("fsync(").count()).unwrap();
    machine.must("reseal restore web 2 && rm /root/trace");
    assert_eq!(machine.must(pair), old);

    // Before the first exchange, between the two, directly after; and at syncs early, in the middle and late.
    let crossings =
        [("renameat2", first), ("renameat2", second), ("fsync", 2), ("fsync", syncs / 2), ("fsync", syncs - 2)];
    for (call, number) in crossings {
        let at = format!("before {call} {number}");
        die_before(&mut machine, call, number);
        machine.boot();

        // nginx runs, with a whole pair, and came after recovery.
        machine.must(web::PAIR);
        let now = machine.must(pair);
        assert!(now == old || now == new, "{at}");
        assert_eq!(machine.must("systemctl is-active nginx"), "active", "{at}");
        let owed = machine.run("ls -A /var/lib/reseal/journal").text().to_owned();
        let when = |unit: &str, what: &str| -> u64 {
            machine.must(&format!("systemctl show -P {what} {unit}")).parse().unwrap()
        };
        let recovered = when("reseal-recover.service", "ExecMainExitTimestampMonotonic");
        if recovered > 0 {
            assert_eq!(machine.must("systemctl show -P Result reseal-recover.service"), "success", "{at}");
            assert!(recovered <= when("nginx.service", "ExecMainStartTimestampMonotonic"), "{at}: nginx did not wait");
        }
        if call == "renameat2" {
            assert!(recovered > 0 && now == old && owed == "web", "{at}: nothing had to be undone");
        }
        println!("{at}: {}, recovery {}, still owed: {owed:?}", if now == old { "old" } else { "new" }, recovered > 0);
        assert!(web::is_trusted(&machine), "{at}");
        // Keys are nobody else's, and nothing lies about that only a recovery knew of.
        assert_eq!(machine.must("find / -xdev -name '.reseal-*' -not -path '/proc/*'"), "", "{at}");

        // The run of the timer pays what is owed.
        machine.must("systemctl start reseal-renew.service");
        assert_eq!(machine.must("ls -A /var/lib/reseal/journal"), "", "{at}");
        machine.must("reseal backups verify web");
        machine.must("reseal history verify");
        if now == new {
            machine.must("reseal restore web 2");
        }
        assert_eq!(machine.must(pair), old, "{at}");
        machine.must("rm -f /root/trace");
    }
}
