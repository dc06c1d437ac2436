//! `reseal schedule`: units that systemd takes, files of the administrator that stay, and every way back.

use crate::machine::{Machine, has};

const UNITS: &str = "/etc/systemd/system";

/// Every file and link of systemd's administrator.
const FILES: &str = "find /etc/systemd -not -type d | sort";

fn machine() -> Option<Machine> {
    (has("systemctl") && has("systemd-analyze") && has("openssl")).then(Machine::new).flatten()
}

#[test]
fn units_are_placed_switched_on_and_taken_out() {
    let Some(machine) = machine() else { return };
    machine.target("/srv-of-a-test/tls");
    let before = machine.shell(FILES);
    machine.reseal("schedule install --dry-run").ends(0).says("this is a dry run");
    assert_eq!(machine.shell(FILES), before);
    machine
        .reseal("schedule install")
        .ends(0)
        .says("schedule:systemd: installed")
        .says("go back    reseal restore schedule:systemd 1")
        .says("systemd does not run here");
    for unit in ["reseal-renew.timer", "reseal-check.timer", "reseal-watch.path", "reseal-recover.service"] {
        machine.run(&["systemctl", "is-enabled", unit]).ends(0).says("enabled");
    }
    let drop_in = machine.read(&format!("{UNITS}/reseal-renew.service.d/50-reseal-paths.conf"));
    assert!(drop_in.contains("\nReadWritePaths=-/srv-of-a-test/tls\n"), "{drop_in}");
    let watch = machine.read(&format!("{UNITS}/reseal-watch.path.d/50-reseal-paths.conf"));
    assert!(
        watch.contains("PathChanged=/srv-of-a-test/tls/web.key\nPathChanged=/srv-of-a-test/tls/web.pem\n"),
        "{watch}"
    );

    let placed = machine.tree();
    machine.reseal("schedule install").ends(0).says("all is in place already");
    assert_eq!(machine.tree(), placed, "nothing to do, nothing written");
    machine.reseal("schedule status").ends(0).says("schedule:systemd: installed");
    machine.reseal("backups schedule:systemd").ends(0).says("schedule:systemd");

    machine.reseal("schedule remove").ends(0).says("schedule:systemd: removed");
    assert_eq!(machine.shell(FILES), before);
    machine
        .reseal("schedule status")
        .ends(3)
        .says("nothing starts reseal by itself here: `reseal schedule install systemd`");
    machine.reseal("schedule remove").ends(0).says("nothing of it is there");
    machine.reseal("restore schedule:systemd").ends(0);
    machine.run(&["systemctl", "is-enabled", "reseal-renew.timer"]).ends(0);
    machine.reseal("restore schedule:systemd 1").ends(0);
    assert!(!machine.has(&format!("{UNITS}/reseal-renew.timer")));
    machine.run(&["systemctl", "is-enabled", "reseal-renew.timer"]).ends(1);
}

#[test]
fn systemd_takes_the_units_and_they_are_well_shut() {
    let Some(machine) = machine() else { return };
    machine.shell("mkdir -p /var/lib/prometheus/node-exporter");
    machine.target("/root/tls of a test");
    machine.reseal("schedule install").ends(0);
    let names = "reseal-renew.service reseal-renew.timer reseal-check.service reseal-check.timer reseal-post-upgrade.service reseal-watch.path reseal-recover.service";
    let told =
        machine.run(&["sh", "-c", &format!("cd {UNITS} && systemd-analyze verify --man=no {names} 2>&1")]).ends(0).out;
    let ours: Vec<&str> = told.lines().filter(|line| line.contains("reseal")).collect();
    assert!(ours.is_empty(), "{told}");
    for calendar in ["daily", "*-*-* 07:00:00"] {
        machine.run(&["systemd-analyze", "calendar", calendar]).ends(0);
    }
    for (unit, most) in
        [("reseal-renew", 3.0), ("reseal-post-upgrade", 3.0), ("reseal-check", 1.5), ("reseal-recover", 3.0)]
    {
        let told = machine.shell(&format!("systemd-analyze security --no-pager --offline=true {UNITS}/{unit}.service"));
        let line = told.lines().find(|line| line.contains("Overall exposure level")).unwrap();
        let level: f64 = line.split(": ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(level <= most, "{line}");
    }
    let check = machine.read(&format!("{UNITS}/reseal-check.service.d/50-reseal-paths.conf"));
    assert!(check.contains("--output /var/lib/prometheus/node-exporter/reseal.prom\n"), "{check}");
    assert!(check.contains("\nProtectHome=tmpfs\nBindReadOnlyPaths=\"-/root/tls of a test\"\n"), "{check}");
}

/// A window that the daily run does not fall into.
#[test]
fn a_run_begins_in_each_maintenance_window() {
    let Some(machine) = machine() else { return };
    machine.target("/srv-of-a-test/tls");
    machine.reseal("schedule install").ends(0);
    let drop_in = format!("{UNITS}/reseal-renew.timer.d/50-reseal-paths.conf");
    assert!(!machine.has(&drop_in));
    let text = machine.read("/etc/reseal/reseal.toml");
    let windows = "[target.policy]\nwindow = [\"Sat,Sun 14:00-16:00 UTC\", \"daily 22:30-01:00 UTC\"]\n";
    machine.put("/etc/reseal/reseal.toml", &format!("{text}{windows}"));
    machine.reseal("schedule status").ends(3).says("reseal-renew.timer.d/50-reseal-paths.conf is missing");
    machine.reseal("status").says("reseal-renew.timer.d/50-reseal-paths.conf is missing");
    machine.reseal("schedule install").ends(0);
    machine.reseal("schedule status").ends(0);
    let timer = machine.read(&drop_in);
    for calendar in ["Sat,Sun *-*-* 14:00:00 UTC", "*-*-* 22:30:00 UTC"] {
        assert!(timer.contains(&format!("\nOnCalendar={calendar}\n")), "{timer}");
        machine.run(&["systemd-analyze", "calendar", calendar]).ends(0);
    }
    let verify = format!("cd {UNITS} && systemd-analyze verify --man=no reseal-renew.timer 2>&1");
    let told = machine.run(&["sh", "-c", &verify]).ends(0).out;
    assert!(!told.contains("reseal"), "{told}");
    machine.put("/etc/reseal/reseal.toml", &text);
    machine.reseal("schedule install").ends(0);
    assert!(!machine.has(&drop_in), "no window, no other times");
}

#[test]
fn what_the_administrator_has_edited_stays() {
    let Some(machine) = machine() else { return };
    machine.reseal("schedule install").ends(0);
    let timer = format!("{UNITS}/reseal-renew.timer");
    let mine = "[Timer]\nOnCalendar=weekly\n[Install]\nWantedBy=timers.target\n";
    machine.put(&timer, mine);
    machine.reseal("schedule install").ends(0).says("is not what reseal has put there, and is left as it is");
    assert_eq!(machine.read(&timer), mine);
    machine.reseal("schedule status").ends(0).says("reseal-renew.timer edited");
    machine.reseal("schedule remove").ends(0).says("schedule remove systemd --force");
    assert_eq!(machine.read(&timer), mine, "not removed either");
    machine.reseal("schedule install").ends(0);
    assert_eq!(machine.read(&timer), mine);
    machine.reseal("schedule install --force").ends(0).says("schedule:systemd: installed");
    assert!(machine.read(&timer).contains("OnCalendar=daily"));
    // What was there is kept, goes back by its number, and is not taken for reseal's own then.
    machine.reseal("restore schedule:systemd").ends(0);
    assert_eq!(machine.read(&timer), mine);
    machine.reseal("schedule install").ends(0);
    assert_eq!(machine.read(&timer), mine, "edited by the administrator, whoever has put it back");
}

/// The unit may not write where a new target is, and what reseal would write for it is not its own to write any more.
#[test]
fn an_edited_drop_in_that_lacks_a_target_is_told_with_what_to_type() {
    let Some(machine) = machine() else { return };
    machine.target("/srv-of-a-test/one");
    machine.reseal("schedule install").ends(0);
    let drop_in = format!("{UNITS}/reseal-renew.service.d/50-reseal-paths.conf");
    machine.put(&drop_in, &format!("{}Nice=5\n", machine.read(&drop_in)));
    let edited = machine.reseal("schedule status").ends(0).says("is left as it is").out;
    assert!(!edited.contains("lacks"), "{edited}");
    let config = machine.read("/etc/reseal/reseal.toml");
    machine.target("/srv-of-a-test/two");
    let moved = machine.read("/etc/reseal/reseal.toml").replace("name = \"web\"", "name = \"two\"");
    machine.put("/etc/reseal/reseal.toml", &format!("{config}\n{moved}"));
    let lacks = "lacks `ReadWritePaths=-/srv-of-a-test/two`";
    let told = machine.reseal("schedule status").ends(3);
    told.says(lacks).says("`reseal schedule install systemd --force`").says("`systemctl edit reseal-renew.service`");
    machine.reseal("schedule install").ends(0).says(lacks);
    machine.reseal("schedule install").ends(0).says("all but what you have edited is in place already");
    // What is beside it counts as well.
    let own = format!("{UNITS}/reseal-renew.service.d/override.conf");
    machine.put(&own, "[Service]\nReadWritePaths=/srv-of-a-test\n");
    let told = machine.reseal("schedule status").out;
    assert!(!told.contains("lacks"), "{told}");
    machine.shell(&format!("rm {own}"));
    machine.reseal("schedule install systemd --force").ends(0);
    assert!(machine.read(&drop_in).contains("/srv-of-a-test/two"));
    let told = machine.reseal("schedule status").out;
    assert!(!told.contains("lacks"), "{told}");
}

#[test]
fn what_must_be_changed_all_the_same_is_by_the_same_command() {
    let Some(machine) = machine() else { return };
    machine.target("/srv-of-a-test/one");
    machine.reseal("schedule install").ends(0);
    let drop_in = format!("{UNITS}/reseal-renew.service.d/50-reseal-paths.conf");
    let timer = format!("{UNITS}/reseal-renew.timer");
    let mine = "[Service]\nNice=5\n";
    machine.put(&drop_in, mine);
    // The file of an administrator that is not needed any more: what is told takes no timer away.
    machine.put("/etc/reseal/reseal.toml", "");
    machine.reseal("schedule install").ends(0).says("`reseal schedule install systemd --force` removes it");
    assert_eq!(machine.read(&drop_in), mine);
    let told = machine.reseal("restore schedule:systemd 1").ends(0);
    told.says("`reseal restore schedule:systemd 1 --force` removes it");
    assert!(!machine.has(&timer) && machine.read(&drop_in) == mine);
    machine.reseal("restore schedule:systemd 1 --force").ends(0);
    assert!(!machine.has(&drop_in));
    machine.reseal("schedule install").ends(0);
    machine.put(&timer, mine);
    machine.reseal("schedule remove").ends(0).says("`reseal schedule remove systemd --force` removes it");
    machine.reseal("schedule install").ends(0).says("`reseal schedule install systemd --force` replaces it");
    // What reseal has placed and cannot look at any more is told of by `status` as well.
    machine.shell(&format!("ln -sf /dev/null {timer}"));
    machine.reseal("status").ends(3).says("attention: schedule:systemd: reseal-renew.timer is masked");
}

#[test]
fn advice_is_for_what_was_asked_about() {
    let Some(machine) = machine() else { return };
    machine.shell("mkdir -p /etc/apt/apt.conf.d /opt/x.d");
    let named = "hook status directory:/opt/x.d";
    machine
        .reseal(named)
        .ends(0)
        .says("nobody tells reseal of upgrades here: `reseal hook install directory:/opt/x.d`");
    machine
        .reseal("restore hook:apt")
        .ends(4)
        .warns("no generation of hook:apt is kept")
        .warns("`reseal hook install apt` places it");
    machine.reseal("hook install apt").ends(0);
    let told = machine.reseal(named).ends(0);
    assert!(told.out.contains("not installed") && !told.out.contains("nobody tells"), "{}", told.out);
    // With the words that the same configuration needs.
    let program = "--config /etc/reseal/reseal.toml --state-dir /var/lib/reseal";
    machine
        .reseal(&format!("{program} schedule status systemd"))
        .ends(3)
        .says(&format!("nothing starts reseal by itself here: `reseal {program} schedule install systemd`"));
    machine.reseal("hook remove apt").ends(0);
    machine.reseal(&format!("{program} hook status apt")).says(&format!("`reseal {program} hook install apt`"));
    machine.reseal("schedule show sysd").ends(2).warns("hint: write systemd, cron or windows");
    machine.reseal("hook show foo").ends(2).warns("hint: write apt, dnf, directory:DIR, rpm or windows");
    machine.reseal("hook status rpm").ends(2).warns("hint: write apt, dnf or directory:DIR");
}

#[test]
fn another_configuration_is_told_and_mended() {
    let Some(machine) = machine() else { return };
    machine.target("/srv-of-a-test/one");
    machine.reseal("schedule install").ends(0);
    machine.reseal("status").says("schedule:systemd");
    machine.target("/srv-of-a-test/two");
    machine.reseal("schedule status").ends(3).says("reseal schedule install systemd");
    machine.reseal("status").ends(3).says("attention: schedule:systemd: ");
    machine.reseal("schedule install").ends(0).says("bring it up to date");
    let drop_in = machine.read(&format!("{UNITS}/reseal-renew.service.d/50-reseal-paths.conf"));
    assert!(drop_in.contains("/srv-of-a-test/two") && !drop_in.contains("/one"), "{drop_in}");
    machine.put("/etc/reseal/reseal.toml", "");
    machine.reseal("schedule status").ends(3).says("is not needed any more");
    machine.reseal("schedule install").ends(0);
    assert!(!machine.has(&format!("{UNITS}/reseal-renew.service.d")), "the directory goes with what was in it");
    machine.reseal("schedule status").ends(0);
}

#[test]
fn units_of_a_package_get_drop_ins_alone() {
    let Some(machine) = machine() else { return };
    machine.target("/srv-of-a-test/tls");
    for unit in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/systemd")).unwrap() {
        let unit = unit.unwrap().path();
        let name = unit.file_name().unwrap().to_str().unwrap();
        machine.put(&format!("/usr/lib/systemd/system/{name}"), &std::fs::read_to_string(&unit).unwrap());
    }
    machine.reseal("schedule install").ends(0);
    assert!(!machine.has(&format!("{UNITS}/reseal-renew.service")));
    assert!(machine.has(&format!("{UNITS}/reseal-renew.service.d/50-reseal-paths.conf")));
    machine.run(&["systemctl", "is-enabled", "reseal-renew.timer"]).ends(0).says("enabled");
    machine.reseal("schedule remove").ends(0);
    assert!(machine.has("/usr/lib/systemd/system/reseal-renew.service"), "what a package has shipped stays");
    machine.run(&["systemctl", "is-enabled", "reseal-renew.timer"]).ends(1);
}

#[test]
fn what_is_in_the_way_is_told_and_nothing_is_placed() {
    let Some(machine) = machine() else { return };
    machine.shell(&format!("ln -s /dev/null {UNITS}/reseal-renew.timer"));
    let before = machine.shell(&format!("ls -lR {UNITS}"));
    machine.reseal("schedule install").ends(4).warns("is masked").warns("systemctl unmask reseal-renew.timer");
    machine.reseal("schedule status").ends(3).says("schedule:systemd: could not be looked at").says("is masked");
    machine.reseal("schedule status --format json").ends(3).says("\"installed\":null");
    assert_eq!(machine.shell(&format!("ls -lR {UNITS}")), before);
    machine.shell(&format!("rm {UNITS}/reseal-renew.timer"));
    machine.reseal("schedule install sundial").ends(2).warns("write systemd or cron");
    machine.reseal("schedule install windows").ends(4).warns("schedule show windows");
    machine.reseal("hook install rpm").ends(4).warns("hook install dnf");
    machine.reseal("hook install directory:/no/such").ends(4).warns("/no/such is not there");
    // A program that others can change is none that root may start by itself.
    machine.shell("mkdir -p /opt/loose; : >/opt/loose/reseal; mount --bind /usr/bin/reseal /opt/loose/reseal; chmod 777 /opt/loose");
    machine
        .run(&["/opt/loose/reseal", "--non-interactive", "schedule", "install"])
        .ends(4)
        .warns("root would run this program by itself")
        .warns("/usr/local/bin");
    assert!(!machine.has(&format!("{UNITS}/reseal-renew.service")));
}

/// A `systemctl` that fails where the real one does not.
fn failing(machine: &Machine, word: &str) {
    machine.put(
        "/mnt/systemctl",
        &format!("#!/bin/sh\necho \"$*\" >>/mnt/calls\ncase \" $* \" in *'{word}'*) echo refused >&2; exit 1;; esac\nexit 0\n"),
    );
    machine.shell(
        "chmod 755 /mnt/systemctl; mkdir -p /run/systemd/system; mount --bind /mnt/systemctl /usr/bin/systemctl",
    );
}

#[test]
fn a_systemd_that_does_not_take_it_gets_the_old_files_back() {
    for word in ["daemon-reload", "is-enabled"] {
        let Some(machine) = machine() else { return };
        failing(&machine, word);
        let listed = format!("find {UNITS} -printf '%p %m %l\\n' | sort");
        let before = machine.shell(&listed);
        machine.reseal("schedule install").ends(5).warns("rolled back").warns("everything is as it was before");
        assert_eq!(machine.shell(&listed), before, "{word}");
        let calls = machine.read("/mnt/calls");
        assert!(
            calls.lines().filter(|line| *line == "daemon-reload").count() >= 2,
            "it hears of the undo, too: {calls}"
        );
        assert!(!calls.contains(" start "), "{calls}");
    }
}

#[test]
fn what_cannot_be_started_is_told() {
    let Some(machine) = machine() else { return };
    failing(&machine, " start ");
    machine
        .reseal("schedule install")
        .ends(4)
        .says("schedule:systemd: installed")
        .warns("the files are as they are to be");
    assert!(machine.has(&format!("{UNITS}/reseal-renew.timer")));
}

#[test]
fn cron_starts_it_where_there_is_no_systemd() {
    let Some(machine) = machine() else { return };
    machine.shell("mkdir -p /etc/cron.d");
    machine.reseal("schedule install cron").ends(0).says("schedule:cron: installed");
    let text = machine.read("/etc/cron.d/reseal");
    let line = text.lines().find(|line| line.contains(" maintain ")).unwrap();
    let fields: Vec<u8> = line.split(' ').take(2).map(|field| field.parse().unwrap()).collect();
    let starts = format!("starts     daily at {:02}:{:02}", fields[1], fields[0]);
    machine.reseal("schedule status cron").says(&starts);
    assert!(text.contains(" root /usr/bin/reseal maintain "), "{text}");
    assert_eq!(machine.shell("stat -c '%a %U' /etc/cron.d/reseal"), "644 root\n");
    machine.reseal("schedule install cron").ends(0).says("all is in place already");
    machine.reseal("schedule remove cron").ends(0);
    assert!(!machine.has("/etc/cron.d/reseal"));
}

#[test]
fn a_scheduled_run_is_remembered_and_one_by_hand_is_not() {
    let Some(machine) = machine() else { return };
    machine.reseal("schedule install").ends(0);
    machine.reseal("renew").ends(0);
    assert!(!machine.has("/var/lib/reseal/last-run"));
    machine.reseal("maintain --quiet").ends(0);
    machine.reseal("schedule status").ends(0).says("last run").says("ended with 0");
    let old = "{\"format\":1,\"ended\":\"2025-01-02T00:00:00Z\",\"exit\":4,\"success\":\"2025-01-01T00:00:00Z\"}\n";
    machine.put("/var/lib/reseal/last-run", old);
    machine.reseal("schedule status").ends(3).says("days ago; the last one ended with 4");
}

#[test]
fn texts_are_printed_as_they_would_be_placed() {
    let Some(machine) = machine() else { return };
    for (words, file) in [
        ("schedule show windows", "windows/reseal-renew.xml"),
        ("hook show windows", "windows/reseal-post-upgrade.xml"),
        ("hook show rpm", "rpm/triggers.spec"),
        ("hook show apt", "apt/90reseal"),
        ("hook show directory:/x", "hooks/reseal"),
    ] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(file);
        assert_eq!(machine.reseal(words).ends(0).out, std::fs::read_to_string(path).unwrap(), "{words}");
    }
    machine
        .reseal("schedule show systemd")
        .ends(0)
        .says("# /etc/systemd/system/reseal-renew.timer\n")
        .says("OnCalendar=daily");
}

/// Anybody could have root run what they like.
#[test]
fn rights_that_let_others_write_are_told_and_taken_back() {
    let Some(machine) = machine() else { return };
    machine.target("/srv-of-a-test/tls");
    machine.reseal("schedule install").ends(0);
    machine.shell("mkdir -p /opt/x.d");
    machine.reseal("hook install directory:/opt/x.d").ends(0);
    let unit = format!("{UNITS}/reseal-renew.timer");
    let unit = if machine.has(&unit) { unit } else { format!("{UNITS}/reseal-renew.service.d/50-reseal-paths.conf") };
    let rights = |path: &str| machine.shell(&format!("stat -c '%a %u' {path}")).trim().to_owned();
    let text = machine.read(&unit);
    for (harm, told) in [
        ("chmod 666", "has mode 0666: others can change what root runs"),
        ("chmod 664", "has mode 0664: others can change what root runs"),
        ("chown 65534", "belongs to the user 65534, who can change what root runs"),
    ] {
        machine.shell(&format!("{harm} {unit}"));
        machine.reseal("schedule status").ends(3).says(told).says("`reseal schedule install systemd`");
        machine.reseal("status").ends(3).says(told);
        machine.reseal("schedule install --dry-run").ends(0).says(&unit);
        assert_ne!(rights(&unit), "644 0");
        machine.reseal("schedule install").ends(0).says("bring it up to date");
        assert_eq!((rights(&unit), machine.read(&unit)), ("644 0".to_owned(), text.clone()));
        machine.reseal("schedule install").ends(0).says("all is in place already");
        machine.reseal("schedule status").ends(0);
    }
    // Fewer rights than it was given are the administrator's choice.
    machine.shell(&format!("chmod 600 {unit}"));
    machine.reseal("schedule status").ends(0);
    let hook = "hook:directory:/opt/x.d";
    machine.shell("chmod 644 /opt/x.d/reseal");
    machine
        .reseal("hook status")
        .says("has mode 0644, and nothing runs it")
        .says("`reseal hook install directory:/opt/x.d`");
    machine.reseal("status").ends(3).says("nothing runs it");
    machine.reseal("hook install directory:/opt/x.d").ends(0);
    assert_eq!(rights("/opt/x.d/reseal"), "755 0");
    machine.reseal("history verify").ends(0);
    machine.reseal(&format!("backups {hook}")).ends(0);
    // Somebody else's text is told of, and stays as it is.
    machine.shell("echo '#!/bin/sh' >/opt/x.d/reseal; chmod 777 /opt/x.d/reseal");
    machine.reseal("hook status").says("has mode 0777").says("chmod 755 /opt/x.d/reseal");
    machine.reseal("hook install directory:/opt/x.d").ends(0);
    assert_eq!(rights("/opt/x.d/reseal"), "777 0");
}

/// systemd 252 tells when a timer elapses in the words of the zone that it goes by, though it is asked for seconds.
#[test]
fn when_a_timer_starts_it_next_is_told() {
    let Some(machine) = machine() else { return };
    machine.reseal("schedule install").ends(0);
    machine.put(
        "/mnt/systemctl",
        "#!/bin/sh\n[ \"$1\" = show ] && [ \"$TZ\" = UTC ] && printf 'Id=reseal-renew.timer\\nLoadState=loaded\\nUnitFileState=enabled\\n\
         ActiveState=active\\nResult=success\\nLastTriggerUSec=Mon 2026-11-30 02:10:00 UTC\\nNextElapseUSecRealtime=Tue 2026-12-01 02:13:07 UTC\\n'\n\
         exit 0\n",
    );
    machine.shell(
        "chmod 755 /mnt/systemctl; mkdir -p /run/systemd/system; mount --bind /mnt/systemctl /usr/bin/systemctl",
    );
    machine
        .reseal("schedule status")
        .says("reseal-renew.timer enabled, active; last 2026-11-30 02:10; next 2026-12-01 02:13");
}
