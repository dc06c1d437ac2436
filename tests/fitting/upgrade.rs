//! `reseal hook`: real upgrades by the real apt, and everything that can be in a hook's way.

use crate::machine::{Machine, has};

const MARK: &str = "/var/lib/reseal/upgrade/ended";

fn machine() -> Option<Machine> {
    let found = ["apt-get", "dpkg-deb", "openssl"].iter().all(|program| has(program));
    found.then(Machine::new).flatten()
}

/// Builds `NAME_VERSION_all.deb` with these files in `/mnt`.
fn package(machine: &Machine, name: &str, version: u32, files: &[&str], postinst: &str) -> String {
    let files = files.join(" ");
    machine.shell(&format!(
        "rm -rf /mnt/p; mkdir -p /mnt/p/DEBIAN; cd /mnt/p
         for file in {files}; do mkdir -p \"./${{file%/*}}\"; echo {version} >\".$file\"; done
         printf 'Package: {name}\\nVersion: {version}\\nArchitecture: all\\nMaintainer: a test <a@test.example>\\nDescription: x\\n' >DEBIAN/control
         printf '#!/bin/sh\\nset -e\\n{postinst}\\n' >DEBIAN/postinst; chmod 755 DEBIAN/postinst
         dpkg-deb --build --root-owner-group /mnt/p /mnt/{name}_{version}_all.deb >/dev/null"
    ));
    format!("/mnt/{name}_{version}_all.deb")
}

fn install(machine: &Machine, archive: &str) -> String {
    let line = format!("DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 install {archive} 2>&1");
    machine.run(&["sh", "-c", &line]).ends(0).out
}

#[test]
fn apt_tells_of_an_upgrade_that_reaches_a_target_and_of_no_other() {
    let Some(machine) = machine() else { return };
    let vendor = |version| package(&machine, "vendor", version, &["/opt/vendor/bin/x"], "");
    install(&machine, &vendor(1));
    machine.target("/opt/vendor/tls");
    machine.reseal("hook status").ends(0).says("not installed").says("`reseal hook install apt`");
    machine.reseal("hook install").ends(0).says("hook:apt: installed");
    machine.run(&["apt-config", "dump"]).ends(0).says("/usr/bin/reseal hook fire before --packages");
    machine.reseal("hook status").ends(0).says("hook:apt: installed");

    let text = install(&machine, &package(&machine, "other", 1, &["/usr/share/other/x"], ""));
    assert!(!text.contains("reseal"), "{text}");
    assert!(!machine.has("/var/lib/reseal/upgrade") && !machine.has("/var/lib/reseal/snapshot"), "nothing to do");
    assert!(!machine.has("/var/lib/reseal/vault/web"), "nothing written");

    // Signed off, though it signed itself: what the upgrade has to leave in place.
    machine.reseal("snapshot --force").ends(0);
    let harm = "echo broken >/opt/vendor/tls/web.pem";
    install(&machine, &package(&machine, "vendor", 2, &["/opt/vendor/bin/x"], harm));
    assert!(machine.has(MARK), "{}", machine.shell("find /var/lib/reseal"));
    machine.reseal("backups web").ends(0).says("found");
    // What was there before is kept, and whoever looks next is told what the upgrade did.
    machine.reseal("post-upgrade --pending").ends(0).says("web: repaired web.example");

    // Vendors call their archives as they like.
    let other = package(&machine, "other", 2, &["/usr/share/other/x"], "");
    machine.shell(&format!("mv {other} /mnt/other-latest.deb"));
    install(&machine, "/mnt/other-latest.deb");
    assert!(!machine.has(MARK), "no business of the target's");
    let archive = package(&machine, "vendor", 3, &["/opt/vendor/bin/x"], harm);
    machine.shell(&format!("mv {archive} /mnt/vendor-latest.deb"));
    install(&machine, "/mnt/vendor-latest.deb");
    assert!(machine.has(MARK), "{}", machine.shell("find /var/lib/reseal"));

    machine.reseal("hook remove apt").ends(0).says("hook:apt: removed");
    assert!(!machine.has("/etc/apt/apt.conf.d/90reseal"));
    machine.reseal("restore hook:apt").ends(0);
    machine.run(&["apt-config", "dump"]).ends(0).says("reseal hook fire");
}

/// Where its files are only nginx knows, which no hook has the time to ask: what was kept tells it, and before anything was, each upgrade counts.
#[test]
fn what_nginx_reads_is_reached_by_who_owns_its_directory() {
    let Some(machine) = machine().filter(|_| has("nginx")) else { return };
    let vendor = |version| package(&machine, "vendor", version, &["/opt/vendor/bin/x"], "");
    let other = |version| package(&machine, "other", version, &["/usr/share/other/x"], "");
    install(&machine, &vendor(1));
    install(&machine, &other(1));
    machine.target("/opt/vendor/tls");
    machine.put(
        "/mnt/nginx.conf",
        "events {}\nhttp { server { listen 127.0.0.1:44399 ssl; server_name web.example; ssl_certificate /opt/vendor/tls/web.pem; \
         ssl_certificate_key /opt/vendor/tls/web.key; } }\n",
    );
    machine.put(
        "/etc/reseal/reseal.toml",
        "[[target]]\nname = \"web\"\nkind = \"nginx\"\nnames = [\"web.example\"]\nconf = \"/mnt/nginx.conf\"\n",
    );
    machine.reseal("hook install").ends(0);
    install(&machine, &other(2));
    machine.reseal("backups web").ends(0).says("found");
    assert!(machine.has(MARK));
    machine.reseal("post-upgrade --pending").ends(0);
    assert!(!machine.has(MARK), "somebody has looked");
    install(&machine, &other(3));
    assert!(!machine.has(MARK), "no business of the target's");
    install(&machine, &vendor(2));
    assert!(machine.has(MARK), "{}", machine.shell("find /var/lib/reseal"));
}

#[test]
fn a_mark_is_looked_at_once() {
    let Some(machine) = machine() else { return };
    machine.target("/opt/vendor/tls");
    assert_eq!(machine.reseal("post-upgrade --pending").ends(0).out, "");
    machine.reseal("hook fire after --begun").ends(0);
    assert!(!machine.has("/var/lib/reseal/upgrade"), "nothing has begun");
    machine.reseal("hook fire before --quiet").ends(0);
    assert!(machine.has("/var/lib/reseal/upgrade/begun"));
    machine.reseal("hook fire after --begun").ends(0);
    machine.reseal("hook fire after").ends(0);
    assert!(machine.has(MARK) && !machine.has("/var/lib/reseal/upgrade/begun"));
    machine.put("/etc/reseal/broken.toml", "x");
    machine.reseal("--config /etc/reseal/broken.toml post-upgrade --pending").ends(0);
    assert!(machine.has(MARK), "nobody has looked");
    machine.reseal("post-upgrade web").ends(0);
    assert!(machine.has(MARK), "one target is not all");
    machine.reseal("post-upgrade").ends(0);
    machine.shell("ls -A /var/lib/reseal/upgrade");
    let left = machine.shell("ls -A /var/lib/reseal/upgrade");
    assert!(!left.contains("ended"), "{left}");
}

#[test]
fn nothing_makes_an_upgrade_fail() {
    let Some(machine) = machine() else { return };
    machine.target("/opt/vendor/tls");
    machine.reseal("hook fire before --quiet").ends(0);
    machine.shell("rm -r /var/lib/reseal/upgrade");
    // Another reseal at work.
    machine.shell("flock /var/lib/reseal/lock sleep 30 >/dev/null 2>&1 & sleep 0.3");
    machine.shell("echo x >>/opt/vendor/tls/web.pem");
    machine.reseal("--wait 0 hook fire before --quiet").ends(0).warns("another reseal is at work");
    machine.reseal("hook fire after --begun").ends(0);
    assert!(machine.has(MARK), "what is after it needs no lock");
    // Two at once, and a list that is none.
    machine.shell("for i in 1 2 3 4; do /usr/bin/reseal hook fire after & done; wait");
    machine.fed("hook fire before --packages", &"\0../x.deb\n".repeat(100_000)).ends(0);
    // An environment that means no good.
    let hostile = "env -i PATH=/mnt/evil RESEAL_CONFIG=/no/such LD_LIBRARY_PATH=/mnt/evil /usr/bin/reseal hook fire after </dev/null";
    machine.run(&["sh", "-c", hostile]).ends(0);
    // A state directory that cannot be written to.
    machine.shell("rm -r /var/lib/reseal/upgrade; mount --bind /var/lib/reseal /var/lib/reseal; mount -o remount,bind,ro /var/lib/reseal");
    machine.reseal("hook fire after").ends(0).warns("hook: refused").warns("Read-only file system");
    machine.reseal("hook fire before").ends(0).warns("Read-only file system");
    // A full one.
    machine.shell("umount /var/lib/reseal; mount -t tmpfs -o size=4k,mode=700 own /var/lib/reseal; head -c 8192 /dev/zero >/var/lib/reseal/x || true");
    machine.reseal("hook fire after").ends(0);
    machine.reseal("hook fire before").ends(0);
}

#[test]
fn an_installers_directory_gets_a_script_and_keeps_its_own() {
    let Some(machine) = machine() else { return };
    machine.target("/opt/vendor/tls");
    machine.shell("mkdir -p /opt/vendor/hooks.d; echo x >/opt/vendor/hooks.d/own");
    machine.reseal("hook install directory:/opt/vendor/hooks.d").ends(0).says("installed");
    machine.shell("run-parts --exit-on-error /opt/vendor/hooks.d || /opt/vendor/hooks.d/reseal");
    assert!(machine.has(MARK));
    machine.reseal("hook status").says("hook:directory:/opt/vendor/hooks.d: installed");
    machine.reseal("hook remove directory:/opt/vendor/hooks.d").ends(0);
    assert_eq!(machine.shell("ls /opt/vendor/hooks.d"), "own\n");
    // Whoever may write there decides what root runs.
    machine.shell("chmod 777 /opt/vendor/hooks.d");
    machine.reseal("hook install directory:/opt/vendor/hooks.d").ends(4);
}
