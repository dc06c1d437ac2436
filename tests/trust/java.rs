//! Truststores of Java, with the real keytool and a real client in Java.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::ground::{Ca, Ground, Server, has, tool};

/// A keystore with a key `app` and a trusted certificate `other`, as keytool makes it.
fn keystore(ground: &Ground, name: &str, kind: &str, passphrase: &str, extra: &[&str]) -> String {
    let path = ground.path(name).display().to_string();
    let other = ground.write("other.pem", &Ca::new("Other").pem);
    let with = |words: &[&str]| {
        let mut all = vec!["-keystore", &path, "-storetype", kind, "-storepass", passphrase];
        all.extend(words);
        all.extend(extra);
        tool("keytool", &all);
    };
    with(&["-genkeypair", "-keyalg", "EC", "-alias", "app", "-dname", "CN=app", "-keypass", passphrase]);
    with(&["-importcert", "-noprompt", "-alias", "other", "-file", &other]);
    path
}

fn listing(path: &str, passphrase: &str) -> String {
    tool("keytool", &["-list", "-v", "-keystore", path, "-storepass", passphrase])
}

/// What keytool makes of a key: it needs the passphrase to sign with it.
fn signs(path: &str, passphrase: &str) {
    let text = tool("keytool", &["-certreq", "-alias", "app", "-keystore", path, "-storepass", passphrase]);
    assert!(text.contains("BEGIN NEW CERTIFICATE REQUEST"), "{text}");
}

#[test]
fn one_entry_comes_and_goes_in_every_kind_of_store() {
    let Some(ground) = Ground::new() else { return };
    if !has("keytool") {
        return;
    }
    let ca = Ca::new("Java Root");
    let file = ground.write("ca.pem", &ca.pem);
    let legacy = ["-J-Dkeystore.pkcs12.legacy"];
    for (name, kind, passphrase, extra) in [
        ("a.jks", "JKS", "changeit", &[][..]),
        ("b.jks", "JKS", "pass phrase two", &[][..]),
        ("a.p12", "PKCS12", "changeit", &[][..]),
        ("b.p12", "PKCS12", "pass phrase two", &[][..]),
        ("c.p12", "PKCS12", "changeit", &legacy[..]),
    ] {
        let path = keystore(&ground, name, kind, passphrase, extra);
        let store = format!("java:{path}");
        let secret = ground.secret("pp", passphrase);
        let before = fs::read(&path).unwrap();
        let old = listing(&path, passphrase);
        let mut words = vec!["trust", "install", &file, "--store", &store];
        if passphrase != "changeit" {
            ground.run(&words).ends(4).warns("--passphrase-file");
            let wrong = ground.secret("wrong", "not this one");
            let mut all = words.clone();
            all.extend(["--passphrase-file", &wrong]);
            ground.run(&all).ends(4).warns("the passphrase does not fit");
            assert_eq!(fs::read(&path).unwrap(), before, "{name}");
            words.extend(["--passphrase-file", &secret]);
        }
        ground.run(&words).ends(0).says("trusted: java-root");
        let list = listing(&path, passphrase);
        assert!(list.contains("reseal-java-root") && list.contains("contains 3 entries"), "{name}: {list}");
        for alias in ["app", "other"] {
            assert!(list.contains(&format!("Alias name: {alias}")), "{name}: {list}");
        }
        assert!(list.contains(&format!("Keystore type: {kind}")), "{name}: the same format as before");
        signs(&path, passphrase);
        ground.run(&words).ends(0).says("already");

        // Another tool goes on with it, and ours goes without what that one has done.
        let extra = ground.write("extra.pem", &Ca::new("Extra").pem);
        tool(
            "keytool",
            &[
                "-importcert",
                "-noprompt",
                "-alias",
                "extra",
                "-file",
                &extra,
                "-keystore",
                &path,
                "-storepass",
                passphrase,
            ],
        );
        ground.run(&["trust", "list", "--store", &store, "--passphrase-file", &secret]).ends(0).says("trusted");
        ground.run(&["trust", "remove", "java-root", "--store", &store, "--passphrase-file", &secret]).ends(0);
        let end = listing(&path, passphrase);
        assert!(!end.contains("reseal-java-root") && end.contains("contains 3 entries"), "{name}: {end}");
        let fingerprints =
            |text: &str| text.lines().filter(|line| line.contains("SHA256:")).map(str::to_owned).collect::<Vec<_>>();
        let (old, end) = (fingerprints(&old), fingerprints(&end));
        assert!(old.iter().all(|one| end.contains(one)), "{name}: {old:?} {end:?}");
        signs(&path, passphrase);

        ground.run(&["restore", &format!("trust:{store}"), "1"]).ends(0);
        assert_eq!(fs::read(&path).unwrap(), before, "{name}: byte for byte");
    }
}

/// A store is looked at before the lock is taken and again under it; a descriptor can be read once.
#[test]
fn a_passphrase_from_a_descriptor_opens_every_store() {
    let Some(ground) = Ground::new() else { return };
    if !has("keytool") {
        return;
    }
    ground.write("ca.pem", &Ca::new("Java Root").pem);
    ground.secret("pp", "pass phrase two");
    for name in ["a.jks", "b.jks"] {
        keystore(&ground, name, "JKS", "pass phrase two", &[]);
    }
    let reseal = format!("{} --config reseal.toml --passphrase-fd 3 trust", env!("CARGO_BIN_EXE_reseal"));
    for words in ["install ca.pem --store os --store java:a.jks --store java:b.jks", "remove java-root"] {
        let line = format!("cd {}; {reseal} {words} 3<pp", ground.path("").display());
        let output = Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(!listing(&ground.path("b.jks").display().to_string(), "pass phrase two").contains("reseal-"));
}

#[test]
fn a_client_in_java_accepts_a_server_only_while_its_ca_is_trusted() {
    let Some(ground) = Ground::new() else { return };
    if !has("keytool") || !has("java") || !has("javac") {
        return;
    }
    let ca = Ca::new("Java Root");
    let file = ground.write("ca.pem", &ca.pem);
    let server = Server::of(&ground, &ca);
    let code = "public class Connect { public static void main(String[] a) throws Exception {
        var factory = javax.net.ssl.SSLSocketFactory.getDefault();
        try (var socket = (javax.net.ssl.SSLSocket) factory.createSocket(\"localhost\", Integer.parseInt(a[0]))) {
            var rules = socket.getSSLParameters(); rules.setEndpointIdentificationAlgorithm(\"HTTPS\");
            socket.setSSLParameters(rules); socket.startHandshake(); System.out.println(\"accepted\"); } } }";
    let source = ground.write("Connect.java", code);
    tool("javac", &["-d", &ground.path("").display().to_string(), &source]);
    let accepts = |path: &str| {
        let output = Command::new("java")
            .args([&format!("-Djavax.net.ssl.trustStore={path}"), "-Djavax.net.ssl.trustStorePassword=changeit", "-cp"])
            .arg(ground.path(""))
            .args(["Connect", &server.port.to_string()])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() || text.contains("PKIX path building failed"), "{text}");
        output.status.success()
    };
    for (name, kind) in [("a.jks", "JKS"), ("a.p12", "PKCS12")] {
        let path = keystore(&ground, name, kind, "changeit", &[]);
        let store = format!("java:{path}");
        assert!(!accepts(&path), "{name}");
        ground.run(&["trust", "install", &file, "--store", &store]).ends(0);
        assert!(accepts(&path), "{name}");
        ground.run(&["trust", "remove", "java-root", "--store", &store]).ends(0);
        assert!(!accepts(&path), "{name}");
    }
}

#[test]
fn stores_that_are_none_of_ours_are_left() {
    let Some(ground) = Ground::new() else { return };
    let ca = Ca::new("Java Root");
    ground.write("ca.pem", &ca.pem);
    ground.write("pem.jks", &ca.pem);
    ground.write("noise.jks", "\u{fe}\u{ed} not really");
    fs::write(ground.path("other.jceks"), [0xce, 0xce, 0xce, 0xce, 0, 0, 0, 2]).unwrap();
    for (store, why) in [
        ("java:nowhere.jks", "it is not there"),
        ("java:pem.jks", "no store of Java"),
        ("java:noise.jks", "cannot use the store"),
        ("java:other.jceks", "JCEKS"),
        ("java:local", "cannot use the store"),
    ] {
        ground.run(&["trust", "install", "ca.pem", "--store", store]).ends(4).warns(why).warns("hint:");
    }
    let made = "/etc/ssl/certs/java/cacerts";
    if Path::new(made).exists() {
        // Also through the links by which Java reaches it.
        std::os::unix::fs::symlink(made, ground.path("cacerts")).unwrap();
        for store in [format!("java:{made}"), "java:cacerts".to_owned()] {
            ground.run(&["trust", "install", "ca.pem", "--store", &store]).ends(4).warns("out of its own store");
        }
    } else {
        println!("skipped: the store that the system makes for Java is not there");
    }
    assert!(!ground.path("state/trust").exists() || ground.names("state/trust").is_empty());
}

#[test]
fn an_entry_that_others_have_changed_is_left() {
    let Some(ground) = Ground::new() else { return };
    if !has("keytool") {
        return;
    }
    let ca = Ca::new("Java Root");
    let file = ground.write("ca.pem", &ca.pem);
    let path = keystore(&ground, "a.p12", "PKCS12", "changeit", &[]);
    let store = format!("java:{path}");
    let keytool = |words: &[&str]| {
        let mut all = vec!["-keystore", &path, "-storepass", "changeit"];
        all.extend(words);
        tool("keytool", &all)
    };
    // There already, under a name of somebody else's.
    keytool(&["-importcert", "-noprompt", "-alias", "theirs", "-file", &file]);
    ground.run(&["trust", "install", &file, "--store", &store]).ends(0).says("theirs").says("will not remove it");
    ground.run(&["trust", "remove", "java-root"]).ends(4);
    keytool(&["-delete", "-alias", "theirs"]);

    ground.run(&["trust", "install", &file, "--store", &store]).ends(0);
    keytool(&["-delete", "-alias", "reseal-java-root"]);
    ground.run(&["trust", "list"]).ends(3).says("somebody else has removed it");
    let other = ground.write("other.pem", &Ca::new("Another").pem);
    keytool(&["-importcert", "-noprompt", "-alias", "reseal-java-root", "-file", &other]);
    ground.run(&["trust", "list"]).ends(3).says("something else in its place");
    let before = fs::read(&path).unwrap();
    ground.run(&["trust", "remove", "java-root"]).ends(4).warns("somebody else has changed");
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// OpenSSL packs a certificate without the mark by which Java trusts it: it is there, and trusted by nobody.
#[test]
fn a_certificate_that_merely_lies_there_is_not_trusted() {
    let Some(ground) = Ground::new() else { return };
    if !has("keytool") {
        return;
    }
    let ca = Ca::new("Lies There");
    let file = ground.write("ca.pem", &ca.pem);
    let path = ground.path("u.p12").display().to_string();
    let words =
        ["pkcs12", "-export", "-nokeys", "-in", &file, "-name", "corp", "-out", &path, "-passout", "pass:changeit"];
    tool("openssl", &words);
    let count = |path: &str| listing(path, "changeit").matches("trustedCertEntry").count();
    assert_eq!(count(&path), 0);
    ground.run(&["trust", "install", &file, "--store", &format!("java:{path}")]).ends(0).says("trusted: lies-there");
    assert_eq!(count(&path), 1);
}

#[test]
fn a_store_that_is_lost_can_be_put_back() {
    let Some(ground) = Ground::new() else { return };
    if !has("keytool") {
        return;
    }
    let ca = Ca::new("Lost");
    let file = ground.write("ca.pem", &ca.pem);
    let path = keystore(&ground, "lost one.p12", "PKCS12", "changeit", &[]);
    let store = format!("java:{path}");
    let told = ground.run(&["trust", "install", &file, "--store", &store]).ends(0);
    told.says(&format!("restore 'trust:{store}' 1"));
    let whole = fs::read(&path).unwrap();
    for spoil in [None, Some("x")] {
        match spoil {
            None => fs::remove_file(&path).unwrap(),
            Some(text) => fs::write(&path, text).unwrap(),
        }
        ground.run(&["trust", "remove", "lost", "--store", &store]).ends(4);
        ground.run(&["restore", &format!("trust:{store}"), "2"]).ends(0);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}
