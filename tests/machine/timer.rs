//! The timer, its sandbox and its credentials, as systemd runs them.

use crate::machine::Machine;
use crate::web;

/// As `docs/secrets.md` has it: the passphrase encrypted to this machine.
fn credential(machine: &Machine) {
    machine.must("systemd-creds encrypt --with-key=host --name=reseal.ca-office /root/pass /etc/reseal/ca-office.cred 2>/dev/null");
    machine.must("rm /root/pass");
    machine.write(
        "/etc/systemd/system/reseal-renew.service.d/credential.conf",
        "[Service]\nLoadCredentialEncrypted=reseal.ca-office:/etc/reseal/ca-office.cred\n",
    );
    machine.must("systemctl daemon-reload");
}

#[test]
fn the_timer_fires_and_renews_with_a_credential_and_catches_up_after_a_sleep() {
    let Some(mut machine) = Machine::with_reseal() else { return };
    web::configured(&machine, "");
    // Without the passphrase the run fails, says why, and changes nothing.
    machine.run("systemctl start reseal-renew.service").ends(1);
    machine.must("journalctl -u reseal-renew.service | grep -q 'passphrase'");
    assert!(machine.must(web::ISSUER).contains("Vendor"));

    credential(&machine);
    machine.write(
        "/etc/systemd/system/reseal-renew.timer.d/often.conf",
        "[Timer]\nOnCalendar=\nOnCalendar=*:*:0/2\nAccuracySec=100ms\nRandomizedDelaySec=0\n",
    );
    machine.must("systemctl daemon-reload && systemctl restart reseal-renew.timer");
    assert!(
        machine.comes_to(60, &format!("{} | grep -q office", web::ISSUER)),
        "{}",
        machine.must("journalctl -u reseal-renew")
    );
    machine.must("systemctl stop reseal-renew.timer");
    // `is-active` ends with 3 for a run that is under way as well, and what is served is right before the change is written down.
    assert!(machine.comes_to(60, "[ \"$(systemctl show -P ActiveState reseal-renew.service)\" = inactive ]"));
    assert_eq!(machine.must("systemctl show -P Result reseal-renew.service"), "success");
    machine.must("reseal status web | grep 'maintain, proved'");
    // With nothing to do, nothing is written.
    let state = "find /var/lib/reseal /etc/ssl -newer /root/mark ! -name lock";
    machine.must("touch /root/mark; sleep 1.1; systemctl start reseal-renew.service");
    assert_eq!(machine.must(state), "");

    // A machine that slept past its time catches up when it is on again.
    machine.must("rm -r /etc/systemd/system/reseal-renew.timer.d && systemctl daemon-reload && systemctl start reseal-renew.timer");
    machine.write("/etc/systemd/system/reseal-renew.timer.d/soon.conf", "[Timer]\nRandomizedDelaySec=0\n");
    machine.must(web::VENDOR);
    machine.must("touch -d '2 days ago' /var/lib/systemd/timers/stamp-reseal-renew.timer");
    machine.cut_power();
    machine.boot();
    assert!(
        machine.comes_to(60, &format!("{} | grep -q office", web::ISSUER)),
        "{}",
        machine.must("journalctl -u reseal-renew")
    );
}

/// Each reload that reseal ships or tells of, where nothing but what the unit names can be written.
#[test]
fn reloads_work_inside_the_sandbox() {
    let Some(machine) = Machine::with_reseal() else { return };
    web::configured(&machine, "");
    credential(&machine);
    let files = "[[target]]\nname = \"web\"\nkind = \"files\"\nnames = [\"www.lan\"]\ncertificate = \"/etc/ssl/web.pem\"\n\
                 key = \"/etc/ssl/private/web.key\"\nlisten = [\"www.lan:443\"]\naddress\nreload = RELOAD\n";
    let source = "[target.source]\nkind = \"local-ca\"\nca = \"office\"\n";
    machine.must("echo 127.0.0.1 www.lan >> /etc/hosts");
    let nginx = "[[target]]\nname = \"web\"\nkind = \"nginx\"\nnames = [\"www.lan\"]\n".to_owned();
    let by =
        |reload: &str| files.replace("address\n", "check = [\"/usr/sbin/nginx\", \"-t\"]\n").replace("RELOAD", reload);
    for target in
        [nginx, by("[\"/usr/sbin/nginx\", \"-s\", \"reload\"]"), by("[\"/usr/bin/systemctl\", \"reload\", \"nginx\"]")]
    {
        machine.write("/etc/reseal/reseal.toml", &format!("[defaults]\nverify_timeout = 10\n{target}{source}"));
        machine.must(web::VENDOR);
        machine.must("systemctl reload nginx");
        assert!(machine.comes_to(10, &format!("{} | grep -q Vendor", web::ISSUER)));
        let ran = machine.run("systemctl start reseal-renew.service");
        assert_eq!(ran.code, Some(0), "{target}\n{}", machine.must("journalctl -u reseal-renew -n 30"));
        assert!(web::is_trusted(&machine), "{target}");
    }
    // It is a sandbox: what the unit does not name is read-only, which is told before anything is touched.
    machine.must("mkdir -p /opt/tls && cp /etc/ssl/web.pem /etc/ssl/private/web.key /opt/tls");
    let outside = by("[\"/bin/true\"]").replace("/etc/ssl/private/", "/opt/tls/").replace("/etc/ssl/", "/opt/tls/");
    machine.write("/etc/reseal/reseal.toml", &format!("{outside}{source}"));
    machine.must(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=www.lan \
                  -keyout /opt/tls/web.key -out /opt/tls/web.pem 2>/dev/null",
    );
    let before = machine.must("sha256sum /opt/tls/*");
    machine.run("systemctl start reseal-renew.service").ends(1);
    machine.must("journalctl -u reseal-renew.service | grep -qi 'read-only'");
    assert_eq!(machine.must("sha256sum /opt/tls/*; ls -A /opt/tls | wc -l"), format!("{before}\n2"));
}
