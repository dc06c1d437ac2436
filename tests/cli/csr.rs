//! A key that stays, a request that is carried to a CA elsewhere (here OpenSSL), and its answer.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::bench::{Bench, Leaf};

/// A corporate CA in the bench's directory: a root, and the intermediate that signs.
struct Office<'b>(&'b Bench);

impl<'b> Office<'b> {
    fn found(bench: &'b Bench) -> Self {
        let office = Self(bench);
        office.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -subj /O=Office/CN=Root -days 900 -keyout root.key -out root.pem");
        office.openssl("req -newkey rsa:2048 -nodes -subj /O=Office/CN=Issuing -keyout issuing.key -out issuing.csr");
        bench.write("ca.ext", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n", 0o644);
        office.openssl("x509 -req -in issuing.csr -CA root.pem -CAkey root.key -CAcreateserial -days 800 -extfile ca.ext -out issuing.pem");
        office
    }

    fn openssl(&self, words: &str) -> String {
        let output = Command::new("openssl")
            .args(words.split(' '))
            .current_dir(self.0.path("."))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "openssl {words}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    /// Signs a request as it asks.
    fn sign(&self, request: &str, answer: &str) {
        self.openssl(&format!(
            "x509 -req -in {request} -CA issuing.pem -CAkey issuing.key -CAcreateserial -days 100 -copy_extensions copy -out {answer}"
        ));
    }
}

#[test]
fn the_request_is_what_the_configuration_wants() {
    let bench = Bench::new();
    bench.configure(
        "needs_client_auth = true\n[target.source]\nkind = \"csr\"\nkey_type = \"rsa2048\"\n\
         subject = { C = \"DE\", O = \"Example GmbH\", OU = \"IT\", L = \"Köln\" }\n",
    );
    let office = Office(&bench);
    let ran = bench.run(&["csr", "web"]).ends(7).warns("request 1 was made").warns("--signed FILE");
    assert!(ran.out.starts_with("-----BEGIN CERTIFICATE REQUEST-----\n"), "{}", ran.out);
    assert!(ran.out.ends_with("-----END CERTIFICATE REQUEST-----\n"));
    bench.write("web.csr", &ran.out, 0o644);
    let told = office.openssl("req -in web.csr -verify -noout -text -nameopt utf8,sep_comma_plus");
    for part in [
        "verify OK",
        "C=DE,L=Köln,O=Example GmbH,OU=IT,CN=www.example.org",
        "DNS:www.example.org",
        "Digital Signature, Key Encipherment",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "(2048 bit)",
        "sha256WithRSAEncryption",
    ] {
        assert!(told.contains(part), "no {part:?} in\n{told}");
    }
    // The same again: it waits already.
    let again = bench.run(&["csr", "web"]).ends(7).warns("request 1 waits since");
    assert_eq!(again.out, ran.out);
    assert_eq!(bench.run(&["csr", "web", "--another", "-q"]).ends(7).err, "");
    // Something else is another one.
    bench.run(&["csr", "web", "--key-type", "p256", "--subject", "OU=Web"]).ends(7).warns("request 3 was made");
    let state = bench.path("state/requests/web");
    for number in ["1", "2", "3"] {
        let mode = fs::metadata(state.join(number).join("key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }
    bench.run(&["status"]).ends(7).says("request 1 (RSA 2048) waits").says("request 3 (P-256) waits");
    let before = bench.tree();
    bench.run(&["csr", "web", "--forget", "2", "--dry-run"]).ends(0).says("would");
    bench.run(&["csr", "web", "--forget", "7", "--dry-run"]).ends(4).warns("no request 7 of web waits here");
    assert!(bench.tree() == before, "a dry run writes nothing");
    bench.run(&["csr", "web", "--forget", "2"]).ends(0).says("request 2 and its key are gone");
    bench.run(&["csr", "web", "--forget", "2"]).ends(4).warns("no request 2 of web waits here");
    let answer = bench.json(&["csr", "web", "--key-type", "p256", "--subject", "OU=Web", "--out", "copy.csr"]);
    let result = &answer["results"][0];
    assert_eq!((result["number"].as_u64(), result["made"].as_bool()), (Some(3), Some(false)), "{result}");
    assert_eq!(result["request"].as_str().unwrap(), fs::read_to_string(bench.path("copy.csr")).unwrap());
    assert!(!answer.to_string().contains("PRIVATE KEY"));
}

/// An answer that comes late to a request that was forgotten must not be taken for one to another.
#[test]
fn a_number_is_never_given_twice() {
    let bench = Bench::new();
    let _office = Office::found(&bench);
    bench.run(&["csr", "web"]).ends(7).warns("request 1 was made");
    bench.run(&["csr", "web", "--forget", "1"]).ends(0);
    bench.run(&["csr", "web"]).ends(7).warns("request 2 was made");
    bench.run(&["csr", "web", "--another"]).ends(7).warns("request 3 was made");
    bench.run(&["csr", "web", "--forget", "3"]).ends(0);
    bench.run(&["csr", "web", "--forget", "2"]).ends(0);
    bench.run(&["csr", "web"]).ends(7).warns("request 4 was made");
    // As an earlier reseal has left it: what waits counts.
    std::fs::remove_dir_all(bench.path("state/request-numbers")).unwrap();
    bench.run(&["csr", "web", "--another"]).ends(7).warns("request 5 was made");
}

#[test]
fn an_answer_in_any_packing_is_installed_with_the_key_that_waits() {
    let bench = Bench::new();
    let office = Office::found(&bench);
    for (number, packing) in ["pem", "der", "p7b", "leaf last"].into_iter().enumerate() {
        bench.run(&["csr", "web", "--out", &format!("{number}.csr")]).ends(7);
        office.sign(&format!("{number}.csr"), "leaf.pem");
        let answer = match packing {
            "pem" => vec!["leaf.pem", "issuing.pem"],
            "der" => {
                office.openssl("x509 -in leaf.pem -outform DER -out leaf.der");
                // The intermediate is known: it is in place.
                vec!["leaf.der"]
            }
            "p7b" => {
                office.openssl("crl2pkcs7 -nocrl -certfile root.pem -certfile leaf.pem -certfile issuing.pem -outform DER -out answer.p7b");
                vec!["answer.p7b"]
            }
            _ => {
                let both =
                    ["root.pem", "issuing.pem", "leaf.pem"].map(|name| fs::read_to_string(bench.path(name)).unwrap());
                bench.write("all.pem", &both.concat(), 0o644);
                vec!["all.pem"]
            }
        };
        let signed = answer.iter().flat_map(|file| ["--signed", file]);
        let words: Vec<&str> = ["install"].into_iter().chain(signed).chain(["web"]).collect();
        bench.run(&words).ends(0).says("installed www.example.org");
        let served = bench.served();
        assert_eq!(served.matches("BEGIN CERTIFICATE").count(), 2, "{packing}: {served}");
        assert!(served.starts_with(&fs::read_to_string(bench.path("leaf.pem")).unwrap()), "{packing}");
        bench.run(&["check", "web"]).says("good");
        bench.run(&["status"]).ends(0);
        assert!(fs::read_dir(bench.path("state/requests/web")).unwrap().next().is_none(), "{packing}: answered");
    }
    bench
        .run(&["install", "web", "--signed", "leaf.pem"])
        .ends(4)
        .warns("no request of web waits for an answer")
        .warns(" install web --cert leaf.pem --keep-key`");
    // What the hint says works, here with the chain that was not sent before.
    bench.run(&["install", "web", "--cert", "leaf.pem", "--chain", "issuing.pem", "--keep-key"]).ends(0);
    let (other, _) = bench.bring("other", &Leaf::default());
    bench.run(&["install", "web", "--signed", &other]).ends(4).warns(" csr web` makes one");
}

#[test]
fn what_is_no_answer_is_refused_with_the_reason() {
    let bench = Bench::new();
    let office = Office::found(&bench);
    bench.run(&["csr", "web", "--out", "one.csr"]).ends(7);
    bench.run(&["csr", "web", "--another", "--out", "two.csr"]).ends(7);
    let (other, _) = bench.bring("other", &Leaf::default());
    let before = bench.served();
    bench
        .run(&["install", "web", "--signed", &other])
        .ends(4)
        .warns("what was sent is for no key that waits for web: it holds www.example.org (key ")
        .warns("the requests are 1 (key ");
    bench.run(&["install", "web", "--signed", "one.csr"]).ends(4).warns("one.csr is a request, and not the answer");
    bench.run(&["install", "web", "--signed", "none.pem"]).ends(4).warns("cannot read none.pem");
    bench.write("cut.pem", &before[..300], 0o644);
    bench.run(&["install", "web", "--signed", "cut.pem"]).ends(4).warns("the block has no end");
    // For other names than the target's.
    office.openssl("x509 -req -in one.csr -CA issuing.pem -CAkey issuing.key -CAcreateserial -days 9 -out bare.pem");
    bench.run(&["install", "web", "--signed", "bare.pem"]).ends(4).warns("it is not for www.example.org");
    assert_eq!(bench.served(), before);
    bench.run(&["status"]).ends(7).says("request 1 ").says("request 2 ");
    // Each is answered by its own number.
    office.sign("two.csr", "two.pem");
    bench.run(&["install", "web", "--signed", "two.pem", "--dry-run"]).ends(0).says("would be changed");
    bench.run(&["status"]).ends(7).says("request 2 ");
    bench
        .run(&["install", "web", "--signed", "two.pem"])
        .ends(0)
        .says("and its issuer O=Office, CN=Issuing was not given");
    let ran = bench.run(&["status"]).ends(7).says("request 1 ");
    assert!(!ran.out.contains("request 2 "), "{}", ran.out);
    bench.run(&["install", "web", "--signed", "two.pem", "--cert", "x"]).ends(2);
    bench.run(&["csr", "nobody"]).ends(2).warns("there is no target `nobody`");
    bench.run(&["csr", "web", "--subject", "c=de"]).ends(2).warns("there are C, ST, L, O, OU and CN");
}

#[test]
fn a_key_in_the_answer_is_not_the_one_that_waits() {
    let bench = Bench::new();
    let office = Office::found(&bench);
    bench.run(&["csr", "web", "--out", "web.csr"]).ends(7);
    // The key that waits is certified as a CA's, beside another pair: of both, a server's pair would be the other.
    bench.write("ca.ext", "basicConstraints=critical,CA:TRUE\nsubjectAltName=DNS:www.example.org\n", 0o644);
    office.openssl("x509 -req -in web.csr -CA issuing.pem -CAkey issuing.key -CAcreateserial -days 90 -extfile ca.ext -out evil.pem");
    let (certificate, key) = Leaf::default().make();
    let evil = fs::read_to_string(bench.path("evil.pem")).unwrap() + &certificate + &key;
    bench.write("evil.pem", &evil, 0o644);
    let before = bench.served();
    bench.run(&["install", "web", "--signed", "evil.pem"]).ends(4).warns("holds a private key of its own");
    assert_eq!(bench.served(), before);
    bench.run(&["status"]).ends(7).says("request 1 ");
}

#[test]
fn a_damaged_request_is_told_and_hides_no_other() {
    let bench = Bench::new();
    let office = Office::found(&bench);
    bench.run(&["csr", "web", "--out", "one.csr"]).ends(7);
    bench.run(&["csr", "web", "--another", "--out", "two.csr"]).ends(7);
    bench.write("state/requests/web/1/about", "{", 0o600);
    bench.run(&["status"]).ends(4).says("requests/web/1/about").says("request 2 ");
    office.sign("one.csr", "one.pem");
    office.sign("two.csr", "two.pem");
    bench.run(&["install", "web", "--signed", "one.pem"]).ends(4).warns("requests/web/1/about").warns("--forget N");
    bench.run(&["install", "web", "--signed", "two.pem"]).ends(0);
    bench.run(&["csr", "web", "--forget", "1"]).ends(0);
    bench.run(&["status"]).ends(0);
}

#[test]
fn a_request_is_the_same_where_its_subject_is() {
    let bench = Bench::new();
    bench.run(&["csr", "web", "--subject", "OU=Web"]).ends(7).warns("request 1 was made");
    bench.run(&["csr", "web", "--subject", "OU=Web"]).ends(7).warns("request 1 waits");
    bench.run(&["csr", "web"]).ends(7).warns("request 2 was made");
    bench.run(&["csr", "web", "--subject", "CN="]).ends(7).warns("request 3 was made").warns("none");
    bench.run(&["csr", "web", "--subject", "CN=Web", "--dry-run"]).ends(0).says("CN=Web");
    bench.run(&["csr", "web", "--subject", "O=X", "--dry-run"]).ends(0).says("O=X, CN=www.example.org");
}

#[test]
fn a_renewal_that_a_person_carries_waits_and_asks_once() {
    let bench = Bench::new();
    bench.configure("[target.source]\nkind = \"csr\"\n");
    let before = bench.tree();
    let dry = bench.run(&["renew", "--dry-run"]).ends(0).says("a request for www.example.org (P-256) would be made");
    assert!(!dry.out.contains("BEGIN"));
    bench.run(&["csr", "web", "--dry-run"]).ends(0).says("a request would be made");
    assert_eq!(bench.tree(), before, "a dry run writes nothing");
    bench.run(&["renew"]).ends(7).says("waits since").says("--signed FILE");
    let tree = bench.tree();
    bench.run(&["renew"]).ends(7);
    let json = bench.json(&["renew"]);
    assert_eq!(json["results"][0]["outcome"], "waiting", "{json}");
    let made = |tree: &[(std::path::PathBuf, u32, Vec<u8>)]| {
        tree.iter().filter(|(path, _, _)| path.ends_with("request.pem")).count()
    };
    assert_eq!((made(&tree), made(&bench.tree())), (1, 1));
    bench.run(&["post-upgrade"]).ends(0);

    let office = Office::found(&bench);
    let request = json["results"][0]["request"].as_str().unwrap().to_owned();
    office.sign(&request, "leaf.pem");
    bench.run(&["install", "web", "--signed", "leaf.pem", "--signed", "issuing.pem"]).ends(0);
    bench.run(&["renew"]).ends(0).says("good");
}

#[test]
fn the_key_in_place_can_be_asked_for_again() {
    let bench = Bench::new();
    let office = Office::found(&bench);
    let key = fs::read_to_string(bench.path("web.key")).unwrap();
    bench.run(&["csr", "web", "--reuse-key", "--out", "web.csr"]).ends(7);
    bench.run(&["csr", "web", "--reuse-key"]).ends(7).warns("request 1 waits since");
    office.sign("web.csr", "leaf.pem");
    bench.run(&["install", "web", "--signed", "leaf.pem", "--signed", "issuing.pem"]).ends(0);
    let public = |file: &str| office.openssl(&format!("pkey -in {file} -pubout"));
    bench.write("old.key", &key, 0o600);
    assert_eq!(public("web.key"), public("old.key"));
    fs::remove_file(bench.path("web.key")).unwrap();
    bench.run(&["csr", "web", "--reuse-key"]).ends(4).warns("has no key in place");
}

#[test]
fn the_copy_is_written_once_and_a_dry_run_tells_what_would_be() {
    let bench = Bench::new();
    let dry = bench.json(&["csr", "web", "--subject", "OU=Web", "--dry-run"]);
    let result = &dry["results"][0];
    assert_eq!(result["subject"], "OU=Web, CN=www.example.org", "{result}");
    assert_eq!((&result["made"], &result["number"]), (&false.into(), &serde_json::Value::Null), "{result}");
    assert_eq!(result["since"].as_str().unwrap().len(), "2026-11-21T16:51:26Z".len(), "{result}");
    bench.run(&["csr", "web", "--dry-run"]).ends(0).says("CN=www.example.org");
    bench.run(&["csr", "web", "--out", "web.csr"]).ends(7).says("request 1 was made");
    let first = fs::metadata(bench.path("web.csr")).unwrap().modified().unwrap();
    bench.run(&["csr", "web", "--output", "web.csr"]).ends(7).says("request 1 waits");
    assert_eq!(fs::metadata(bench.path("web.csr")).unwrap().modified().unwrap(), first);
    bench.run(&["csr", "web", "--another", "--out", "web.csr"]).ends(7).says("request 2 was made");
    bench.run(&["csr", "web", "--out", "-"]).ends(2).warns("`-` is no file");
    bench.run(&["csr", "web", "--subject", "OU=a", "--subject", "OU=b"]).ends(2).warns("OU twice");
}

#[test]
fn a_wrong_subject_is_told_with_its_place() {
    let bench = Bench::new();
    bench.configure("[target.source]\nkind = \"csr\"\nsubject = { C = \"Germany\", organisation = \"x\" }\n");
    bench.run(&["check"]).ends(2).warns("\"Germany\" is no country").warns("reseal.toml:12:17:").warns("organisation");
}

/// Why an earlier change is stuck, and what helps, is told by whoever is kept from beginning by it.
#[test]
fn what_an_earlier_change_is_stuck_for_is_told() {
    let bench = Bench::new();
    bench.installed("one");
    bench.write("state/journal/web", "not a journal\nat all\n", 0o600);
    let stuck = bench.run(&["csr", "web"]).ends(6).warns("an earlier change could not be ended: ");
    stuck
        .warns("state/journal/web: the journal of an interrupted transaction cannot be used")
        .warns("recover --accept web` keeps what is there now");
}

/// A request of which nobody gets a copy waits for nothing.
#[test]
fn no_request_is_made_where_its_copy_cannot_be_written() {
    let bench = Bench::new();
    bench.write("taken.csr", "something else\n", 0o644);
    fs::create_dir(bench.path("folder")).unwrap();
    let before = bench.tree();
    for (out, why) in [("nodir/x.csr", "nodir/x.csr"), ("taken.csr", "something else"), ("folder", "no regular file")] {
        bench.run(&["csr", "web", "--out", out]).ends(4).warns(why);
        assert!(bench.tree() == before, "{out}");
    }
    bench.run(&["csr", "web", "--out", "web.csr"]).ends(7);
}

/// Killed between the commit and the forgetting of the request, which then is there with its key.
#[test]
fn a_request_whose_answer_is_in_place_waits_no_more() {
    let bench = Bench::new();
    let office = Office::found(&bench);
    bench.run(&["csr", "web", "--out", "1.csr"]).ends(7);
    bench.run(&["csr", "web", "--another", "--reuse-key", "--out", "2.csr"]).ends(7);
    assert!(bench.path("state/requests/web/2").exists());
    let copy = |from: &str, to: &str| {
        let ran = Command::new("cp").args(["-a", from, to]).current_dir(bench.path(".")).status().unwrap();
        assert!(ran.success());
    };
    copy("state/requests/web/1", "kept");
    office.sign("1.csr", "1.pem");
    bench.run(&["install", "web", "--signed", "1.pem", "--signed", "issuing.pem"]).ends(0);
    copy("kept", "state/requests/web/1");
    let waiting = bench.json(&["status", "web"]);
    let waiting = waiting["results"][0]["waiting"].as_array().unwrap().clone();
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert_eq!(waiting[0]["number"], 2, "one for a key that was in place is not answered by its being there");
    bench.installed("other");
    assert!(!bench.path("state/requests/web/1").exists(), "its key goes with the next change");
    copy("kept", "state/requests/web/1");
    bench.run(&["csr", "web", "--out", "3.csr"]).ends(7);
    assert!(bench.path("state/requests/web/3").exists());
    let public = |file: &str| office.openssl(&format!("req -in {file} -noout -pubkey"));
    assert_ne!(public("3.csr"), public("1.csr"));
    assert!(!bench.path("state/requests/web/1").exists());
}

/// A certificate that comes alone, as many CAs send a renewal: its issuer stands in the files, and stays there.
#[test]
fn a_leaf_alone_goes_on_with_the_intermediate_in_place() {
    let bench = Bench::new();
    let office = Office::found(&bench);
    let whole = || bench.served().matches("BEGIN CERTIFICATE").count();
    let make = |name: &str| {
        office.openssl(&format!(
            "req -newkey rsa:2048 -nodes -subj /CN=www.example.org -addext subjectAltName=DNS:www.example.org -keyout {name}.key -out {name}.csr"
        ));
        office.sign(&format!("{name}.csr"), &format!("{name}.pem"));
    };
    make("first");
    bench.run(&["install", "web", "--cert", "first.pem", "--key", "first.key", "--chain", "issuing.pem"]).ends(0);
    assert_eq!(whole(), 2);
    // The same leaf alone is what is in place.
    let before = bench.served();
    bench.run(&["install", "web", "--cert", "first.pem", "--keep-key"]).ends(0).says("already in place");
    assert_eq!(bench.served(), before);

    make("second");
    let told = bench.run(&["install", "web", "--cert", "second.pem", "--key", "second.key"]).ends(0);
    assert!(told.out.contains("the chain goes on with") && !told.out.contains("was not given"), "{}", told.out);
    assert_eq!(
        bench.served(),
        ["second.pem", "issuing.pem"]
            .map(|name| fs::read_to_string(bench.path(name)).unwrap())
            .concat()
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    );

    // From files that somebody keeps fresh, too.
    make("third");
    let from = ["third.pem", "third.key"].map(|name| bench.path(name));
    bench.configure(&format!(
        "[target.source]\nkind = \"import\"\nfrom = {from:?}\n[target.policy]\nafter_upgrade = \"renew\"\n"
    ));
    fs::remove_file(bench.path("web.key")).unwrap();
    bench.run(&["renew", "web", "--force"]).ends(0);
    assert_eq!(whole(), 2);

    // Who brings one of another issuer gets nothing of that.
    let (certificate, key) = bench.bring("other", &Leaf { days: 300, ..Leaf::default() });
    bench.run(&["install", "web", "--cert", &certificate, "--key", &key]).ends(0);
    assert_eq!(whole(), 1);
}
