//! `reseal retire`: the old trust goes when nobody is seen using it, and not before.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use crate::ground::{Ca, Ground, Ran, Server, has, tool};

/// An old CA that the store trusts, and the one that comes after it, whose file is `new.pem`.
struct Change {
    ground: Ground,
    old: Ca,
    new: Ca,
}

impl Change {
    fn begun() -> Option<Self> {
        let ground = Ground::new()?;
        let (old, new) = (Ca::new("Old Root"), Ca::new("New Root"));
        let file = ground.write("old.pem", &old.pem);
        ground.write("new.pem", &new.pem);
        ground.run(&["trust", "install", &file]).ends(0);
        Some(Self { ground, old, new })
    }

    /// The store trusts both.
    fn both() -> Option<Self> {
        let change = Self::begun()?;
        change.run("trust install new.pem").ends(0);
        Some(change)
    }

    fn run(&self, line: &str) -> Ran {
        self.ground.run(&line.split(' ').collect::<Vec<_>>())
    }

    /// Files with a pair; the short fingerprint of its certificate.
    fn pair(&self, name: &str, (certificate, key): (String, String)) -> String {
        self.ground.write(&format!("{name}.pem"), &certificate);
        self.ground.secret(&format!("{name}.key"), &key);
        short(&certificate)
    }

    /// A target with the pair `web`, and perhaps a listener.
    fn target(&self, more: &str) {
        let (config, root) = (self.ground.path("reseal.toml"), self.ground.path("").display().to_string());
        let text = fs::read_to_string(&config).unwrap();
        let target = format!(
            "[[target]]\nname = \"web\"\nkind = \"files\"\nnames = [\"localhost\"]\ncertificate = \"{root}web.pem\"\n\
             key = \"{root}web.key\"\n{more}"
        );
        self.ground.write("reseal.toml", &format!("{text}{target}"));
    }

    /// Refused with this said, and nothing is changed.
    fn refused(&self, line: &str, words: &[&str]) {
        let before = self.state();
        for line in [line.to_owned(), format!("{line} --dry-run")] {
            let mut ran = self.run(&line).ends(4);
            for word in words {
                ran = ran.warns(word);
            }
        }
        assert_eq!(self.state(), before, "{line}");
        assert!(self.ground.trusts(&self.old), "{line}");
    }

    fn retired(&self, line: &str) -> Ran {
        let ran = self.run(line).ends(0).says("retired: old-root");
        assert!(!self.ground.trusts(&self.old) && self.ground.trusts(&self.new), "{line}");
        ran
    }

    /// Everything, but for the lock: whoever takes it writes in it.
    fn state(&self) -> Vec<(PathBuf, Vec<u8>, i64)> {
        let mut tree = self.ground.tree();
        tree.retain(|(path, ..)| *path != self.ground.path("state") && !path.ends_with("lock"));
        tree
    }
}

fn short(pem: &str) -> String {
    let found = reseal::cert::codec::read(pem.as_bytes(), None).unwrap().certificates;
    found[0].fingerprint().short()
}

#[test]
fn a_certificate_in_a_targets_files_holds_it() {
    let Some(change) = Change::both() else { return };
    let certificate = change.pair("web", change.old.leaf());
    change.target("");
    let file = change.ground.path("web.pem").display().to_string();
    change.refused(
        "retire old-root",
        &[
            "trust:os: refused: old-root is in use still",
            &format!("in use     web: {file} holds {certificate}"),
            "`reseal",
            "install web",
        ],
    );
    let told = change.ground.json(&["retire", "old-root"]);
    let one = &told["results"][0];
    assert_eq!((&told["exit"], &told["command"], &one["outcome"]), (&4.into(), &"retire".into(), &"refused".into()));
    let one = &one["against"][0];
    assert_eq!((&one["reason"], &one["who"], &one["at"]), (&"in-use".into(), &"web".into(), &file.as_str().into()));
    assert!(one["certificate"].as_str().unwrap().starts_with(&certificate) && one["next"].is_string(), "{one}");

    change.pair("web", change.new.leaf());
    let before = change.state();
    change.run("retire old-root --dry-run").ends(0).says("would be changed").says("CN=Old Root");
    assert_eq!(change.state(), before, "a dry run");
    change.retired("retire old-root").says("restore trust:os");
    change.run("history trust:os").ends(0).says("retire old-root: nobody is seen using it (1 target looked at)");
    let record = change.ground.json(&["history", "trust:os"]);
    assert!(record["results"].as_array().unwrap().iter().any(|receipt| receipt["verb"] == "retire"), "{record}");

    let before = change.state();
    change.run("retire old-root").ends(4).warns("reseal has added nothing that is called");
    assert_eq!(change.state(), before);
    change.run("restore trust:os").ends(0);
    assert!(change.ground.trusts(&change.old));
}

#[test]
fn what_is_served_counts_whatever_the_files_hold() {
    let Some(change) = Change::both() else { return };
    let server = Server::of(&change.ground, &change.old);
    let certificate = short(&fs::read_to_string(change.ground.path("server.pem")).unwrap());
    change.pair("web", change.new.leaf());
    change.target(&format!("listen = [\"localhost:{}\"]\n", server.port));
    let at = format!("web: localhost:{} (localhost) shows", server.port);
    change.refused("retire old-root", &["in use still", &at, &certificate, "renew web --live"]);
    drop(server);
    // A service that is down may come back with what it had.
    change.refused("retire old-root", &["nobody can tell", "not seen", "refuses the connection"]);
    let server = Server::of(&change.ground, &change.new);
    let text = fs::read_to_string(change.ground.path("reseal.toml")).unwrap();
    let listening = text.split("listen = ").next().unwrap();
    change.ground.write("reseal.toml", &format!("{listening}listen = [\"127.0.0.1:{}\"]\n", server.port));
    change.retired("retire old-root");
}

#[test]
fn what_is_staged_counts() {
    let Some(change) = Change::both() else { return };
    change.pair("web", change.new.leaf());
    let certificate = change.pair("next", change.old.leaf());
    change.target("");
    change.run("stage web --cert next.pem --key next.key --force").ends(0);
    change.refused("retire old-root", &["which is staged, holds", &certificate, "stage web --drop"]);
    change.run("stage web --drop").ends(0);
    change.retired("retire old-root");
}

#[test]
fn what_is_staged_and_cannot_be_read_counts() {
    let Some(change) = Change::both() else { return };
    change.pair("web", change.new.leaf());
    change.pair("next", change.new.leaf());
    change.target("");
    change.run("stage web --cert next.pem --key next.key --force").ends(0);
    let next = change.ground.path("state/vault/web/next");
    assert!(next.exists());
    fs::write(&next, "nobody wrote this\n").unwrap();
    change.refused("retire old-root", &["not seen", "what is staged for"]);
    change.run("stage web --drop").ends(0);
    change.retired("retire old-root");
}

#[test]
fn others_that_are_named_are_asked() {
    let Some(change) = Change::both() else { return };
    let old = Server::of(&change.ground, &change.old);
    let certificate = short(&fs::read_to_string(change.ground.path("server.pem")).unwrap());
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let quiet = silent.local_addr().unwrap();
    let closed = TcpListener::bind("127.0.0.78:0").unwrap().local_addr().unwrap();
    let line = format!("retire old-root --seen localhost:{}", old.port);
    change.refused(&line, &["in use", &format!("localhost:{}: ", old.port), &format!("shows {certificate}")]);
    change.refused(&format!("retire old-root --seen {quiet}"), &["nobody can tell", "not seen", &quiet.to_string()]);
    change.refused(&format!("retire old-root --seen smtp://{closed}"), &["not seen", "refuses the connection"]);
    change.refused("retire old-root --seen nowhere.invalid:443", &["not seen", "nowhere.invalid"]);
    change.run("retire old-root --seen nowhere").ends(2).warns("names no port");
    drop(old);

    let new = Server::of(&change.ground, &change.new);
    let line = format!("retire old-root --seen localhost:{}", new.port);
    change.retired(&line);
    change.run("history trust:os").ends(0).says("1 other server looked at");
}

/// A server shows one of its pairs to those who take both.
#[test]
fn the_other_kind_of_key_of_a_server_is_asked_for() {
    let Some(change) = Change::both() else { return };
    let rsa =
        ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", "rsa.key", "-out", "rsa.csr"];
    let root = change.ground.path("").display().to_string();
    let openssl = |words: &[&str]| {
        let end = std::process::Command::new("openssl").args(words).current_dir(&root).output().unwrap();
        assert!(end.status.success(), "{}", String::from_utf8_lossy(&end.stderr));
    };
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=Corp",
        "-keyout",
        "ca.key",
        "-out",
        "corp.pem",
    ]);
    openssl(&rsa);
    openssl(&["x509", "-req", "-in", "rsa.csr", "-CA", "corp.pem", "-CAkey", "ca.key", "-out", "rsa.pem"]);
    change.run("trust install corp.pem").ends(0);
    change.pair("ecdsa", change.new.leaf());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let words = format!("s_server -accept {port} -cert ecdsa.pem -key ecdsa.key -dcert rsa.pem -dkey rsa.key -quiet");
    let _server = Server::run(&change.ground, &words, port);
    let line = format!("retire corp --seen localhost:{port}");
    change
        .run(&line)
        .ends(4)
        .warns("in use")
        .warns("[RSA]")
        .warns(&short(&fs::read_to_string(format!("{root}rsa.pem")).unwrap()));
    change.run(&format!("retire old-root --seen localhost:{port}")).ends(0);
}

#[test]
fn force_overrules_and_is_told() {
    let Some(change) = Change::both() else { return };
    let certificate = change.pair("web", change.old.leaf());
    change.target("");
    let line = "retire old-root --seen nowhere.invalid:443 --force";
    change.run(&format!("{line} --dry-run")).ends(0).says("overruled  web").says("overruled  nowhere.invalid");
    assert!(change.ground.trusts(&change.old));
    change.retired(line).says("overruled  web").says(&certificate).says("overruled  nowhere.invalid:443");
    let told = change.run("history trust:os").ends(0);
    told.says("retire old-root, insisted on although web: ").says(&certificate).says("nowhere.invalid:443");
}

#[test]
fn a_target_that_cannot_be_looked_at_counts() {
    let Some(change) = Change::both() else { return };
    change.target("");
    fs::create_dir(change.ground.path("web.pem")).unwrap();
    change.refused("retire old-root", &["nobody can tell", "not seen   web: it cannot be looked at"]);
    fs::remove_dir(change.ground.path("web.pem")).unwrap();
    change.ground.write("web.pem", "this is no certificate\n");
    change.refused("retire old-root", &["not seen   web:", "web.pem", "no certificate that can be read"]);
    fs::remove_file(change.ground.path("web.pem")).unwrap();
    // Where nothing is yet, nothing is in use.
    change.retired("retire old-root");
}

/// Whether a certificate whose issuer nobody knows leads to it cannot be told.
#[test]
fn a_chain_that_ends_nowhere_counts() {
    let Some(change) = Change::both() else { return };
    let middle = change.old.middle("Old Middle");
    let (certificate, key) = middle.leaf();
    let leaf = short(&certificate);
    change.pair("web", (certificate.clone(), key.clone()));
    change.target("");
    change.refused("retire old-root", &["nobody can tell", "unclear    web", &leaf, "CN=Old Middle"]);
    change.pair("web", (format!("{certificate}{}", middle.pem), key));
    change.refused("retire old-root", &["in use     web", &leaf]);
    // Of another root, the same server names an issuer that is known.
    let middle = change.new.middle("New Middle");
    let (certificate, key) = middle.leaf();
    change.pair("web", (format!("{certificate}{}", middle.pem), key));
    change.retired("retire old-root");
}

/// The root of another CA is sent by nobody: where the configuration names it, a chain that leads to it leads elsewhere.
#[test]
fn a_root_that_the_configuration_names_is_known() {
    let Some(change) = Change::both() else { return };
    let firma = Ca::new("Firma Root");
    let middle = firma.middle("Firma Issuing");
    let (certificate, key) = middle.leaf();
    change.pair("web", (format!("{certificate}{}", middle.pem), key));
    change.target("");
    let advice =
        "if that is a root, let this machine know it: its file as a `[trust.NAME]` in the configuration, or `reseal";
    change.refused("retire old-root", &["unclear    web", "the issuer of Firma Issuing, CN=Firma Root, is not known"]);
    let told = change.ground.json(&["retire", "old-root"]);
    assert!(told["results"][0]["against"][0]["next"].as_str().unwrap().starts_with(advice), "{told}");
    let file = change.ground.write("firma.pem", &firma.pem);
    let text = fs::read_to_string(change.ground.path("reseal.toml")).unwrap();
    change.ground.write("reseal.toml", &format!("{text}\n[trust.firma]\nfile = {file:?}\n"));
    change.retired("retire old-root");
}

/// What comes in place of what goes is asked of those alone that have something else by now.
#[test]
fn whoever_uses_it_is_told_that_and_nothing_that_contradicts_it() {
    let Some(change) = Change::both() else { return };
    change.pair("web", change.old.leaf());
    change.target("");
    change.run("snapshot web").ends(0);
    let told = change.ground.json(&["retire", "old-root"]);
    let against = told["results"][0]["against"].as_array().unwrap();
    let reasons: Vec<_> = against.iter().map(|one| one["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["in-use"], "{told}");
}

/// The store gets the new one first.
#[test]
fn what_came_in_its_place_must_be_trusted_before() {
    let Some(change) = Change::begun() else { return };
    change.pair("web", change.old.leaf());
    change.target("");
    let certificate = change.pair("next", change.new.leaf());
    change.run("install web --cert next.pem --key next.key --force").ends(0);
    let words = [
        "the new one comes first",
        "missing    web: os trusts nothing above",
        &certificate,
        "trust install FILE --store os",
    ];
    change.refused("retire old-root", &words);
    change.run("trust install new.pem").ends(0);
    change.retired("retire old-root");
}

/// Who uses a root uses the one that has its name and key as well.
#[test]
fn a_root_that_was_renewed_with_its_key_needs_no_migration() {
    let Some(change) = Change::both() else { return };
    let later = change.old.renewed();
    assert_ne!(later.fingerprint, change.old.fingerprint);
    change.ground.write("later.pem", &later.pem);
    change.pair("web", change.old.leaf());
    change.target("");
    change.refused("retire old-root", &["in use"]);
    change.run("trust install later.pem --name later").ends(0);
    change.retired("retire old-root");
    change.run("retire later").ends(4).warns("in use");
}

#[test]
fn all_stores_or_none() {
    if !has("keytool") {
        return;
    }
    let Some(change) = Change::both() else { return };
    let store = change.ground.path("app.jks").display().to_string();
    let java = format!("java:{store}");
    let keytool = |words: &[&str]| {
        let mut all = vec!["-keystore", &store, "-storetype", "JKS", "-storepass", "changeit"];
        all.extend(words);
        tool("keytool", &all)
    };
    let other = change.ground.write("other.pem", &Ca::new("Other").pem);
    keytool(&["-importcert", "-noprompt", "-alias", "other", "-file", &other]);
    change.run(&format!("trust install old.pem --store {java}")).ends(0);
    change.pair("web", change.old.leaf());
    change.target("");
    change.pair("next", change.new.leaf());
    change.refused("retire old-root", &["trust:os: refused", "for the same reasons"]);
    change.run("install web --cert next.pem --key next.key --force").ends(0);
    let words = [
        "trust:os: refused: not begun",
        "--store os` retires it there alone",
        &format!("trust:{java}: refused: what came after"),
        &format!("trust install FILE --store {java}"),
    ];
    change.refused("retire old-root", &words);
    // Whoever puts it there.
    let new = change.ground.path("new.pem").display().to_string();
    keytool(&["-importcert", "-noprompt", "-alias", "theirs", "-file", &new]);
    let aliases = || keytool(&["-list"]);
    assert!(aliases().contains("reseal-old-root"));
    change.retired("retire old-root").says(&format!("trust:{java}: retired: old-root"));
    let left = aliases();
    assert!(!left.contains("reseal-old-root") && left.contains("theirs") && left.contains("other"), "{left}");
}

/// A database of NSS is asked what else it trusts.
#[test]
fn a_database_of_nss_loses_the_old_one_last() {
    if !has("certutil") {
        return;
    }
    let Some(change) = Change::both() else { return };
    let database = change.ground.path("db").display().to_string();
    fs::create_dir(&database).unwrap();
    tool("certutil", &["-N", "-d", &format!("sql:{database}"), "--empty-password"]);
    let store = format!("nss:{database}");
    change.run(&format!("trust install old.pem --store {store}")).ends(0);
    change.pair("web", change.old.leaf());
    change.target("");
    change.pair("next", change.new.leaf());
    change.run("install web --cert next.pem --key next.key --force").ends(0);
    let line = format!("retire old-root --store {store}");
    change.refused(&line, &["the new one comes first", &format!("trust install FILE --store {store}")]);
    change.run(&format!("trust install new.pem --store {store}")).ends(0);
    change.run(&line).ends(0).says(&format!("trust:{store}: retired: old-root"));
    let left = tool("certutil", &["-L", "-d", &format!("sql:{database}")]);
    assert!(!left.contains("reseal-old-root") && left.contains("reseal-new-root"), "{left}");
    assert!(change.ground.trusts(&change.old), "the other store was not named");
}

/// From the first root of a CA to the last step of its second.
#[test]
fn a_ca_of_reseals_own_goes_from_root_to_root() {
    for intermediate in ["", " --intermediate"] {
        let Some(change) = Change::begun() else { return };
        let ground = &change.ground;
        let secret = ground.secret("pp", "correct horse battery");
        let text = fs::read_to_string(ground.path("reseal.toml")).unwrap();
        ground.write("reseal.toml", &format!("{text}[ca.office]\npassphrase_file = \"{secret}\"\n"));
        ground.write("web.pem", "");
        fs::remove_file(ground.path("web.pem")).unwrap();
        change.run(&format!("ca init office --permit localhost{intermediate}")).ends(0);
        change.run("retire --ca office").ends(0).says("the CA office has no former root");
        change.run("retire --ca nobody").ends(2).warns("nobody");
        change.target("[target.source]\nkind = \"local-ca\"\nca = \"office\"\n");
        change.run("renew web").ends(0);
        change.run("trust install --ca office").ends(0);
        change.run("ca rekey office").ends(0);
        change.run("ca export office").ends(0);
        change.run("retire --ca office").ends(0).says("its next one does not issue yet");
        change.run("ca rekey office --switch").ends(0);
        let held = |name: &str| ground.names("local").contains(&format!("reseal-{name}.crt"));
        let key = ground.path("state/ca/office").join(if intermediate.is_empty() { "root.key" } else { "issuer.key" });
        change.refused(
            "retire --ca office",
            &["ca:office: refused: the former root of office is in use still", "renew web` gets"],
        );
        change.run("renew web").ends(0).says("former root");
        // The store gets the new root first.
        let words = [
            "ca:office: refused: not begun",
            "os does not hold its present root",
            "trust install --ca office --store os",
        ];
        change.refused("retire --ca office", &words);
        change.run("trust install --ca office").ends(0);
        fs::create_dir(ground.path("out")).unwrap();
        change.run("ca issue office mail.localhost --output out").ends(0);
        let server = Server::of(ground, &change.old);
        change
            .run(&format!("retire --ca office --seen localhost:{}", server.port))
            .ends(0)
            .says("ca:office: root 1 retired");
        assert!(!key.exists() && !held("office") && held("office-2") && held("old-root"));
        assert!(ground.path("state/ca/office/root.pem").exists());
        change.run("history trust:os").ends(0).says("retire office: nobody is seen using it");
        let before = ground.tree();
        for line in ["retire --ca office", "retire --ca office --dry-run"] {
            change.run(line).ends(0).says("nothing is left to retire");
        }
        assert_eq!(ground.tree(), before, "nothing is written, the lock not even taken");
        change.run("renew web").ends(0).says("good for now");
    }
}

/// `ca rekey --retire` first, as ever, and the stores when that is asked for.
#[test]
fn what_rekey_has_retired_goes_out_of_the_stores() {
    let Some(change) = Change::begun() else { return };
    let ground = &change.ground;
    let secret = ground.secret("pp", "correct horse battery");
    for line in
        ["ca init office --permit localhost", "trust install --ca office", "ca rekey office", "ca export office"]
    {
        change.run(&format!("{line} --passphrase-file {secret}")).ends(0);
    }
    change.run("ca rekey office --switch").ends(0);
    change.run("ca rekey office --retire").ends(0);
    assert_eq!(ground.names("local"), ["reseal-office.crt", "reseal-old-root.crt"]);
    change.refused("retire --ca office", &["does not hold its present root"]);
    change.run("trust install --ca office").ends(0);
    change.run("retire --ca office").ends(0).says("put away already").says("trust:os: retired: office");
    assert_eq!(ground.names("local"), ["reseal-office-2.crt", "reseal-old-root.crt"]);
}

/// What nothing here replaces is asked for as by `ca rekey --retire`, and overruled as there.
#[test]
fn certificates_that_were_issued_by_hand_hold_a_root() {
    let Some(change) = Change::begun() else { return };
    let secret = change.ground.secret("pp", "correct horse battery");
    fs::create_dir(change.ground.path("out")).unwrap();
    for line in
        ["ca init office --permit lan", "ca issue office a.lan --output out", "ca rekey office", "ca export office"]
    {
        change.run(&format!("{line} --passphrase-file {secret}")).ends(0);
    }
    change.run("ca rekey office --switch").ends(0);
    change.refused("retire --ca office", &["nothing here replaces are good still: a.lan", "--force"]);
    change.run("retire --ca office --force").ends(0).says("ca:office: root 1 retired, its key removed");
    assert!(!change.ground.path("state/ca/office/root.key").exists());
}

/// No timer and no other verb does any of this.
#[test]
fn nothing_goes_unasked() {
    let Some(change) = Change::both() else { return };
    change.pair("web", change.new.leaf());
    change.target("");
    for line in ["maintain", "renew", "check", "status", "recover"] {
        change.run(line);
    }
    assert!(change.ground.trusts(&change.old));
    assert_eq!(change.ground.names("local"), ["reseal-new-root.crt", "reseal-old-root.crt"]);
}

/// A target whose CA is the one that goes is not helped by that CA, in the store or at the next renewal.
#[test]
fn whoever_takes_from_what_goes_is_sent_elsewhere() {
    let Some(change) = Change::begun() else { return };
    let ground = &change.ground;
    let secret = ground.secret("pp", "correct horse battery");
    let text = fs::read_to_string(ground.path("reseal.toml")).unwrap();
    ground.write(
        "reseal.toml",
        &format!("{text}[ca.office]\npassphrase_file = \"{secret}\"\n[ca.branch]\npassphrase_file = \"{secret}\"\n"),
    );
    for line in ["ca init office --permit localhost", "ca init branch --permit localhost"] {
        change.run(line).ends(0);
    }
    change.target("[target.source]\nkind = \"local-ca\"\nca = \"office\"\n");
    change.run("renew web").ends(0);
    change.run("trust install --ca office").ends(0);
    let told = change.run("retire office").ends(4);
    let said = format!("{}{}", told.out, told.err).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("name another CA in the source of web"), "{said}");
    assert!(!said.contains("trust install --ca office") && !said.contains("renew web` gets"), "{said}");
    let config = fs::read_to_string(ground.path("reseal.toml")).unwrap();
    ground.write("reseal.toml", &config.replace("ca = \"office\"", "ca = \"branch\""));
    // From here on `renew` is what helps, and then the new root.
    change.run("retire office").ends(4).warns("renew web` gets another one");
    change.run("renew web").ends(0).says("the configuration names branch");
    change.run("retire office").ends(4).warns("trust install --ca branch --store os");
    change.run("trust install --ca branch").ends(0);
    change.run("retire office").ends(0);
}
