//! Files that are not where the configuration says, and keys that the service would not be able to read.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use crate::bench::{Bench, Leaf};
use crate::probes::tls;
use crate::ran::Ran;

fn said(ran: &Ran) -> String {
    format!("{} {}", ran.out, ran.err).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn told(ran: &Ran, text: &str) {
    assert!(said(ran).contains(text), "no {text:?} in {}", said(ran));
}

/// With a CA of its own as source, and one name in the configuration written as another.
fn sourced(bench: &Bench, from: &str, to: &str, more: &str) {
    if !bench.path("state/ca/office").exists() {
        let secret = bench.write("pp", "correct horse\n", 0o600);
        bench.run(&["ca", "init", "office", "--permit", "example.org", "--passphrase-file", &secret]).ends(0);
    }
    let secret = bench.path("pp").display().to_string();
    bench.configure(&format!(
        "{more}[target.source]\nkind = \"local-ca\"\nca = \"office\"\n[ca.office]\npassphrase_file = \"{secret}\"\n"
    ));
    let text = fs::read_to_string(bench.path("reseal.toml")).unwrap();
    bench.write("reseal.toml", &text.replace(from, to), 0o644);
}

#[test]
fn a_wrong_letter_in_a_path_makes_no_second_pair() {
    for (from, to, is_key) in [("/web.pem\"", "/wep.pem\"", false), ("/web.key\"", "/wep.key\"", true)] {
        let bench = Bench::new();
        let (certificate, key) = Leaf::default().make();
        bench.write("web.pem", &certificate, 0o644);
        bench.write("web.key", &key, 0o600);
        sourced(&bench, from, to, "");
        let wrong = bench.path(if is_key { "wep.key" } else { "wep.pem" });
        let (code, gone) =
            (if is_key { "no-key" } else { "no-certificate" }, format!("{} is not there", wrong.display()));
        let checked = bench.run(&["check", "web"]).ends(3);
        told(&checked, code);
        told(&checked, &gone);
        told(&checked, "see that its path is right");
        for dry in [&["renew", "--dry-run"][..], &["renew"]] {
            let refused = bench.run(dry).ends(4);
            told(&refused, &gone);
            told(&refused, "is the path right?");
            told(&refused, "--force");
        }
        assert!(!wrong.exists());
        bench.run(&["renew", "--force"]).ends(0);
        assert!(wrong.exists(), "whoever insists has it made");
    }
}

#[test]
fn what_is_served_from_elsewhere_is_not_doubled() {
    // Its own CA's, under other names by now; one of a CA that anybody has made up; one that signed itself.
    let known = {
        let bench = Bench::new();
        sourced(&bench, "", "", "");
        bench.run(&["renew"]).ends(0);
        let pair = (bench.served(), fs::read_to_string(bench.path("web.key")).unwrap());
        fs::remove_dir_all(bench.path("state/vault")).unwrap();
        (bench, pair)
    };
    let strange = Leaf::default().make();
    let own = Leaf { self_signed: true, ..Leaf::default() }.make();
    for (bench, served, refused) in [
        (known.0, Some(&known.1), true),
        (Bench::new(), Some(&strange), false),
        (Bench::new(), Some(&own), false),
        (Bench::new(), None, false),
    ] {
        fs::remove_file(bench.path("web.pem")).unwrap();
        fs::remove_file(bench.path("web.key")).unwrap();
        let probes = served.map_or_else(String::new, |pair| {
            let address = tls(None, pair);
            format!("listen = [\"{address}\"]\nreload = [\"/bin/true\"]\n")
        });
        sourced(&bench, "", "", &probes);
        let ran = bench.run(&["renew", "--dry-run"]);
        if refused {
            let ran = ran.ends(4);
            told(&ran, "is in none of its files: is the path right?");
            assert!(!bench.path("web.pem").exists());
        } else {
            ran.ends(0);
        }
    }
}

/// What reseal has put there itself has the right name: it is put back.
#[test]
fn a_half_that_was_there_before_is_made_again() {
    let bench = Bench::new();
    sourced(&bench, "", "", "");
    bench.run(&["renew"]).ends(0);
    fs::remove_file(bench.path("web.pem")).unwrap();
    bench.run(&["renew"]).ends(0);
    assert!(bench.path("web.pem").exists());
}

#[test]
fn a_key_that_the_service_reads_as_everybody_does_is_not_closed_to_it() {
    if !rustix::process::geteuid().is_root() || !Path::new("/usr/bin/id").exists() {
        println!("skipped: needs root and `id`");
        return;
    }
    let bench = Bench::new();
    bench.configure("service_user = \"nobody\"\n");
    let key = bench.path("web.key");
    let open = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    open(0o644);
    let before = bench.served();
    told(&bench.run(&["check", "web"]).ends(3), "nobody reads it as everybody does");
    let (certificate, new) = bench.bring("new", &Leaf::default());
    let install = ["install", "web", "--cert", &certificate, "--key", &new];
    for more in [&["--dry-run"][..], &[]] {
        let refused = bench.run(&[&install[..], more].concat()).ends(4);
        told(&refused, "would be closed to nobody");
        told(&refused, "chown nobody");
    }
    told(&bench.run(&["stage", "web", "--cert", &certificate, "--key", &new]).ends(4), "would be closed to nobody");
    assert_eq!(bench.served(), before);
    // A group that it is not in is no help; one of its own is.
    chown(&key, None, Some(1)).unwrap();
    open(0o644);
    told(&bench.run(&install).ends(4), "would be closed to nobody");
    chown(&key, None, Some(65_534)).unwrap();
    open(0o640);
    assert!(!said(&bench.run(&["check", "web"])).contains("service-cannot-read"));
    bench.run(&install).ends(0);
    chown(&key, None, Some(1)).unwrap();
    told(&bench.run(&["check", "web"]), "service-cannot-read");
}
