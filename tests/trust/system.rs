//! The store of the operating system.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::ground::{Ca, Ground, Ran, Server, has};

#[test]
fn a_server_is_accepted_only_while_its_ca_is_trusted() {
    let Some(ground) = Ground::new() else { return };
    let ca = Ca::new("Example Root CA");
    let file = ground.write("ca.pem", &ca.pem);
    let server = Server::of(&ground, &ca);
    assert!(!ground.openssl_accepts(&server));
    let before = ground.bundle();

    ground.run(&["trust", "install", &file]).ends(0).says("trusted: example-root-ca").says("restore trust:os 1");
    assert!(ground.openssl_accepts(&server));
    assert_eq!(ground.names("local"), ["reseal-example-root-ca.crt"]);
    let list = ground.json(&["trust", "list"]);
    assert_eq!(list["exit"], 0);
    let one = &list["results"][0];
    assert_eq!(
        (&one["name"], &one["state"], &one["store"]),
        (&"example-root-ca".into(), &"in-place".into(), &"os".into())
    );
    assert_eq!(one["fingerprint"], ca.fingerprint.as_str());

    ground.run(&["trust", "remove", "example-root-ca"]).ends(0).says("trusted no longer: example-root-ca");
    assert!(!ground.openssl_accepts(&server));
    assert_eq!(ground.bundle(), before, "what was there before is there again, and nothing else");
    assert!(ground.names("local").is_empty());
    let left: Vec<String> = ground.names("etc").into_iter().filter(|name| name.starts_with("reseal-")).collect();
    assert!(left.is_empty(), "the link that the system's command made: {left:?}");
    ground.run(&["trust", "list"]).ends(0).says("nothing was added by reseal");
}

#[test]
fn twice_is_once() {
    let Some(ground) = Ground::new() else { return };
    let ca = Ca::new("Twice");
    let file = ground.write("ca.pem", &ca.pem);
    ground.run(&["trust", "install", &file]).ends(0);
    assert_eq!(ground.runs(), 1);
    let tree = ground.tree();
    ground.run(&["trust", "install", &file, "--name", "another"]).ends(0).says("twice is trusted by os already");
    assert_eq!(ground.tree(), tree, "nothing is written");
    assert_eq!(ground.runs(), 1, "no command is run");
}

#[test]
fn a_dry_run_tells_all_and_writes_nothing() {
    let Some(ground) = Ground::new() else { return };
    let ca = Ca::new("Dry");
    let file = ground.write("ca.pem", &ca.pem);
    let tree = ground.tree();
    let place = ground.path("local/reseal-dry.crt").display().to_string();
    let command = ground.path("update").display().to_string();
    ground.run(&["trust", "install", &file, "--dry-run"]).ends(0).says(&place).says(&command).says("CN=Dry");
    assert_eq!(ground.tree(), tree);
    ground.run(&["trust", "install", &file]).ends(0);
    let tree = ground.tree();
    ground.run(&["trust", "remove", "dry", "--dry-run"]).ends(0).says("would be changed").says("without certificate");
    ground.run(&["restore", "trust:os", "--dry-run"]).ends(0);
    assert_eq!(ground.tree(), tree);
}

#[test]
fn what_others_have_put_there_is_neither_added_nor_removed() {
    let Some(ground) = Ground::new() else { return };
    let ca = Ca::new("Theirs");
    let file = ground.write("ca.pem", &ca.pem);
    ground.write("local/company.crt", &ca.pem);
    assert!(Command::new(ground.path("update")).output().unwrap().status.success());
    let tree = ground.tree();
    ground.run(&["trust", "install", &file]).ends(0).says("put there by somebody else");
    assert_eq!(ground.tree(), tree);
    for word in ["theirs", "company", &ca.fingerprint] {
        ground.run(&["trust", "remove", word]).ends(4).warns("removes nothing that others have put there");
    }
    assert_eq!(ground.tree(), tree);
    assert!(ground.trusts(&ca));

    // The other way round: who puts it there after reseal keeps it.
    let ours = Ca::new("Ours");
    let file = ground.write("ours.pem", &ours.pem);
    ground.run(&["trust", "install", &file]).ends(0);
    ground.write("local/also-ours.crt", &ours.pem);
    ground.run(&["trust", "remove", "ours"]).ends(0).says("trusted all the same").says("also-ours.crt");
    assert!(ground.trusts(&ours) && ground.names("local") == ["also-ours.crt", "company.crt"]);
}

#[test]
fn what_others_have_changed_is_told_and_left() {
    let Some(ground) = Ground::new() else { return };
    let (ca, other) = (Ca::new("Mine"), Ca::new("Other"));
    let file = ground.write("ca.pem", &ca.pem);
    ground.run(&["trust", "install", &file]).ends(0);
    ground.write("local/reseal-mine.crt", &other.pem);
    ground.run(&["trust", "list"]).ends(3).says("somebody else has put something else in its place");
    ground.run(&["trust", "remove", "mine"]).ends(4).warns("somebody else has changed");
    ground.run(&["trust", "install", &file]).ends(4).warns("restore trust:os");
    assert_eq!(fs::read_to_string(ground.path("local/reseal-mine.crt")).unwrap(), other.pem);
    // The way that the message names.
    ground.run(&["restore", "trust:os", "2"]).ends(0);
    assert_eq!(fs::read_to_string(ground.path("local/reseal-mine.crt")).unwrap(), ca.pem);
    ground.run(&["trust", "list"]).ends(0);

    fs::remove_file(ground.path("local/reseal-mine.crt")).unwrap();
    ground.run(&["trust", "list"]).ends(3).says("somebody else has removed it");
    ground.run(&["trust", "install", &file]).ends(0);
    assert!(ground.trusts(&ca));
    fs::remove_file(ground.path("local/reseal-mine.crt")).unwrap();
    ground.run(&["trust", "remove", "mine"]).ends(0).says("had removed mine already");
    assert!(!ground.trusts(&ca), "the bundle is made anew although the file was gone already");
    ground.run(&["trust", "list"]).ends(0);
}

#[test]
fn a_bundle_without_it_is_told_and_mended() {
    let Some(ground) = Ground::new() else { return };
    let ca = Ca::new("Lost");
    let file = ground.write("ca.pem", &ca.pem);
    ground.run(&["trust", "install", &file]).ends(0);
    ground.write("etc/ca-certificates.crt", &Ca::new("Else").pem);
    ground.run(&["trust", "list"]).ends(3).says("clients do not have it");
    ground.run(&["trust", "install", &file]).ends(0);
    assert!(ground.trusts(&ca));
    assert_eq!(ground.runs(), 2);
}

#[test]
fn every_earlier_state_comes_back() {
    let Some(ground) = Ground::new() else { return };
    let (one, two) = (Ca::new("One"), Ca::new("Two"));
    for (name, ca) in [("one.pem", &one), ("two.pem", &two)] {
        let file = ground.write(name, &ca.pem);
        ground.run(&["trust", "install", &file]).ends(0);
    }
    let state = || {
        (ground.trusts(&one), ground.trusts(&two), ground.json(&["trust", "list"])["results"].as_array().unwrap().len())
    };
    assert_eq!(state(), (true, true, 2));
    for (generation, then) in [("2", (true, false, 1)), ("1", (false, false, 0)), ("4", (true, true, 2))] {
        ground.run(&["restore", "trust:os", generation]).ends(0);
        assert_eq!(state(), then, "generation {generation}");
        ground.run(&["restore", "trust:os", generation]).ends(0).says("in place already");
    }
    ground.run(&["backups", "verify", "trust:os"]).ends(0).says("trust one");
    ground.run(&["backups"]).ends(0).says("trust:os");
    ground.run(&["backups", "pin", "trust:os", "2"]).ends(0);
    ground.run(&["prune", "trust:os", "--keep", "1"]).ends(0);
    ground.run(&["restore", "trust:os", "2"]).ends(0);
    assert_eq!(state(), (true, false, 1));
    ground.run(&["restore", "trust:os", "99"]).ends(4).warns("no generation 99");
    ground.run(&["history", "trust:os"]).ends(0).says("trust install");
}

#[test]
fn a_store_behind_a_link_is_kept_and_comes_back_all_the_same() {
    let Some(ground) = Ground::new() else { return };
    std::os::unix::fs::symlink("local", ground.path("linked")).unwrap();
    let text = fs::read_to_string(ground.path("reseal.toml")).unwrap();
    let linked = text.replace("/local\"\nbundle", "/linked\"\nbundle");
    assert_ne!(linked, text);
    ground.write("reseal.toml", &linked);
    let (one, two) = (Ca::new("One"), Ca::new("Two"));
    for (name, ca) in [("one.pem", &one), ("two.pem", &two)] {
        let file = ground.write(name, &ca.pem);
        ground.run(&["trust", "install", &file]).ends(0);
    }
    ground.run(&["trust", "remove", "one"]).ends(0);
    ground.run(&["trust", "remove", "two"]).ends(0);
    assert!(ground.names("local").is_empty());
    // Generation 5 is what was without the first, 6 without both.
    ground.run(&["restore", "trust:os", "5"]).ends(0);
    assert_eq!(ground.names("local"), ["reseal-two.crt"]);
    assert!(!ground.trusts(&one) && ground.trusts(&two));

    // A link in the place of ours is not followed to whatever it leads to.
    let other = ground.write("elsewhere.pem", &two.pem);
    fs::remove_file(ground.path("local/reseal-two.crt")).unwrap();
    std::os::unix::fs::symlink(&other, ground.path("local/reseal-two.crt")).unwrap();
    ground.run(&["trust", "list"]).ends(3).says("something else in its place");
    ground.run(&["trust", "remove", "two"]).ends(4);
    assert!(fs::exists(&other).unwrap());
}

#[test]
fn a_ca_of_reseals_own_is_trusted_by_its_name() {
    let Some(ground) = Ground::new() else { return };
    let secret = ground.secret("pp", "correct horse battery");
    let made = ground.run(&["ca", "init", "office", "--permit", "lan", "--passphrase-file", &secret]).ends(0);
    made.says("trust install --ca office");
    assert!(ground.names("local").is_empty(), "never without being asked");
    ground.run(&["trust", "install", "--ca", "office"]).ends(0).says("trusted: office");
    fs::create_dir(ground.path("out")).unwrap();
    ground.run(&["ca", "issue", "office", "a.lan", "-o", "out", "--passphrase-file", &secret]).ends(0);
    let verified = |ground: &Ground| {
        let mut command = Command::new("openssl");
        command.args(["verify", "-no-CApath", "-no-CAstore", "-CAfile"]).arg(ground.path("etc/ca-certificates.crt"));
        Ran::of(&command.arg(ground.path("out/fullchain.pem")).output().unwrap())
    };
    verified(&ground).ends(0);
    // The next root, too, has to be trusted before it issues.
    ground.run(&["ca", "rekey", "office", "--passphrase-file", &secret]).ends(0);
    ground.run(&["trust", "install", "--ca", "office"]).ends(0).says("trusted: office-2");
    assert_eq!(ground.names("local"), ["reseal-office-2.crt", "reseal-office.crt"]);
    ground.run(&["trust", "remove", "office"]).ends(0);
    verified(&ground).ends(2);
    ground.run(&["trust", "install", "--ca", "nobody"]).ends(2).warns("nobody");
}

/// What RHEL, Fedora, Arch and SUSE make their bundle with. It takes every file of the directory, hidden ones too: what reseal has put
/// aside while it removes a certificate must not be there when the bundle is made.
#[test]
fn p11_kit_takes_it_up_and_lets_it_go() {
    if !has("trust") || !Path::new("/usr/share/p11-kit/modules/p11-kit-trust.module").exists() {
        println!("skipped: p11-kit with its trust module is not installed");
        return;
    }
    let Some(ground) = Ground::new() else { return };
    let root = ground.path("").display().to_string();
    let root = root.trim_end_matches('/');
    fs::create_dir_all(ground.path("source/anchors")).unwrap();
    // The module looks into a directory that is compiled in; in a mount namespace of its own it is told another.
    ground.script(
        "extract",
        &format!(
            "modules=/usr/share/p11-kit/modules\n\
             line=$(sed 's#^x-init-reserved:.*#x-init-reserved: paths={root}/source#' $modules/p11-kit-trust.module)\n\
             mount -t tmpfs none $modules\n\
             echo \"$line\" >$modules/p11-kit-trust.module\n\
             trust extract --comment --format=pem-bundle --filter=ca-anchors --overwrite --purpose server-auth {root}/bundle.pem"
        ),
    );
    if !Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|end| end.success()) {
        println!("skipped: no mount namespace can be made");
        return;
    }
    ground.configure(&format!(
        "[system_store]\ndirectory = \"{root}/source/anchors\"\nsuffix = \".pem\"\nbundle = \"{root}/bundle.pem\"\n\
         update = [\"/usr/bin/unshare\", \"-m\", \"{root}/extract\"]\n"
    ));
    let (one, two) = (Ca::new("One"), Ca::new("Two"));
    let held = || {
        let text = fs::read_to_string(ground.path("bundle.pem")).unwrap();
        [&one, &two].map(|ca| text.contains(ca.pem.lines().nth(1).unwrap()))
    };
    for (name, ca) in [("one.pem", &one), ("two.pem", &two)] {
        let file = ground.write(name, &ca.pem);
        ground.run(&["trust", "install", &file]).ends(0);
    }
    assert_eq!(held(), [true, true]);
    ground.run(&["trust", "remove", "one"]).ends(0);
    assert_eq!(held(), [false, true]);
    ground.run(&["restore", "trust:os"]).ends(0);
    assert_eq!(held(), [true, true]);
    assert_eq!(ground.names("source/anchors"), ["reseal-one.pem", "reseal-two.pem"]);
}

/// Without a word in the configuration, on the places of a real Debian: in a mount namespace, so that the machine stays as it is.
#[test]
fn debians_own_places_are_found() {
    let Some(ground) = Ground::new() else { return };
    let debian = ["/etc/ca-certificates.conf", "/usr/local/share/ca-certificates", "/etc/ca-certificates/update.d"];
    let free = Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|end| end.success());
    if !free || !debian.iter().all(|path| Path::new(path).exists()) {
        println!("skipped: this is no Debian, or no mount namespace can be made");
        return;
    }
    let ca = Ca::new("Deb Root");
    ground.write("ca.pem", &ca.pem);
    let (leaf, _) = ca.leaf();
    ground.write("leaf.pem", &leaf);
    ground.configure("");
    let reseal = env!("CARGO_BIN_EXE_reseal");
    ground.script(
        "inside",
        &format!(
            "cd {root}\n\
             for dir in /usr/local/share/ca-certificates /etc/ca-certificates/update.d /etc/ssl/certs; do mount -t tmpfs -o mode=755 none $dir; done\n\
             update-ca-certificates >/dev/null 2>&1\n\
             ! openssl verify leaf.pem\n\
             {reseal} --config reseal.toml trust install ca.pem\n\
             openssl verify leaf.pem\n\
             openssl verify -CAfile /etc/ssl/certs/ca-certificates.crt leaf.pem\n\
             {reseal} --config reseal.toml trust list\n\
             {reseal} --config reseal.toml trust remove deb-root\n\
             ! openssl verify leaf.pem\n\
             ! openssl verify -CAfile /etc/ssl/certs/ca-certificates.crt leaf.pem",
            root = ground.path("").display()
        ),
    );
    let output = Command::new("unshare").arg("-m").arg(ground.path("inside")).output().unwrap();
    Ran::of(&output).ends(0).says("/usr/local/share/ca-certificates/reseal-deb-root.crt").says("leaf.pem: OK");
    assert!(!Path::new("/usr/local/share/ca-certificates/reseal-deb-root.crt").exists());
}

/// Where a link stands in our place, nothing is written or removed through it; and what others have put there is not removed.
#[test]
fn a_restore_touches_nothing_of_others() {
    let Some(ground) = Ground::new() else { return };
    let (ca, other) = (Ca::new("A"), Ca::new("B"));
    let file = ground.write("a.pem", &ca.pem);
    ground.run(&["trust", "install", &file]).ends(0);
    let place = ground.path("local/reseal-a.crt");
    let precious = ground.path("precious.crt");
    ground.write("precious.crt", "precious");
    fs::remove_file(&place).unwrap();
    std::os::unix::fs::symlink(&precious, &place).unwrap();
    for generation in ["1", "2"] {
        ground.run(&["restore", "trust:os", generation]).ends(4).warns("somebody else has changed");
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    }
    fs::remove_file(&place).unwrap();
    fs::write(&place, &other.pem).unwrap();
    ground.run(&["restore", "trust:os", "1"]).ends(4).warns("somebody else has changed");
    assert_eq!(fs::read_to_string(&place).unwrap(), other.pem);
}

/// That others have removed one is told, and stands in the way of nothing.
#[test]
fn one_that_is_gone_blocks_no_other() {
    let Some(ground) = Ground::new() else { return };
    let [one, two, three] = ["One", "Two", "Three"].map(Ca::new);
    for (name, ca) in [("one.pem", &one), ("two.pem", &two)] {
        let file = ground.write(name, &ca.pem);
        ground.run(&["trust", "install", &file]).ends(0);
    }
    for name in ["one", "two"] {
        fs::remove_file(ground.path(&format!("local/reseal-{name}.crt"))).unwrap();
    }
    assert!(Command::new(ground.path("update")).output().unwrap().status.success());
    let file = ground.write("three.pem", &three.pem);
    ground.run(&["trust", "install", &file]).ends(0);
    ground.run(&["trust", "remove", "one"]).ends(0).says("had removed one already");
    ground.run(&["trust", "remove", "three"]).ends(0);
    assert!(!ground.trusts(&three) && !ground.trusts(&one));
}

/// Debian's command leaves the link to a file that is gone, and takes the next one of that name for one that was there all along.
#[test]
fn a_stale_link_does_not_hide_the_next_of_its_name() {
    let Some(ground) = Ground::new() else { return };
    let (one, two) = (Ca::new("One"), Ca::new("Two"));
    let (first, second) = (ground.write("one.pem", &one.pem), ground.write("two.pem", &two.pem));
    ground.run(&["trust", "install", &first, "--name", "x"]).ends(0);
    ground.run(&["restore", "trust:os", "1"]).ends(0);
    assert!(!ground.path("etc/reseal-x.pem").is_symlink(), "the link goes with its file");
    // As an undo or a kill leaves it.
    std::os::unix::fs::symlink(ground.path("local/reseal-x.crt"), ground.path("etc/reseal-x.pem")).unwrap();
    ground.run(&["trust", "install", &second, "--name", "x"]).ends(0);
    let found = Command::new("openssl")
        .args(["verify", "-no-CAfile", "-no-CAstore", "-CApath"])
        .arg(ground.path("etc"))
        .arg(ground.path("two.pem"))
        .output()
        .unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
}

/// Another copy, deeper down, keeps it trusted: ours goes all the same, and that is told.
#[test]
fn a_copy_in_a_folder_below_is_told() {
    let Some(ground) = Ground::new() else { return };
    let ca = Ca::new("Deep");
    let file = ground.write("ca.pem", &ca.pem);
    ground.run(&["trust", "install", &file]).ends(0);
    fs::create_dir(ground.path("local/sub")).unwrap();
    ground.write("local/sub/corp.crt", &ca.pem);
    ground.run(&["trust", "remove", "deep"]).ends(0).says("trusted all the same").says("corp.crt");
    assert!(ground.trusts(&ca));
}

/// A record that was damaged is put back with the store as it was.
#[test]
fn a_damaged_record_can_be_put_back() {
    let Some(ground) = Ground::new() else { return };
    let ca = Ca::new("Kept");
    let file = ground.write("ca.pem", &ca.pem);
    ground.run(&["trust", "install", &file]).ends(0);
    let record = ground.path("state/trust").join("trust%3Aos.json");
    let whole = fs::read(&record).unwrap();
    fs::write(&record, "{").unwrap();
    ground.run(&["trust", "remove", "kept"]).ends(4).warns("restore trust:os");
    ground.run(&["restore", "trust:os", "2"]).ends(0);
    assert_eq!(fs::read(&record).unwrap(), whole);
    ground.run(&["trust", "list"]).ends(0).says("kept");
}

/// What was added to one store is not looked for in another that is configured later.
#[test]
fn another_store_is_not_taken_for_the_one_it_was_added_to() {
    let Some(ground) = Ground::new() else { return };
    let ca = Ca::new("Moved");
    let file = ground.write("ca.pem", &ca.pem);
    ground.run(&["trust", "install", &file]).ends(0);
    let config = fs::read_to_string(ground.path("reseal.toml")).unwrap();
    fs::create_dir(ground.path("elsewhere")).unwrap();
    ground.write("reseal.toml", &config.replace("/local\"", "/elsewhere\""));
    ground.run(&["trust", "remove", "moved"]).ends(4).warns("it was added to another store");
    ground.write("reseal.toml", &config);
    ground.run(&["trust", "remove", "moved"]).ends(0);
}
