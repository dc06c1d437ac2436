//! The package comes, is used, is upgraded and goes, and leaves what it should.

use std::collections::BTreeMap;

use crate::machine::Machine;
use crate::root::{self, NEXT};
use crate::web;

/// Every file with its owner, mode and content, without what apt, dpkg, debconf and the system write for themselves.
fn files(machine: &Machine) -> BTreeMap<String, String> {
    let own = [
        "/proc",
        "/sys",
        "/dev",
        "/run",
        "/tmp",
        "/root",
        "/var/log",
        "/var/tmp",
        "/var/cache",
        "/var/lib/dpkg",
        "/var/lib/apt",
        "/var/lib/systemd/random-seed",
        "/var/lib/systemd/catalog",
        "/var/lib/private",
        "/etc/ld.so.cache",
    ];
    let prune: Vec<String> = own.iter().map(|path| format!("-path {path}")).collect();
    let list = machine.must(&format!(
        "find / \\( {} \\) -prune -o -printf '%p|%y %m %u %g %l\\n'; \
         find / \\( {0} \\) -prune -o -type f -exec sha256sum {{}} + | sed -E 's/^([0-9a-f]+)  (.*)/\\2#content|\\1/'",
        prune.join(" -o ")
    ));
    list.lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(path, what)| (path.to_owned(), what.to_owned()))
        .collect()
}

fn difference(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = Vec::new();
    for path in before.keys().chain(after.keys().filter(|path| !before.contains_key(*path))) {
        if before.get(path) != after.get(path) {
            found.push(format!("{path}: {:?}, then {:?}", before.get(path), after.get(path)));
        }
    }
    found
}

#[test]
fn a_clean_system_gets_what_it_should_and_a_purge_leaves_nothing() {
    let Some(machine) = Machine::start() else { return };
    let before = files(&machine);
    machine.install(&root::package(None)).ends(0);

    machine.must("reseal --version").lines().next().map(|line| assert_eq!(line, "reseal 0.1.0")).unwrap();
    let listed = machine.must("dpkg -L reseal");
    for path in [
        "/usr/share/man/man1/reseal.1.gz",
        "/usr/share/man/man1/reseal-ca-init.1.gz",
        "/usr/share/bash-completion/completions/reseal",
        "/usr/share/zsh/vendor-completions/_reseal",
        "/usr/share/fish/vendor_completions.d/reseal.fish",
        "/usr/share/doc/reseal/copyright",
        "/usr/share/doc/reseal/recovery.md",
        "/usr/share/doc/reseal/third-party.txt.gz",
        "/usr/share/doc/reseal/examples/reseal.toml",
        "/lib/systemd/system/reseal-recover.service",
    ] {
        assert!(listed.lines().any(|line| line == path), "{path} is not in\n{listed}");
    }
    machine.must("[ -z \"$(dpkg-query -W -f '${Conffiles}' reseal | grep -v apt.conf.d)\" ]");
    assert_eq!(
        machine.must("cd /etc/reseal && find . -mindepth 1 | sort"),
        "./hooks\n./hooks/deploy\n./hooks/post\n./hooks/pre"
    );
    machine.must("[ ! -e /var/lib/reseal ]");
    // Enabled, waiting, and doing nothing without a configuration.
    assert_eq!(machine.must("systemctl is-enabled reseal-recover.service reseal-renew.timer"), "enabled\nenabled");
    assert_eq!(machine.must("systemctl is-active reseal-renew.timer"), "active");
    machine.must("systemctl start reseal-renew.service");
    machine.must("[ \"$(systemctl show -P ConditionResult reseal-renew.service)\" = no ] && [ ! -e /var/lib/reseal ]");
    assert_eq!(machine.must("systemctl --failed --no-legend"), "");
    machine.must("systemd-analyze verify /lib/systemd/system/reseal-*.service /lib/systemd/system/reseal-*.timer");
    // Every document that a unit names is there.
    machine.must("for f in $(sed -n 's#^Documentation=file:##p' /lib/systemd/system/reseal-*); do [ -e $f ] || { echo $f; exit 1; }; done");
    // The example is one.
    machine.run("reseal check --config /usr/share/doc/reseal/examples/reseal.toml; [ $? -ne 2 ]").ends(0);

    // What the administrator has switched off stays off.
    machine.must("systemctl disable --now reseal-renew.timer");
    machine.install(&root::package(Some(NEXT))).ends(0);
    assert_eq!(machine.must("dpkg-query -W -f '${Version}' reseal"), NEXT);
    machine.run("systemctl is-enabled reseal-renew.timer").ends(1);
    machine.run("systemctl is-active reseal-renew.timer").ends(3);
    assert_eq!(machine.must("systemctl is-enabled reseal-recover.service"), "enabled");

    // The package's units run, and are told so, also where they have to be fitted to the configuration yet.
    machine.must("systemctl enable --now reseal-renew.timer");
    machine.must("mkdir -p /opt/tls && openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=web -keyout /opt/tls/k.pem -out /opt/tls/c.pem 2>/dev/null");
    machine.write(
        "/etc/reseal/reseal.toml",
        "[[target]]\nname = \"web\"\nkind = \"files\"\nnames = [\"web\"]\ncertificate = \"/opt/tls/c.pem\"\nkey = \"/opt/tls/k.pem\"\n",
    );
    let told = machine.run("reseal schedule status").said;
    assert!(told.contains("50-reseal-paths.conf is missing: `reseal schedule install systemd`"), "{told}");
    assert!(!told.contains("not installed") && !told.contains("without its file"), "{told}");
    machine.run("reseal status; true").says("50-reseal-paths.conf is missing");
    machine.must("reseal schedule install systemd");
    machine.must("[ -e /etc/systemd/system/reseal-renew.service.d/50-reseal-paths.conf ]");

    machine.must("echo 'reseal reseal/purge boolean true' | debconf-set-selections");
    machine.apt("purge reseal").ends(0);
    machine.must("rm -r /opt/tls");
    let left = difference(&before, &files(&machine));
    assert!(left.is_empty(), "{left:#?}");
    machine.must("[ -z \"$(systemctl list-unit-files 'reseal*' --no-legend)\" ]");
}

#[test]
fn used_upgraded_removed_and_purged_it_keeps_what_it_should() {
    let Some(machine) = Machine::with_reseal() else { return };
    web::trusted(&machine, "");
    let state = "cd / && find var/lib/reseal etc/reseal etc/ssl/web.pem etc/ssl/private/web.key -type f -exec sha256sum {} + | sort";
    let used = machine.must(state);
    assert!(used.contains("/vault/web/"), "{used}");

    // An upgrade in the middle of a run: the run goes on, and no server is touched.
    machine.write(
        "/etc/systemd/system/reseal-renew.service.d/slow.conf",
        "[Service]\nExecStart=\nExecStart=/bin/sleep 300\n",
    );
    machine.must("systemctl daemon-reload && systemctl start --no-block reseal-renew.service");
    assert!(machine.comes_to(10, "[ \"$(systemctl show -P MainPID reseal-renew.service)\" != 0 ]"));
    let running = "systemctl show -P MainPID reseal-renew.service nginx.service";
    let before = machine.must(running);
    machine.install(&root::package(Some(NEXT))).ends(0);
    assert_eq!(machine.must(running), before, "an upgrade has restarted something");
    assert_eq!(machine.must(state), used);
    assert_eq!(machine.must("systemctl is-active reseal-renew.timer"), "active");

    // Removed: what runs is ended, the units and the program go, the rest stays, and the server serves on.
    machine.apt("remove reseal").ends(0);
    machine.must("[ ! -e /usr/bin/reseal ] && [ ! -e /lib/systemd/system/reseal-renew.service ]");
    machine.run("systemctl is-active reseal-renew.service").ends(3);
    assert_eq!(machine.must(state), used);
    assert!(web::is_trusted(&machine));
    machine.must("rm -r /etc/systemd/system/reseal-renew.service.d");

    // Back again, all is as it was.
    machine.install(&root::package(None)).ends(0);
    assert_eq!(machine.must("systemctl is-active reseal-renew.timer"), "active");
    machine.run("reseal renew web --passphrase-file /root/pass").ends(0);
    assert_eq!(machine.must(state), used, "with nothing to do something was written");

    // Purged, and nobody answers: the backups and keys stay.
    machine.apt("purge reseal").ends(0).says("kept /var/lib/reseal and /etc/reseal");
    assert_eq!(machine.must(state), used);

    // Removed with a change that was killed between its two renames: it is undone before the program goes.
    machine.install(&root::package(None)).ends(0);
    machine.must(
        "mkdir /root/issued && reseal ca issue office www.lan --output /root/issued --passphrase-file /root/pass",
    );
    let pair = "sha256sum /etc/ssl/web.pem /etc/ssl/private/web.key";
    let old = machine.must(pair);
    let killed = "strace -o /dev/null -e trace=renameat2 -e inject=renameat2:signal=KILL:when=3 \
                  reseal install web --from /root/issued/fullchain.pem --from /root/issued/privkey.pem; ls /var/lib/reseal/journal";
    machine.run(killed).says("web");
    machine.run(web::PAIR).ends(1);
    machine.apt("remove reseal").ends(0);
    assert_eq!(machine.must(pair), old);
    machine.must("[ -z \"$(ls -A /var/lib/reseal/journal)\" ]");

    // Where it cannot be undone, because somebody else has written meanwhile, not even a yes takes the backups.
    let yes = "echo 'reseal reseal/purge boolean true' | debconf-set-selections";
    machine.install(&root::package(None)).ends(0);
    machine.run(killed).says("web");
    machine.must(yes);
    machine.must("cp /root/vendor.pem /etc/ssl/web.pem");
    machine
        .apt("purge reseal")
        .ends(0)
        .says("could not be brought to its end")
        .says("an interrupted change is in its journal");
    machine.must("[ -e /var/lib/reseal/vault/web/2/manifest ] && [ -e /etc/reseal/reseal.toml ]");
    machine.install(&root::package(None)).ends(0);
    machine.must("reseal recover --accept web && reseal restore web 2");
    assert!(web::is_trusted(&machine));

    // What somebody has mounted below is theirs, even where it is of the same file system.
    machine.must(yes);
    machine.must(
        "mkdir /root/theirs /etc/reseal/theirs && touch /root/theirs/x && mount --bind /root/theirs /etc/reseal/theirs",
    );
    machine.apt("purge reseal").ends(0).says("something else is mounted below");
    machine.must("[ -e /root/theirs/x ] && [ -e /etc/reseal/reseal.toml ] && umount /etc/reseal/theirs && rmdir /etc/reseal/theirs");
    machine.install(&root::package(None)).ends(0);

    // Purged with a yes: all of it goes, but for the pair that the server reads.
    machine.must(yes);
    machine.must("reseal adopt web");
    machine.apt("purge reseal").ends(0).says("kept /etc/reseal/live");
    machine.must("[ ! -e /var/lib/reseal ] && [ ! -e /etc/reseal/reseal.toml ]");
    machine.must(web::PAIR);
    machine.must("nginx -t && systemctl restart nginx");
    assert!(web::is_trusted(&machine));
}

/// The scripts of the RPM, run by the real rpm; on Debian, whose dependencies it does not know.
#[test]
fn an_rpm_comes_and_goes_and_keeps_the_state() {
    let Some(machine) = Machine::start() else { return };
    let Some(package) = root::rpm() else { return };
    let before = files(&machine);
    std::fs::copy(&package, machine.path("/root/reseal.rpm")).unwrap();
    machine.must("rpm -i --nodeps /root/reseal.rpm");
    assert_eq!(machine.must("systemctl is-enabled reseal-recover.service reseal-renew.timer"), "enabled\nenabled");
    assert_eq!(machine.must("systemctl is-active reseal-renew.timer"), "active");
    assert_eq!(
        machine.must("cd /etc/reseal && find . -mindepth 1 | sort"),
        "./hooks\n./hooks/deploy\n./hooks/post\n./hooks/pre"
    );
    machine.must("systemd-analyze verify /usr/lib/systemd/system/reseal-*.service");
    web::trusted(&machine, "");
    let state = "cd / && find var/lib/reseal etc/reseal -type f -exec sha256sum {} + | sort";
    let used = machine.must(state);

    // Put in place once more, as an upgrade does: what was disabled stays so.
    machine.must("systemctl disable --now reseal-renew.timer");
    machine.must("rpm -U --force --nodeps /root/reseal.rpm");
    machine.run("systemctl is-enabled reseal-renew.timer").ends(1);
    machine.run("systemctl is-active reseal-renew.timer").ends(3);
    assert_eq!(machine.must(state), used);

    machine.must("rpm -e --nodeps reseal");
    machine.must("[ ! -e /usr/bin/reseal ]");
    assert_eq!(machine.must(state), used);
    assert!(web::is_trusted(&machine));
    machine.must("rm -r /var/lib/reseal /etc/reseal");
    let others = [
        "/var/lib/rpm",
        "/etc/ssl",
        "/etc/nginx/sites-",
        "/usr/lib/sysimage",
        "/usr/share/zsh",
        "/usr/share/fish",
        "/usr/share/licenses:",
    ];
    let left = difference(&before, &files(&machine));
    let left: Vec<&String> = left.iter().filter(|line| !others.iter().any(|other| line.starts_with(other))).collect();
    assert!(left.is_empty(), "{left:#?}");
}
