use std::path::Path;

use super::*;
use crate::config::Config;

fn parse(text: &str) -> Result<Notify, String> {
    Config::parse(text, Path::new("t.toml")).map(|config| config.notify).map_err(|error| error.to_string())
}

#[test]
fn everything_has_a_default_that_is_safe() {
    let notify = parse(
        "[[notify]]\nname = \"chat\"\nkind = \"webhook\"\nshape = \"slack\"\n\
         [[notify]]\nname = \"mail\"\nkind = \"smtp\"\nserver = \"mail.example.org\"\nfrom = \"a@example.org\"\nto = [\"Ops <b@example.org>\"]\nuser = \"me\"\n\
         [[notify]]\nname = \"log\"\nkind = \"journald\"\n[ping]\n[metrics]\ntextfile = \"/x/reseal.prom\"\n",
    )
    .unwrap();
    let [chat, mail, log] = notify.channels.as_slice() else { panic!("{notify:?}") };
    assert!(!chat.on.contains(&On::Success) && chat.on.len() == 6);
    assert_eq!((chat.severity, chat.repeat, chat.limit), (Severity::Warning, Some(DAY), Duration::from_secs(20)));
    let ChannelKind::Webhook(hook) = &chat.kind else { panic!() };
    assert_eq!(hook.url, Url::Secret(SecretName { label: "notify-chat-url".to_owned(), file: None }));
    assert!(hook.key.is_none() && hook.token.is_none() && !hook.link.plain);
    let ChannelKind::Smtp(smtp) = &mail.kind else { panic!() };
    assert_eq!((smtp.port, smtp.tls), (587, MailTls::StartTls));
    assert_eq!(smtp.login.as_ref().unwrap().1.label, "notify-mail-password");
    assert_eq!(log.kind, ChannelKind::Journald { socket: "/run/systemd/journal/socket".into() });
    assert!(notify.ping.is_some() && notify.metrics.is_some() && !notify.is_empty());
    assert!(parse("").unwrap().is_empty());
}

#[test]
fn how_a_mail_server_is_spoken_to() {
    for (server, more, wanted) in [
        ("localhost:25", "", (25, MailTls::None)),
        ("[::1]:25", "", (25, MailTls::None)),
        ("127.0.0.1:25", "tls = \"starttls\"", (25, MailTls::StartTls)),
        ("mail.example.org:465", "", (465, MailTls::Implicit)),
        ("192.0.2.1:25", "tls = \"none\"", (25, MailTls::None)),
    ] {
        let text = format!(
            "[[notify]]\nname = \"m\"\nkind = \"smtp\"\nserver = \"{server}\"\nfrom = \"a@x.org\"\nto = [\"b@x.org\"]\n{more}\n"
        );
        let ChannelKind::Smtp(smtp) = parse(&text).unwrap().channels.remove(0).kind else { panic!() };
        assert_eq!((smtp.port, smtp.tls), wanted, "{server}");
    }
}

#[test]
fn mistakes_are_told() {
    let hook = "[[notify]]\nname = \"a\"\nkind = \"webhook\"\n";
    let command = "[[notify]]\nname = \"a\"\nkind = \"command\"\n";
    let mail = "[[notify]]\nname = \"a\"\nkind = \"smtp\"\nfrom = \"a@x.org\"\nto = [\"b@x.org\"]\n";
    for (text, wanted) in [
        ("notify = [1]".to_owned(), "write [[notify]]"),
        (
            "[notify]\nname = \"a\"".to_owned(),
            "`notify` in the file must be a list; this is a table (write [[notify]])",
        ),
        ("notify = 1".to_owned(), "`notify` in the file must be a list; this is a whole number"),
        ("[[notify]]\nkind = \"syslog\"".to_owned(), "has no `name`"),
        ("[[notify]]\nname = \"a\"".to_owned(), "has no `kind`"),
        ("[[notify]]\nname = \"ping\"\nkind = \"syslog\"".to_owned(), "has its own meaning"),
        ("[[notify]]\nname = \"a b\"\nkind = \"syslog\"".to_owned(), "name of a channel"),
        ("[[notify]]\nname = \"a\"\nkind = \"pager\"".to_owned(), "is \"pager\""),
        ("[[notify]]\nname = \"a\"\nkind = \"eventlog\"".to_owned(), "one of Windows"),
        (
            "[[notify]]\nname = \"a\"\nkind = \"syslog\"\n[[notify]]\nname = \"a\"\nkind = \"syslog\"".to_owned(),
            "is there twice",
        ),
        (format!("{hook}on = [\"findings\"]"), "knows no \"findings\""),
        (format!("{hook}on = []"), "is empty"),
        (format!("{hook}severity = \"bad\""), "is \"bad\""),
        (format!("{hook}repeat = \"soon\""), "is no span of time"),
        (format!("{hook}repeat = 5"), "must be a string; this is a whole number (\"30m\", \"12h\", \"1d\""),
        (format!("{hook}silence = 5"), "`silence` in channel a must be a string; this is a whole number (\"30m\""),
        (format!("{command}command = \"/bin/true\""), "this is a string (command = [\"/bin/true\"])"),
        (
            format!("{command}command = \"/bin/tell geheim\""),
            "this is a string (command = [\"/bin/tell\", ...], an item for each argument)",
        ),
        (format!("{command}command = \"true\""), "this is a string"),
        (format!("{hook}limit = 0"), "1 to 300"),
        (format!("{hook}shape = \"discord\""), "is \"discord\""),
        (format!("{hook}url = \"ftp://x/y\""), "does not begin with https"),
        (format!("{hook}url = \"https://x/y?token=1\""), "may be a secret"),
        (format!("{hook}url = \"https://me@x/y\""), "a user's name"),
        (format!("{hook}shape = \"slack\"\nurl = \"https://x/y\""), "this address is a secret"),
        (format!("{hook}url = \"https://x/y\"\nurl_file = \"/x\""), "both"),
        (format!("{hook}key_file = \"/x\"\nsigned = false"), "says no"),
        (format!("{hook}password = \"x\""), "unknown key `password`"),
        (format!("{mail}server = \"mail.example.org:0\""), "no host with a port"),
        (format!("{mail}server = \"a b:25\""), "no host with a port"),
        (format!("{mail}server = \"m.example:25\"\ntls = \"none\"\nuser = \"me\""), "password unencrypted"),
        (format!("{mail}server = \"m.example:25\"\ntls = \"ssl\""), "is \"ssl\""),
        (format!("{mail}server = \"m.example:25\"\npassword_file = \"/x\""), "no `user`"),
        (
            format!("{mail}server = \"m.example\"").replace("b@x.org", "b@x.org>\\r\\nRCPT TO:<c@x.org"),
            "no mail address",
        ),
        (format!("{mail}server = \"m.example\"").replace("a@x.org", "ä@x.org"), "no mail address"),
        ("[metrics]\n".to_owned(), "has no `textfile`"),
        ("[ping]\nurl = \"https://hc.example/x\"".to_owned(), "this address is a secret"),
    ] {
        let told = parse(&text).unwrap_err();
        assert!(told.contains(wanted), "{text}\n{told}");
        assert!(!told.contains("geheim"), "{told}");
    }
}
