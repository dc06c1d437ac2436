//! Real upgrades of a small vendor's package by the real apt and dpkg, with reseal before and after: each way in which an upgrade
//! harms a certificate, as far as an nginx can be harmed by it.

use std::thread;
use std::time::Duration;

use crate::machine::Machine;
use crate::web;

/// What one version of the vendor's package does to the machine, and what must come of it.
struct Case {
    /// What its postinst does.
    postinst: &'static str,
    /// How apt ends.
    apt: i32,
    /// What `post-upgrade` calls it.
    told: &'static str,
    /// Whether the wanted certificate is served afterwards.
    mended: bool,
}

const SELF_SIGNED: &str = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /O=Vendor/CN=fresh \
     -addext subjectAltName=DNS:www.lan -addext basicConstraints=critical,CA:FALSE";

/// The ten ways; `SELF_SIGNED` and `CONF` in a script are replaced.
const CASES: &[Case] = &[
    // 1. The package overwrites the file with a self-signed default.
    Case {
        postinst: "SELF_SIGNED -keyout /etc/ssl/private/web.key -out /etc/ssl/web.pem; systemctl reload nginx",
        apt: 0,
        told: "overwritten",
        mended: true,
    },
    // 2. The new version reads another path, where it has put a self-signed one.
    Case {
        postinst: "mkdir -p /etc/ssl/appliance; SELF_SIGNED -keyout /etc/ssl/appliance/a.key -out /etc/ssl/appliance/a.pem; \
                   sed -i 's#/etc/ssl/web.pem#/etc/ssl/appliance/a.pem#; s#/etc/ssl/private/web.key#/etc/ssl/appliance/a.key#' CONF; \
                   systemctl reload nginx",
        apt: 0,
        told: "config-reset",
        mended: true,
    },
    // 3. The configuration is written anew, with the default pair that came with the system.
    Case {
        postinst: "SELF_SIGNED -keyout /etc/ssl/private/snakeoil.key -out /etc/ssl/snakeoil.pem; printf 'server { listen 127.0.0.1:443 ssl; \
                   server_name www.lan; ssl_certificate /etc/ssl/snakeoil.pem; ssl_certificate_key /etc/ssl/private/snakeoil.key; }\\n' \
                   > CONF; systemctl reload nginx",
        apt: 0,
        told: "config-reset",
        mended: true,
    },
    // 4. The certificate is as it was, and the new version has no use for its kind of key: nothing in the backups could mend that.
    Case {
        postinst: "sed -i 's#server_name#ssl_protocols TLSv1.2; ssl_ciphers aRSA; server_name#' CONF; systemctl restart nginx",
        apt: 0,
        told: "refused",
        mended: false,
    },
    // The same, and the service does not even start.
    Case {
        postinst: "sed -i 's#server_name#ssl_ciphers DEFAULT:@SECLEVEL=5; server_name#' CONF; systemctl restart nginx || true",
        apt: 0,
        told: "listener-gone",
        mended: false,
    },
    // 5. The upgrade overwrites the certificate and is aborted.
    Case {
        postinst: "SELF_SIGNED -keyout /etc/ssl/private/web.key -out /etc/ssl/web.pem; systemctl reload nginx; \
                   [ -e /root/second-try ] || exit 1",
        apt: 100,
        told: "overwritten",
        mended: true,
    },
    // 6. The listener is gone: elsewhere, or without TLS at all, which leaves nothing to be held against what was.
    Case {
        postinst: "sed -i 's#127.0.0.1:443#127.0.0.1:8443#' CONF; systemctl restart nginx",
        apt: 0,
        told: "listener-gone",
        mended: false,
    },
    Case {
        postinst: "sed -i 's#127.0.0.1:443 ssl#127.0.0.1:80#; s#ssl_certificate[^;]*;##g' CONF; systemctl restart nginx",
        apt: 0,
        told: "no pair of target \"web\" was found",
        mended: false,
    },
    // 7. One file instead of two.
    Case {
        postinst: "SELF_SIGNED -keyout /tmp/k -out /tmp/c; cat /tmp/c /tmp/k > /etc/ssl/web.pem; rm /etc/ssl/private/web.key; \
                   sed -i 's#/etc/ssl/private/web.key#/etc/ssl/web.pem#' CONF; systemctl reload nginx",
        apt: 0,
        told: "format-changed",
        mended: true,
    },
    // 8. The issuer has the old name and another key.
    Case {
        postinst: "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=reseal local CA office' \
                   -keyout /tmp/ca.key -out /tmp/ca.pem; printf 'subjectAltName=DNS:www.lan\\nauthorityKeyIdentifier=keyid\\n' > /tmp/ext; \
                   openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=www.lan -keyout /etc/ssl/private/web.key \
                   | openssl x509 -req -CA /tmp/ca.pem -CAkey /tmp/ca.key -CAcreateserial -days 30 -extfile /tmp/ext -out /etc/ssl/web.pem; \
                   systemctl reload nginx",
        apt: 0,
        told: "root-regenerated",
        mended: true,
    },
    // 9. The files are gone.
    Case { postinst: "rm /etc/ssl/web.pem /etc/ssl/private/web.key", apt: 0, told: "removed", mended: true },
    // 10. The vendor's default is back, which the wanted one had replaced.
    Case {
        postinst: "cp /root/vendor.pem /etc/ssl/web.pem; cp /root/vendor.key /etc/ssl/private/web.key; systemctl reload nginx",
        apt: 0,
        told: "reverted",
        mended: true,
    },
];

const CONF: &str = "/etc/nginx/sites-enabled/default";

/// What an administrator has who runs reseal around every upgrade, as docs/upgrades.md tells.
const HOOKS: &str = "DPkg::Pre-Invoke {\"reseal snapshot --non-interactive || true\";};\n\
     DPkg::Post-Invoke {\"reseal post-upgrade --non-interactive --up 5 2>&1 | tee /root/told || true\";};\n";

/// Makes a version of the vendor's package on the machine.
fn vendors(machine: &Machine, version: usize, postinst: &str) {
    let script = postinst.replace("SELF_SIGNED", SELF_SIGNED).replace("CONF", CONF);
    machine.write(
        "/root/appliance/DEBIAN/postinst",
        &format!("#!/bin/sh\n[ \"$1\" = configure ] || exit 0\nexec >/root/postinst 2>&1\n{script}\n"),
    );
    machine.write(
        "/root/appliance/DEBIAN/control",
        &format!("Package: appliance\nVersion: {version}\nArchitecture: all\nMaintainer: Vendor <a@b.invalid>\nDescription: an appliance\n"),
    );
    machine.must("chmod 755 /root/appliance/DEBIAN/postinst && dpkg-deb --build /root/appliance /root >/dev/null");
}

/// The first way, and who was served then: waited for, since nginx answers with the old for a moment after a reload.
fn harm() -> String {
    let served = web::ISSUER;
    format!(
        "{}; for i in $(seq 200); do {served} > /root/harmed; grep -q fresh /root/harmed && break; sleep 0.02; done",
        CASES[0].postinst
    )
}

fn upgrade(machine: &Machine, version: usize) -> crate::machine::Ran {
    machine.apt(&format!("install /root/appliance_{version}_all.deb"))
}

/// nginx as it was with the wanted certificate, whatever has become of it.
fn reset(machine: &Machine) {
    machine.must(&format!("cp /root/good.conf {CONF}; cp /root/good.pem /etc/ssl/web.pem; install -m 600 /root/good.key /etc/ssl/private/web.key"));
    machine
        .must("systemctl reset-failed nginx; systemctl restart nginx; reseal recover --quiet; reseal snapshot --quiet");
    assert!(web::is_trusted(machine));
}

/// A machine with the wanted certificate, version 1 of the vendor's package, and reseal around every upgrade.
fn ground() -> Option<Machine> {
    let machine = Machine::with_reseal()?;
    web::configured(&machine, "[target.policy]\nafter_upgrade = \"reinstate\"\n");
    machine.must("reseal renew web --passphrase-file /root/pass");
    machine.must(&format!(
        "cp {CONF} /root/good.conf; cp /etc/ssl/web.pem /root/good.pem; cp /etc/ssl/private/web.key /root/good.key"
    ));
    vendors(&machine, 1, "true");
    upgrade(&machine, 1).ends(0);
    machine.write("/etc/apt/apt.conf.d/90reseal", HOOKS);
    Some(machine)
}

#[test]
fn whatever_an_upgrade_does_is_told_by_name_and_mended_where_it_can_be() {
    let Some(machine) = ground() else { return };
    for (index, case) in CASES.iter().enumerate() {
        reset(&machine);
        let version = index + 2;
        vendors(&machine, version, case.postinst);
        upgrade(&machine, version).ends(case.apt);
        let told = machine.must("cat /root/told");
        assert!(
            told.contains(case.told),
            "case {}: not called {:?}:\n{told}\n{}",
            index + 1,
            case.told,
            machine.must("cat /root/postinst")
        );
        assert_eq!(web::is_trusted(&machine), case.mended, "case {}:\n{told}", index + 1);
        if case.mended {
            machine.must("nginx -t && systemctl restart nginx");
            assert!(web::is_trusted(&machine), "case {}: not after a restart", index + 1);
        }
        if case.apt != 0 {
            // Run again, it comes to its end, and its own damage is not the reference.
            machine.must("touch /root/second-try");
            machine.apt("install -f").ends(0);
            assert!(web::is_trusted(&machine), "{}", machine.must("cat /root/told"));
            assert_eq!(machine.must("dpkg-query -W -f '${Status}' appliance"), "install ok installed");
        }
        println!("case {}: {}, {}", index + 1, case.told, if case.mended { "mended" } else { "told" });
    }
    machine.must("reseal history verify");
}

#[test]
fn the_time_without_the_wanted_certificate_is_short_and_a_kill_in_between_is_made_good() {
    let Some(machine) = ground() else { return };
    // The package itself tells when, and what is served then.
    let harm = format!("{}; date +%s%3N >> /root/harmed", harm());
    vendors(&machine, 2, &harm);
    // Who is served what, all the time.
    let mut watch = machine.begin(&format!(
        "while :; do printf '%s %s\\n' $(date +%s%3N) \"$({} | tr -d ' ')\"; sleep 0.03; done > /root/served",
        web::ISSUER
    ));
    upgrade(&machine, 2).ends(0);
    thread::sleep(Duration::from_secs(2));
    watch.kill().unwrap();
    watch.wait().unwrap();
    let (served, harmed) = (machine.must("cat /root/served"), machine.must("cat /root/harmed"));
    let (who, at) = harmed.split_once('\n').unwrap();
    assert!(who.contains("fresh"), "the vendor's was never served: {harmed}");
    let at: u64 = at.trim().parse().unwrap();
    let samples =
        served.lines().filter_map(|line| line.split_once(' ')).filter_map(|(at, who)| Some((at.parse().ok()?, who)));
    let samples: Vec<(u64, &str)> = samples.collect();
    let back =
        samples.iter().find(|(when, who)| *when > at && who.contains("office")).unwrap_or_else(|| panic!("{served}")).0;
    let failed = samples.iter().filter(|(_, who)| who.is_empty()).count();
    println!(
        "the wanted certificate was not served for at most {} ms; of {} handshakes {failed} failed",
        back - at,
        samples.len()
    );
    assert!(back - at < 20_000, "{served}");
    assert_eq!(failed, 0, "{served}");
    let history = machine.must("reseal history web");
    assert!(history.lines().last().unwrap().contains("post-upgrade"), "{history}");

    // Killed between the two renames of putting it back, then run again.
    vendors(&machine, 3, CASES[0].postinst);
    machine
        .write("/etc/apt/apt.conf.d/90reseal", "DPkg::Pre-Invoke {\"reseal snapshot --non-interactive || true\";};\n");
    upgrade(&machine, 3).ends(0);
    let exchanges = "-e trace=renameat2 -e inject=renameat2:signal=KILL:when=";
    let mut killed = 0;
    for number in 1..=6 {
        let ran = machine
            .run(&format!("strace -o /dev/null {exchanges}{number} reseal post-upgrade --non-interactive --up 5"));
        if ran.code == Some(0) {
            break;
        }
        killed += 1;
    }
    assert!(killed >= 2, "only {killed} runs were killed");
    machine.must("reseal post-upgrade --non-interactive --up 5 --strict");
    assert!(web::is_trusted(&machine));
    machine.must(web::PAIR);
    assert_eq!(machine.must("ls -A /var/lib/reseal/journal; find /etc/ssl -name '.reseal*'"), "");
}

/// Nothing but what the package brings: apt's hook keeps what is there and sets a mark, and the service does the rest after apt.
#[test]
fn the_hooks_of_the_package_have_it_put_back() {
    let Some(machine) = Machine::with_reseal() else { return };
    web::trusted(&machine, "");
    // A file of its own beside the certificate: so apt's hook knows that the package matters.
    machine.write("/root/appliance/etc/ssl/appliance.conf", "of the vendor\n");
    // While a service of this kind is at work, it is not yet active.
    let settled = "systemctl show -P ActiveState reseal-post-upgrade.service | grep -qx -e inactive -e failed && \
                   [ -z \"$(ls -A /var/lib/reseal/upgrade 2>/dev/null)\" ]";
    vendors(&machine, 1, "true");
    upgrade(&machine, 1).ends(0);
    assert!(machine.comes_to(60, settled), "{}", machine.must("journalctl -u reseal-post-upgrade"));

    vendors(&machine, 2, &harm());
    upgrade(&machine, 2).ends(0);
    assert!(machine.must("cat /root/harmed").contains("fresh"), "the vendor's was served in between");
    assert!(
        machine.comes_to(60, &format!("{} | grep -q office", web::ISSUER)),
        "{}",
        machine.must("journalctl -u reseal-post-upgrade")
    );
    assert!(machine.comes_to(60, settled));
    machine.must(web::PAIR);
    machine.must("reseal history web | tail -n 1 | grep post-upgrade && reseal history verify");
    assert_eq!(machine.must("systemctl --failed --no-legend"), "");
}

/// No package manager is at work: a vendor's tool makes its certificate anew, and the watch notices.
#[test]
fn a_file_that_is_made_anew_is_noticed() {
    let Some(machine) = Machine::with_reseal() else { return };
    web::trusted(&machine, "");
    machine.must("reseal schedule install");
    machine.must("systemctl is-enabled reseal-watch.path && systemctl is-active reseal-watch.path reseal-renew.timer");
    machine.must("reseal schedule status");
    machine.must(&format!("{}; systemctl reload nginx", web::VENDOR));
    assert!(
        machine.comes_to(60, &format!("{} | grep -q office", web::ISSUER)),
        "{}",
        machine.must("journalctl -u reseal-post-upgrade -u reseal-watch.path")
    );
    // What it writes itself starts it once more, with nothing to do, and then no more.
    let begun = "journalctl -u reseal-post-upgrade.service | grep -c 'Starting '";
    assert!(
        machine
            .comes_to(60, "systemctl show -P ActiveState reseal-post-upgrade.service | grep -qx -e inactive -e failed")
    );
    thread::sleep(Duration::from_secs(8));
    assert!(
        machine
            .comes_to(60, "systemctl show -P ActiveState reseal-post-upgrade.service | grep -qx -e inactive -e failed")
    );
    let runs = machine.must(begun);
    thread::sleep(Duration::from_secs(8));
    assert_eq!(machine.must(begun), runs);
    machine.must("reseal history verify");

    // A timer that is enabled and dead is told.
    machine.must("systemctl stop reseal-renew.timer");
    machine.run("reseal schedule status").ends(3).says("reseal-renew.timer");
    machine.run("reseal status").says("reseal-renew.timer");
}
