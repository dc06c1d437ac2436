//! The whole machine dies in the middle of an installation, at chosen system calls, and is switched on again.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::machine::Machine;
use crate::web;

/// Holds reseal before the nth call of a kind until the power is cut.
fn die_before(machine: &mut Machine, call: &str, number: u32) {
    let held = format!(
        "strace -f -o /root/trace -e trace={call} -e inject={call}:delay_enter=100000000:when={number} \
         reseal install web --from /root/new.pem --from /root/new.key"
    );
    let mut child = machine.begin(&held);
    // Held: as many of these calls begun, and nothing new for a while.
    let trace = machine.path("/root/trace");
    let end = Instant::now() + Duration::from_secs(60);
    let mut before = (0, Instant::now());
    loop {
        let state = machine.run("cat /proc/$(pidof reseal)/wchan 2>/dev/null").said;
        let size = fs::metadata(&trace).map_or(0, |metadata| metadata.len());
        if size != before.0 || !state.contains("ptrace") {
            before = (size, Instant::now());
        }
        if before.1.elapsed() > Duration::from_millis(800) {
            break;
        }
        assert!(child.try_wait().unwrap().is_none(), "it has ended before call {number} of {call}");
        assert!(Instant::now() < end, "it did not come to call {number} of {call}: {state}");
        thread::sleep(Duration::from_millis(50));
    }
    machine.cut_power();
    let _ = child.wait();
}

#[test]
fn a_machine_that_dies_in_an_installation_boots_with_a_whole_pair() {
    let Some(mut machine) = Machine::with_reseal() else { return };
    web::trusted(&machine, "");
    // The way of a pair that is at hand: no passphrase is needed, and both pairs are known by their digests.
    machine.must(
        "reseal ca issue office www.lan --output /root --passphrase-file /root/pass >/dev/null; cd /root; ls; \
         cat fullchain.pem > new.pem; cat privkey.pem > new.key",
    );
    let pair = "cat /etc/ssl/web.pem /etc/ssl/private/web.key | sha256sum";
    let old = machine.must(pair);

    // How many calls of each kind there are, in a run that comes to its end; then back.
    let counted = machine.must(
        "strace -f -o /root/trace -e trace=renameat2,fsync reseal install web --from /root/new.pem --from /root/new.key >/dev/null; \
         grep -c 'renameat2(' /root/trace; grep -c 'fsync(' /root/trace",
    );
    let new = machine.must(pair);
    assert_ne!(old, new);
    let exchanges = machine.must("grep -n RENAME_EXCHANGE /root/trace | wc -l");
    assert_eq!(exchanges, "2", "certificate and key are not exchanged by two renames: {counted}");
    let first = machine.must("grep 'renameat2(' /root/trace | grep -n RENAME_EXCHANGE | head -1 | cut -d: -f1");
    let first: u32 = first.parse().unwrap();
    let syncs: u32 = counted.lines().nth(1).unwrap().parse().unwrap();
    machine.must("reseal restore web 2 || reseal restore web");
    machine.must("rm /root/trace");
    let old = machine.must(pair);

    // Before the first exchange, between the two, directly after; and at syncs early, in the middle and late.
    let crossings = [("renameat2", first), ("renameat2", first + 1), ("fsync", 2), ("fsync", syncs / 2), ("fsync", syncs - 2)];
    for (call, number) in crossings {
        let at = format!("{call} {number} of {counted:?}");
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
            machine.must("reseal restore web");
        }
        assert_eq!(machine.must(pair), old, "{at}");
        machine.must("rm -f /root/trace");
    }
}
