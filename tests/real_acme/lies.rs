//! A server that lies, refuses, floods or disappears: nothing is replaced, and the reason is told.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::bench::Bench;
use crate::stub::{Issue, Say, Stub};

/// A target with an account at the stub.
fn ready(extra: &str) -> (Stub, Bench) {
    let stub = Stub::start();
    let bench = Bench::new(&["www.example.org"], &format!("listen = \"127.0.0.1:0\"\ndeadline = 10\n{extra}"));
    let (directory, root) = (stub.directory(), stub.root().display().to_string());
    bench.run(&["acme", "account", "create", "--directory", &directory, "--root", &root]).good();
    (stub, bench)
}

fn problem(status: u16, head: &str, kind: &str, detail: &str) -> Say {
    let body = json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail, "status": status });
    Say::This(status, head.to_owned(), body.to_string())
}

#[test]
fn a_certificate_that_was_not_ordered_is_not_installed() {
    let (stub, bench) = ready("");
    let cases = [
        (Issue::OtherNames, "something else than was ordered: it is not for www.example.org"),
        (Issue::MoreNames, "it is also for evil.example.org"),
        (Issue::OtherKey, "it is for another key"),
        (Issue::WithKey, "it is for another key"),
        (Issue::SelfSigned, "it is for another key"),
        (Issue::Broken, "its chain is broken: stub intermediate is no part of it"),
        (Issue::Nonsense, "what the CA issued cannot be used"),
    ];
    for (issue, why) in cases {
        stub.issue(issue);
        let ended = bench.run(&["renew"]);
        assert_eq!(ended.code, 4, "{ended:?}");
        ended.says(&[why]);
        assert_eq!(bench.leaf().title(), "rcgen self signed cert");
        assert_eq!(std::fs::read_dir(bench.path("state/acme/order")).unwrap().count(), 0, "its key is not used again");
    }
    stub.issue(Issue::Right);
    bench.run(&["renew"]).good();
    assert_eq!(bench.names(), ["www.example.org"]);
}

#[test]
fn a_rate_limit_is_told_with_its_time_and_page() {
    let (stub, bench) = ready("");
    let head = "Retry-After: 7200\r\nLink: <https://ca.example/limits>; rel=\"help\"\r\n";
    stub.say("/order", &[problem(429, head, "rateLimited", "too many \u{1b}[31mcertificates")]);
    let ended = bench.run(&["renew"]);
    assert_eq!(ended.code, 4);
    assert!(!ended.out.contains('\u{1b}') && !ended.err.contains('\u{1b}'), "{ended:?}");
    ended.says(&["(rateLimited); come back in 2 h; see https://ca.example/limits", "staging"]);
}

#[test]
fn an_endless_wait_that_is_asked_for_is_told_and_not_kept_to() {
    let (stub, bench) = ready("");
    let processing = json!({ "status": "processing", "authorizations": [], "finalize": "https://x/f" }).to_string();
    let head = "Retry-After: 18446744073709551615\r\n".to_owned();
    stub.say("/finalize", &[Say::This(200, head.clone(), processing.clone())]);
    stub.say("/order/1", &[Say::This(200, head, processing)]);
    let began = Instant::now();
    let ended = bench.run(&["-v", "renew"]);
    assert!(began.elapsed() < Duration::from_secs(9));
    assert_eq!(ended.code, 4);
    ended.says(&["asks to wait 24 h", "the order is still processing", "goes on with the same order"]);
}

#[test]
fn floods_lies_about_lengths_and_redirects() {
    let (stub, bench) = ready("");
    let cases = [
        (Say::Flood, "its body has more than 1024 KiB"),
        (Say::Raw(b"HTTP/1.1 201 X\r\nContent-Length: 50\r\n\r\n{}".to_vec()), "it ended after 2 of 50 bytes"),
        (Say::Raw(b"HTTP/1.1 201 X\r\nContent-Length: 99999999999\r\n\r\n{}".to_vec()), "its body has more than"),
        (Say::Raw(b"SSH-2.0-x\r\n\r\n".to_vec()), "no HTTP"),
        (
            Say::This(307, "Location: file:///etc/shadow\r\n".into(), String::new()),
            "it redirects to file:///etc/shadow, which is not followed",
        ),
        (Say::This(502, String::new(), "<html>".into()), "it answers 502 Bad Gateway without a reason"),
        (Say::This(201, String::new(), "{}".into()), "does not keep to the protocol"),
        (Say::Nothing, "127.0.0.1"),
    ];
    for (say, why) in cases {
        stub.say("/order", &[say]);
        let ended = bench.run(&["renew"]);
        assert_eq!(ended.code, 4, "{why}: {ended:?}");
        ended.says(&[why]);
    }
    assert_eq!(bench.leaf().title(), "rcgen self signed cert");
}

#[test]
fn a_server_that_never_finishes_has_one_deadline() {
    let (stub, bench) = ready("");
    stub.say("/order", &[Say::Trickle]);
    let began = Instant::now();
    let ended = bench.run(&["renew"]);
    assert_eq!(ended.code, 4);
    ended.says(&["did not finish within 10 s: it was waited for its answer"]);
    assert!(began.elapsed() < Duration::from_secs(14), "{:?}", began.elapsed());
}

/// Gone between the finalizing and the download: the next run goes on with the same order, and the key is the same.
#[test]
fn a_server_that_disappears_half_way_is_gone_on_with() {
    let (stub, bench) = ready("");
    stub.say("/cert", &[Say::Nothing]);
    assert_eq!(bench.run(&["renew"]).code, 4);
    let key = std::fs::read_to_string(bench.path("state/acme/order/web.p256")).unwrap();
    stub.forget();
    bench.run(&["-v", "renew"]).good().says(&["an earlier run's order is gone on with"]);
    assert_eq!(
        (bench.names(), stub.asked("/order").iter().filter(|one| !one.is_null()).count()),
        (vec!["www.example.org".to_owned()], 1)
    );
    assert!(key.contains("PRIVATE KEY"));
}

#[test]
fn an_order_that_is_invalid_is_told_and_not_gone_on_with() {
    let (stub, bench) = ready("");
    let invalid = json!({
        "status": "invalid", "authorizations": [], "finalize": "https://x/f",
        "error": { "type": "urn:ietf:params:acme:error:badCSR", "detail": "no such key" },
    });
    stub.say("/finalize", &[Say::This(200, String::new(), invalid.to_string())]);
    let ended = bench.run(&["renew"]);
    assert_eq!(ended.code, 4);
    ended.says(&["the order ended without a certificate: no such key (badCSR)"]);
    stub.say(
        "/order/1",
        &[Say::This(200, String::new(), invalid.to_string()), Say::This(200, String::new(), invalid.to_string())],
    );
    stub.say("/finalize", &[Say::Nothing]);
    assert_eq!(bench.run(&["renew"]).code, 4);
    stub.forget();
    // A limit or a server in trouble is no last word: the order is gone on with.
    let placed = || stub.asked("/order").iter().filter(|one| one["identifiers"].is_array()).count();
    stub.say("/finalize", &[problem(500, "", "serverInternal", "later")]);
    assert_eq!(bench.run(&["renew"]).code, 4);
    let before = placed();
    stub.forget();
    bench.run(&["renew"]).good();
    assert_eq!(placed(), before);
}

/// A limit on questions is no word about the order.
#[test]
fn an_order_that_cannot_be_looked_at_for_now_is_kept() {
    let (stub, bench) = ready("");
    stub.say("/cert", &[Say::Nothing]);
    assert_eq!(bench.run(&["renew"]).code, 4);
    let placed = || stub.asked("/order").iter().filter(|one| one["identifiers"].is_array()).count();
    for refusal in [
        problem(429, "", "rateLimited", "slowly"),
        problem(503, "", "", "in trouble"),
        // The document need not say it again (RFC 7807 section 3.1).
        Say::This(503, String::new(), json!({ "detail": "in trouble" }).to_string()),
        problem(500, "", "serverInternal", "in trouble"),
    ] {
        stub.say("/order/1", &[refusal]);
        let ended = bench.run(&["renew"]);
        assert_eq!((ended.code, placed()), (4, 1), "{ended:?}");
    }
    stub.forget();
    bench.run(&["-v", "renew"]).good().says(&["an earlier run's order is gone on with"]);
    assert_eq!(placed(), 1);
}

#[test]
fn nonces_that_are_refused_are_tried_again() {
    let (stub, bench) = ready("");
    let bad = problem(400, "", "badNonce", "no");
    let order = json!({ "status": "ready", "authorizations": [], "finalize": format!("https://127.0.0.1:{}/finalize", stub.port) });
    let good = Say::This(201, format!("Location: https://127.0.0.1:{}/order/1\r\n", stub.port), order.to_string());
    stub.say("/order", &[bad.clone(), bad.clone(), bad.clone(), bad.clone(), bad.clone(), good]);
    bench.run(&["renew"]).good();
    stub.say("/order", &[bad]);
    bench.configure(&["other.example.org"], "listen = \"127.0.0.1:0\"", "");
    let ended = bench.run(&["renew"]);
    assert_eq!(ended.code, 4);
    ended.says(&["badNonce"]);
}

/// RFC 9773: the window is asked for once, kept as long as its Retry-After says, and leads to a renewal that names what it replaces.
#[test]
fn the_ca_tells_when_to_renew() {
    let (stub, bench) = ready("profile = \"shortlived\"");
    bench.run(&["renew"]).good();
    assert_eq!(stub.asked("/order")[0]["profile"], "shortlived");
    let window = |from: i64, to: i64| {
        let at = |hours: i64| {
            let time = time::OffsetDateTime::now_utc() + time::Duration::hours(hours);
            time.format(&time::format_description::well_known::Rfc3339).unwrap()
        };
        let body = json!({ "suggestedWindow": { "start": at(from), "end": at(to) }, "explanationURL": "https://ca.example/why" });
        Say::This(200, "Retry-After: 21600\r\n".to_owned(), body.to_string())
    };
    let id = ari_id(&bench);
    stub.say(&format!("/ari/{id}"), &[window(100, 200)]);
    let first = bench.leaf();
    bench.run(&["renew"]).good();
    assert_eq!(stub.asked("/ari/").len(), 1);
    let asked = stub.all_asked();
    bench.run(&["renew"]).good();
    assert_eq!(stub.all_asked(), asked, "nobody is asked until Retry-After is over");
    assert_eq!(bench.leaf(), first);

    // The time is over; a dry run and the hook after upgrades ask nobody; and now the window has begun.
    let file = bench.path("state/acme/renewal/web");
    let stale = |file: &std::path::Path| {
        let mut kept: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        kept["next"] = "2020-01-01T00:00:00Z".into();
        std::fs::write(file, kept.to_string()).unwrap();
    };
    stale(&file);
    bench.run(&["--dry-run", "renew"]).good();
    bench.run(&["post-upgrade", "--strict"]).good();
    assert_eq!(stub.all_asked(), asked);
    stub.say(&format!("/ari/{id}"), &[Say::Nothing]);
    bench.run(&["renew"]).good().says(&["could not be asked when to renew"]);
    assert_eq!(bench.leaf(), first, "that it could not be asked changes nothing");
    stale(&file);
    stub.say(&format!("/ari/{id}"), &[window(-200, -100)]);
    bench.run(&["renew"]).good().says(&["the CA would have it renewed now", "https://ca.example/why"]);
    assert_ne!(bench.leaf(), first);
    let last = stub.asked("/order").into_iter().rfind(|one| one["identifiers"].is_array()).unwrap();
    assert_eq!(last["replaces"], id.as_str());
}

/// RFC 9773 section 4.1, made by hand: the key identifier and the serial number's octets, a leading zero of the sign included.
fn ari_id(bench: &Bench) -> String {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    let der = bench.leaf().der().to_vec();
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
    let key = BASE64_URL_SAFE_NO_PAD.encode(bench.leaf().aki().unwrap());
    format!("{key}.{}", BASE64_URL_SAFE_NO_PAD.encode(parsed.raw_serial()))
}

/// What the server would have proved is held against what was ordered, and a token that could lead out of a folder is none.
#[test]
fn authorizations_that_were_not_asked_for() {
    let (stub, bench) = ready("");
    let base = format!("https://127.0.0.1:{}", stub.port);
    let authorizations = [format!("{base}/authorization")];
    let order =
        json!({ "status": "pending", "authorizations": authorizations, "finalize": format!("{base}/finalize") });
    let placed = Say::This(201, format!("Location: {base}/order/1\r\n"), order.to_string());
    let authorization = |status: &str, name: &str, kind: &str, token: &str| {
        let challenge =
            json!({ "type": kind, "url": format!("{base}/challenge"), "token": token, "status": "pending" });
        let identifier = json!({ "type": "dns", "value": name });
        let body = json!({ "status": status, "identifier": identifier, "challenges": [challenge] });
        Say::This(200, String::new(), body.to_string())
    };
    let token = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
    let cases = [
        (
            authorization("pending", "evil.example.org", "http-01", token),
            "it wants \"evil.example.org\" proved, which was not ordered",
        ),
        (
            authorization("pending", "www.example.org", "dns-01", token),
            "offers no http-01 for www.example.org, only dns-01",
        ),
        (
            authorization("pending", "www.example.org", "http-01", "../../../etc/cron.d/x"),
            "the token of a challenge is not valid",
        ),
        (authorization("pending", "www.example.org", "http-01", ""), "the token of a challenge is not valid"),
        (
            authorization("expired", "www.example.org", "http-01", token),
            "the authorization of www.example.org is expired",
        ),
    ];
    for (authorization, why) in cases {
        stub.say("/order", std::slice::from_ref(&placed));
        stub.say("/order/1", &[Say::This(404, String::new(), json!({ "detail": "gone" }).to_string())]);
        stub.say("/authorization", &[authorization]);
        let ended = bench.run(&["renew"]);
        assert_eq!(ended.code, 4, "{ended:?}");
        ended.says(&[why]);
        assert!(stub.asked("/challenge").is_empty(), "the server was not told to look");
    }
    // The same name again and again would be put in place again and again.
    let twice = json!({
        "status": "pending", "authorizations": [format!("{base}/authorization"), format!("{base}/authorization")],
        "finalize": format!("{base}/finalize"),
    });
    stub.say("/order", &[Say::This(201, format!("Location: {base}/order/1\r\n"), twice.to_string())]);
    stub.say("/authorization", &[authorization("pending", "www.example.org", "http-01", token)]);
    let ended = bench.run(&["renew"]);
    assert_eq!(ended.code, 4);
    ended.says(&["it wants \"www.example.org\" proved more than once"]);
    assert_eq!(bench.leaf().title(), "rcgen self signed cert");
}

/// What is said to an exchange of keys may be another's word than the server's, and the server's own may be lost: only what it knows counts.
#[test]
fn an_exchange_of_keys_whose_answer_is_not_the_last_word() {
    let (stub, bench) = ready("");
    let next = bench.path("state/acme/account/default/key.next");
    let key = || std::fs::read(bench.path("state/acme/account/default/key")).unwrap();
    let roll = || bench.run(&["acme", "account", "roll-key", "default"]);
    let lost = problem(504, "", "", "the gateway waited too long");
    let unknown = problem(400, "", "accountDoesNotExist", "who?");

    // The server has taken it.
    let before = key();
    stub.say("/key-change", std::slice::from_ref(&lost));
    roll().good();
    assert!(key() != before && !next.exists());

    // It has not.
    let before = key();
    stub.say("/account", std::slice::from_ref(&unknown));
    let ended = roll();
    assert_eq!(ended.code, 4);
    ended.says(&["the gateway waited too long"]);
    assert!(key() == before && !next.exists());

    // Nobody knows yet: both stay, and a later run finds out.
    stub.say("/account", &[problem(504, "", "", "the gateway waited too long")]);
    assert_eq!(roll().code, 4);
    let following = std::fs::read(&next).unwrap();
    assert_eq!(key(), before);
    let account = |number: u8| {
        Say::This(201, format!("Location: https://127.0.0.1:{}/account/{number}\r\n", stub.port), "{}".to_owned())
    };
    stub.say("/account", &[account(2)]);
    let ended = roll();
    assert_eq!(ended.code, 4);
    ended.says(&["it names another account, https://127.0.0.1:", "both keys are kept"]);
    assert!(key() == before && std::fs::read(&next).unwrap() == following);
    let (directory, root) = (stub.directory(), stub.root().display().to_string());
    let create = || bench.run(&["acme", "account", "create", "--directory", &directory, "--root", &root]);
    assert_eq!(create().code, 4);
    assert_eq!(std::fs::read(&next).unwrap(), following);
    stub.forget();
    create().good();
    assert!(key() == following && !next.exists(), "made again by the same words, it ends what was begun");
}

/// Killed between the commit and the clearing of the shelf: what lies there has been in service, and may be why another is wanted.
#[test]
fn what_was_installed_is_not_taken_from_the_shelf_again() {
    let (_stub, bench) = ready("");
    let source = "listen = \"127.0.0.1:0\"\ndeadline = 10";
    bench.configure(&["www.example.org"], source, "reload = [\"/bin/false\"]");
    assert_eq!(bench.run(&["renew"]).code, 5);
    let order = std::fs::read_dir(bench.path("state/acme/order")).unwrap().next().unwrap().unwrap().path();
    let shelf = std::fs::read(&order).unwrap();
    bench.configure(&["www.example.org"], source, "");
    bench.run(&["-v", "renew"]).good().says(&["taken from the shelf"]);
    let first = bench.leaf();
    assert!(!order.exists());

    std::fs::write(&order, &shelf).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["www.example.org".to_owned()]).unwrap();
    std::fs::write(bench.path("other.pem"), other.cert.pem()).unwrap();
    std::fs::write(bench.path("other.key"), other.signing_key.serialize_pem()).unwrap();
    let [pem, key] = ["other.pem", "other.key"].map(|name| bench.path(name).display().to_string());
    bench.run(&["install", "web", "--cert", &pem, "--key", &key, "--force", "--downgrade"]).good();
    assert!(!order.exists(), "the key of what was in service goes with the next change");

    std::fs::write(&order, &shelf).unwrap();
    bench.run(&["stage", "web", "--force", "--downgrade"]).good();
    bench.run(&["activate", "web"]).good();
    assert_ne!(bench.leaf().spki_digest(), first.spki_digest());
    assert_eq!(bench.names(), ["www.example.org"]);
}
