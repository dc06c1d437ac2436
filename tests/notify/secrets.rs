//! No secret of a channel gets to where it does not belong.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::ground::{Does, Ground, Receiver, TOKEN};

const PASSWORD: &str = "canary-pa55word-0f-mail";
const KEY: &str = "canary-hmac-key-7c0ffee7";

#[test]
fn no_secret_in_any_output_argument_environment_state_or_log() {
    let (ground, receiver) = (Ground::new(), Receiver::new());
    let port = receiver.port;
    let url = ground.write("url", format!("http://127.0.0.1:{port}/services/{TOKEN}?key={TOKEN}\n"), 0o600);
    let bad = ground.write("bad-url", format!("http//{TOKEN} /x\n"), 0o600);
    let key = ground.write("key", KEY, 0o600);
    let token = ground.write("token", TOKEN, 0o600);
    let password = ground.write("password", PASSWORD, 0o600);
    let mail = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mail_port = mail.local_addr().unwrap().port();
    // A mail server that repeats what it hears.
    std::thread::spawn(move || {
        use std::io::{BufRead, BufReader, Write};
        for socket in mail.incoming().map_while(Result::ok) {
            let mut out = socket.try_clone().unwrap();
            let _ = out.write_all(b"220 hello\r\n");
            let mut lines = BufReader::new(socket).lines().map_while(Result::ok);
            let _ = lines.next();
            let _ = out.write_all(b"250-here\r\n250 AUTH LOGIN\r\n");
            for answer in ["334 VXNlcg==", "334 UGFzcw=="] {
                let _ = lines.next();
                let _ = out.write_all(format!("{answer}\r\n").as_bytes());
            }
            let heard = lines.next().unwrap_or_default();
            let _ = out
                .write_all(format!("535-no: {heard} {PASSWORD}\r\n535 {}{PASSWORD}\r\n", "x".repeat(230)).as_bytes());
        }
    });
    let text = format!(
        "[[notify]]\nname = \"hook\"\nkind = \"webhook\"\nurl_file = {url:?}\nkey_file = {key:?}\ntoken_file = {token:?}\nlimit = 2\n\
         [[notify]]\nname = \"bad\"\nkind = \"webhook\"\nurl_file = {bad:?}\nlimit = 2\n\
         [[notify]]\nname = \"mail\"\nkind = \"smtp\"\nserver = \"127.0.0.1:{mail_port}\"\nfrom = \"a@example.org\"\n\
         to = [\"b@example.org\"]\nuser = \"me\"\npassword_file = {password:?}\nlimit = 2\n\
         [[notify]]\nname = \"tell\"\nkind = \"command\"\ncommand = [\"/bin/sh\", \"-c\", \"cat > {0}/told; cat /proc/*/cmdline > {0}/lines; cat /proc/*/environ > {0}/environments; exit 0\"]\n\
         [ping]\nurl_file = {url:?}\nlimit = 2\n[metrics]\ntextfile = \"{0}/reseal.prom\"\n",
        ground.dir.path().display()
    );
    ground.configure(&text);
    let mut said = String::new();
    let echo =
        format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/services/{TOKEN}\r\ncontent-length: 0\r\n\r\n");
    let body = format!("no such hook: /services/{TOKEN}?key={TOKEN}, signed {KEY}");
    let told = format!("HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    // Said again where an answer is cut: a part of it would not be known for what it is.
    let body = format!("{}{TOKEN}", "x".repeat(190));
    let cut = format!("HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    // A part of it, and all of it in other letters: by neither would it be found.
    let lower = echo.replace(TOKEN, &TOKEN.to_uppercase());
    let body = format!("no such hook: {}...", &TOKEN[..14]);
    let part = [404, 200]
        .map(|status| Does::Answers(format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len())));
    let usual = [Does::status("200 OK"), Does::Answers(echo), Does::Answers(told), Does::Answers(cut), Does::Hangs];
    for does in usual.into_iter().chain([Does::Answers(lower)]).chain(part) {
        receiver.does(&[does]);
        for line in [
            "notify test",
            "notify test ping",
            "notify status",
            "--format json notify status",
            "--format json notify test",
            "renew --quiet",
            "renew --dry-run",
            "check --notify -v",
            "status",
            "secret status",
            "--format json secret status",
        ] {
            let ran = ground.run(line);
            said.push_str(&format!("{}{}", ran.out, ran.err));
        }
    }
    assert!(said.contains("bad: NOT delivered") && said.contains("the address cannot be asked"), "{said}");
    assert!(said.contains("refused the login"), "{said}");
    // Not by a program: its arguments would be found by a channel of this test that runs elsewhere at the same time.
    let marks = [TOKEN.to_owned(), PASSWORD.to_owned(), KEY.to_owned(), STANDARD.encode(PASSWORD)];
    let parts = [TOKEN, PASSWORD].map(|secret| secret[..12].to_owned());
    for mark in marks.iter().chain(&parts).chain(&[TOKEN.to_uppercase()]) {
        assert!(!said.contains(mark), "{mark} is in {}", said.lines().find(|line| line.contains(mark)).unwrap());
    }
    let own = ["url", "bad-url", "key", "token", "password"].map(|name| ground.path(name));
    let mut waiting = vec![ground.dir.path().to_owned()];
    let mut files = 0;
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                waiting.push(path);
            } else if !own.contains(&path) {
                files += 1;
                let bytes = fs::read(&path).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes);
                for mark in &marks {
                    assert!(!text.contains(mark.as_str()), "{mark} is in {}", path.display());
                }
            }
        }
    }
    assert!(files > 6 && ground.path("environments").exists() && ground.path("state/notify/record").exists());
}

#[test]
fn a_secret_in_the_configuration_is_refused_without_repeating_it() {
    let ground = Ground::new();
    for (shape, url) in [
        ("slack", format!("https://hooks.example/services/{TOKEN}")),
        ("teams", format!("https://x.example/{TOKEN}")),
        ("reseal", format!("https://x.example/hook?token={TOKEN}")),
        ("reseal", format!("https://user:{TOKEN}@x.example/hook")),
    ] {
        ground.configure(&format!(
            "[[notify]]\nname = \"a\"\nkind = \"webhook\"\nshape = \"{shape}\"\nurl = \"{url}\"\n"
        ));
        let ran = ground.run("notify test").ends(2).says(&["url_file"]);
        assert!(!ran.err.contains(TOKEN) && !ran.out.contains(TOKEN), "{ran:?}");
    }
}

#[test]
fn a_secret_that_others_can_read_or_that_is_missing_is_told() {
    let (ground, receiver) = (Ground::new(), Receiver::new());
    let url = ground.write("url", format!("http://127.0.0.1:{}/{TOKEN}", receiver.port), 0o644);
    ground.configure(&format!("[[notify]]\nname = \"a\"\nkind = \"webhook\"\nurl_file = {url:?}\n"));
    ground.run("notify test").ends(4).says(&["others can read or change it", "mode 0600"]);
    ground.configure("[[notify]]\nname = \"a\"\nkind = \"webhook\"\n");
    ground.run("notify test").ends(4).says(&["there is no secret notify-a-url", " secret set notify-a-url`"]);
    ground.run("secret status").ends(3).says(&["notify-a-url", "what the channel a is told with"]);
    assert!(receiver.came().is_empty());
    // systemd's credential is one of the sources.
    fs::create_dir(ground.path("credentials")).unwrap();
    ground.write("credentials/reseal.notify-a-url", format!("http://127.0.0.1:{}/{TOKEN}", receiver.port), 0o400);
    let mut command = ground.command("notify test");
    command.env("CREDENTIALS_DIRECTORY", ground.path("credentials"));
    assert!(command.output().unwrap().status.success());
    assert_eq!(receiver.came()[0].path(), format!("/{TOKEN}"));
}
