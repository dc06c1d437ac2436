use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/reseal/reseal.toml"))
}

/// `line:column: message (hint)` for each problem.
fn problems(text: &str) -> Vec<String> {
    let error = parse(text).expect_err(text).to_string();
    error.lines().map(|line| line.strip_prefix("/etc/reseal/reseal.toml:").unwrap_or(line).to_owned()).collect()
}

const WHOLE: &str = r#"
[defaults]
state_dir = "/srv/state"
live_dir = "/srv/live"
verify_timeout = 60
settle = 500
probe_timeout = 3
keep = 4
renew_before = 20

[ca.office]
passphrase_file = "/root/office"

[[target]]
name = "web"
kind = "files"
names = ["*.Example.org", "www.example.org", "192.0.2.7", "www.example.org"]
listen = ["127.0.0.1:443", { address = "mail.example.org:443", name = "mail.example.org" }]
certificate = "/etc/ssl/web.pem"
key = "/etc/ssl/private/web.key"
chain = "/etc/ssl/web.chain.pem"
check = ["/usr/sbin/haproxy", "-c"]
reload = { argv = ["/bin/systemctl", "reload", "x"], timeout = 7 }
restart = ["/bin/systemctl", "restart", "x"]
probe = ["/usr/bin/true"]
service_user = "www-data"
[target.source]
kind = "local-ca"
ca = "office"
days = 200
key_type = "rsa3072"
[target.policy]
renew_before = "1/4"
prepare_before = 90
window = "Sat,Sun 02:00-04:00 Europe/Berlin"
keep_key = true
min_free_mb = 5
must_not_run = ["console"]
keep = 2
after_upgrade = "report"

[[target]]
name = "proxy"
kind = "files"
names = ["a.example"]
combined = "/etc/haproxy/site.pem"
[target.source]
kind = "import"
from = ["/a.pem", "/b.pem"]
passphrase_file = "/p"

[[target]]
name = "nginx-1"
kind = "nginx"
binary = "/opt/nginx"
conf = "/opt/nginx.conf"
prefix = "/opt"
certificate = "/opt/x.pem"
"#;

#[test]
fn every_key_has_its_meaning() {
    let config = parse(WHOLE).unwrap();
    assert_eq!(config.state_dir.as_deref(), Some(Path::new("/srv/state")));
    assert_eq!(config.live_dir.as_deref(), Some(Path::new("/srv/live")));
    assert_eq!(config.authorities["office"].passphrase_file.as_deref(), Some(Path::new("/root/office")));

    let web = config.target("web").unwrap();
    let names: Vec<String> = web.names.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["*.example.org", "www.example.org", "192.0.2.7"]);
    let tls = |address: &str, name: &str| Probe::tls(address, Some(name.to_owned()));
    assert_eq!(
        web.probes(),
        [
            tls("127.0.0.1:443", "reseal-probe.example.org"),
            tls("mail.example.org:443", "mail.example.org"),
            Probe::Command(Command::new(["/usr/bin/true"])),
        ]
    );
    let TargetKind::Files(files) = &web.kind else { panic!("{:?}", web.kind) };
    let slots: Vec<(Role, String)> =
        files.slots().into_iter().map(|slot| (slot.role, slot.path.display().to_string())).collect();
    assert_eq!(
        slots,
        [
            (Role::Leaf, "/etc/ssl/web.pem".to_owned()),
            (Role::Chain, "/etc/ssl/web.chain.pem".to_owned()),
            (Role::Key, "/etc/ssl/private/web.key".to_owned()),
        ]
    );
    assert_eq!(web.apply.check, Some(Command::new(["/usr/sbin/haproxy", "-c"])));
    assert_eq!(web.apply.reload.as_ref().map(|command| command.timeout), Some(7));
    assert_eq!(web.apply.restart, Some(Command::new(["/bin/systemctl", "restart", "x"])));
    assert_eq!(web.service_user.as_deref(), Some("www-data"));
    assert_eq!(web.source, SourceConfig::LocalCa { ca: "office".to_owned(), days: 200, key: Generate::Rsa3072 });
    assert_eq!(
        web.policy,
        Policy {
            renew_before: RenewBefore::Fraction { left: 1, of: 4 },
            prepare_before: RenewBefore::Days(90),
            window: vec!["Sat,Sun 02:00-04:00 Europe/Berlin".parse().unwrap()],
            verify_timeout: Duration::from_mins(1),
            settle: Duration::from_millis(500),
            probe_timeout: Duration::from_secs(3),
            keep: 2,
            keep_key: true,
            min_free: 5 << 20,
            must_not_run: vec!["console".to_owned()],
            trust: Vec::new(),
            after_upgrade: AfterUpgrade::Report,
        }
    );

    let proxy = config.target("proxy").unwrap();
    assert_eq!(proxy.kind, TargetKind::Files(FilesConfig::Combined(PathBuf::from("/etc/haproxy/site.pem"))));
    assert_eq!(
        proxy.source,
        SourceConfig::Import {
            from: vec![PathBuf::from("/a.pem"), PathBuf::from("/b.pem")],
            passphrase_file: Some(PathBuf::from("/p")),
            alias: None,
        }
    );
    assert_eq!(proxy.policy.renew_before, RenewBefore::Days(20), "from [defaults]");

    let nginx = config.target("nginx-1").unwrap();
    assert_eq!(nginx.source, SourceConfig::None);
    assert_eq!(
        nginx.kind,
        TargetKind::Nginx(NginxConfig {
            binary: PathBuf::from("/opt/nginx"),
            conf: Some(PathBuf::from("/opt/nginx.conf")),
            prefix: Some(PathBuf::from("/opt")),
            certificate: Some(PathBuf::from("/opt/x.pem")),
        })
    );
}

#[test]
fn an_empty_file_is_a_configuration_of_nothing() {
    let config = parse("").unwrap();
    assert!(config.targets.is_empty());
    assert!(parse("\u{feff}# comment only\n").unwrap().targets.is_empty());
}

#[test]
fn listeners_are_written_as_endpoints_are() {
    let text = "[[target]]\nname='a'\nkind='files'\nnames=['mail.example']\ncombined='/c'\n\
                listen=['smtp://MAIL.example', 'mail.example:imap', 'ldap://[::1]:390', 'https://mail.example', '[::1]:443',\n\
                { address = 'imap://192.0.2.1', name = 'other.example' }]\n";
    let probes: Vec<String> = parse(text).unwrap().targets[0].probes().iter().map(ToString::to_string).collect();
    assert_eq!(
        probes,
        [
            "smtp://mail.example:25 (mail.example)",
            "imap://mail.example:143 (mail.example)",
            "ldap://[::1]:390 (mail.example)",
            "mail.example:443 (mail.example)",
            "[::1]:443 (mail.example)",
            "imap://192.0.2.1:143 (other.example)",
        ]
    );
}

#[test]
fn every_problem_of_a_file_is_told_in_its_order() {
    let text = r#"[defaults]
verfy_timeout = 30
keep = "ten"
settle = 70000

[[target]]
name = "web"
kind = "files"
names = ["www.example.org", "two words"]
listen = ["443"]
certificate = "web.pem"
key = "/k"
reload = "systemctl reload nginx"

[[target]]
name = "../web"
kind = "ngnix"
names = []
check = ["nginx", "-t"]
passwort = "x"
"#;
    assert_eq!(
        problems(text),
        [
            "2:1: unknown key `verfy_timeout` in [defaults] (did you mean `verify_timeout`? known here: state_dir, live_dir, \
             verify_timeout, settle, probe_timeout, keep, min_free_mb, renew_before, prepare_before, window, keep_key, must_not_run, trust, \
             after_upgrade)",
            "3:8: `keep` in [defaults] must be a whole number; this is a string",
            "4:10: `settle` in [defaults] is 70000, not 0 to 60000",
            "9:29: `names` in target \"web\": \"two words\" cannot stand between the dots of the name \"two words\"",
            "10:11: `listen` in target \"web\" is no address: \"443\" names no port (an endpoint is `host:port`, `[v6]:port` or `smtp://host`)",
            "11:15: `certificate` in target \"web\" must be an absolute path",
            "13:10: `reload` in target \"web\" must be a list of the program and its arguments; this is a string",
            "15:1: `names` in target \"../web\" is empty",
            "16:8: the name of a target must start with a letter or digit: \"../web\"",
            "17:8: unknown kind \"ngnix\" of target \"../web\" (did you mean \"nginx\"?)",
            "19:10: `check` in target \"../web\" must start with an absolute path, not \"nginx\" (no shell reads it: the \
             program's absolute path, then one item for each argument)",
            "20:1: unknown key `passwort` in target \"../web\" (known here: name, kind, certificate, key, chain, combined, \
             binary, conf, prefix, names, listen, check, reload, restart, probe, service_user, source, needs_client_auth, hooks, policy)",
        ]
    );
}

/// Wrong files of one problem each, and the beginning of what is said.
const WRONG: &[(&str, &str)] = &[
    ("a = ", "1:5: this is no TOML: "),
    ("[defaults]\nkeep = 1\nkeep = 2\n", "3:1: this is no TOML: "),
    ("target = 1\n", "1:10: `target` in the file must be a list; this is a whole number"),
    ("target = [1]\n", "1:11: a target is a table: write [[target]]"),
    ("[target]\nname = \"a\"\n", "1:1: `target` in the file must be a list; this is a table"),
    ("[default]\n", "1:2: unknown key `default` in the file (did you mean `defaults`?"),
    ("[defaults]\nkeep = 0\n", "2:8: `keep` in [defaults] is 0, not 1 to 10000"),
    ("[defaults]\nkeep = -1\n", "2:8: `keep` in [defaults] is -1, not 1 to 10000"),
    ("[defaults]\nkeep = 99999999999999999999\n", "2:8: `keep` in [defaults] is 99999999999999999999, not 1 to 10000"),
    ("[defaults]\nrenew_before = \"3/1\"\n", "2:16: `renew_before` in [defaults] is neither"),
    ("[defaults]\nrenew_before = 30\nprepare_before = 20\n", "3:18: `prepare_before` is less than `renew_before`"),
    ("[defaults]\nrenew_before = \"1/3\"\nprepare_before = \"1/4\"\n", "3:18: `prepare_before` is less"),
    ("[defaults]\nrenew_before = 0.3\n", "2:16: `renew_before` in [defaults] is neither"),
    ("[defaults]\nstate_dir = \"state\"\n", "2:13: `state_dir` in [defaults] must be an absolute path"),
    ("[defaults]\nstate_dir = \"/\"\n", "2:13: `state_dir` in [defaults] names no file: \"/\""),
    ("[hooks]\ndirectory = \"hooks\"\n", "2:13: `directory` in [hooks] must be an absolute path"),
    ("[hooks]\ncertbot = true\n", "2:1: unknown key `certbot` in [hooks]"),
    ("[hooks]\ntimeout = 0\n", "2:11: `timeout` in [hooks] is 0, not 1 to 3600"),
    ("[ca.\"../x\"]\n", "1:5: the name of a CA must start with a letter or digit: \"../x\""),
    ("[ca.x]\npassphrase = \"geheim\"\n", "2:1: unknown key `passphrase` in [ca.x] (did you mean `passphrase_file`?"),
    ("[ca]\nx = 1\n", "2:5: `x` in [ca] is no table (write [ca.x])"),
];

/// The same within a target that is otherwise right: `FILES` stands for it, up to its third line.
const WRONG_TARGET: &[(&str, &str)] = &[
    ("", "1:1: target \"a\" has no `certificate`"),
    ("certificate = \"/c\"", "1:1: target \"a\" has no `key`"),
    ("combined = \"/c\"\nkey = \"/k\"", "1:1: target \"a\" has both `combined` and `key`"),
    ("certificate = \"/c\"\nkey = \"/c\"", "6:7: the file /c is there twice"),
    ("combined = \"/c\"\nnaems = []", "6:1: unknown key `naems` in target \"a\" (did you mean `names`?"),
    ("combined = \"/c\"\nbinary = \"/n\"", "6:1: unknown key `binary` in target \"a\" (known here: "),
    ("combined = \"/c\"\nlisten = [1]", "6:11: `listen` in target \"a\" holds something that is no address"),
    ("combined = \"/c\"\nlisten = [{ name = \"x.example\" }]", "6:11: `listen` in target \"a\" has no `address`"),
    (
        "combined = \"/c\"\nlisten = [{ address = \"h:1\", name = \"192.0.2.1\" }]",
        "6:37: a client cannot ask for \"192.0.2.1\"",
    ),
    (
        "combined = \"/c\"\nlisten = [\"h:1\", \"gopher://h:70\"]",
        "6:18: `listen` in target \"a\" is no address: \"gopher\" in \"gopher://h:70\" is not a protocol that can be asked \
         for its certificate (known are https, smtp, lmtp, imap, ",
    ),
    (
        "combined = \"/c\"\nlisten = [{ address = \"smtp:/h:25\" }]",
        "6:23: `listen` in target \"a\" is no address: \"/h:25\" in \"smtp:/h:25\" is not part of an endpoint (",
    ),
    (
        "combined = \"/c\"\nlisten = [\"smtp://h:0\"]",
        "6:11: `listen` in target \"a\" is no address: \"0\" in \"smtp://h:0\" is neither a port nor a known service (",
    ),
    (
        "combined = \"/c\"\nlisten = [\"imap://::1:143\"]",
        "6:11: `listen` in target \"a\" is no address: the IPv6 address in \"imap://::1:143\" needs brackets: \
         \"imap://[::1]:143\"",
    ),
    (
        "combined = \"/c\"\nlisten = [\"300.1.2.3:443\"]",
        "6:11: `listen` in target \"a\" is no address: \"300.1.2.3\" in",
    ),
    ("combined = \"/c\"\nlisten = [\"\"]", "6:11: `listen` in target \"a\" is no address: \"\" names no host"),
    ("combined = \"/c\"\nreload = []", "6:10: `reload` in target \"a\" is empty"),
    ("combined = \"/c\"\nreload = [\"/x\", 1]", "6:17: `reload` in target \"a\" must be a list of strings"),
    ("combined = \"/c\"\nreload = { timeout = 1 }", "6:10: `reload` in target \"a\" has no `argv`"),
    (
        "combined = \"/c\"\nreload = { argv = [\"/x\"], timeout = 0 }",
        "6:37: `timeout` in `reload` in target \"a\" is 0",
    ),
    ("combined = \"/c\"\nreload = [\"/x\\u0000\"]", "6:11: `reload` in target \"a\" has a NUL character in it"),
    ("combined = \"/c\"\nservice_user = \"a:b\"", "6:16: `service_user` in target \"a\" is no name of a user"),
    ("combined = \"/c\"\nsource = \"import\"", "6:10: `source` in target \"a\" must be a table; this is a string"),
    ("combined = \"/c\"\n[target.source]", "6:1: [target.source] of target \"a\" has no `kind`"),
    ("combined = \"/c\"\n[target.source]\nkind = \"local_ca\"", "7:8: unknown kind \"local_ca\""),
    ("combined = \"/c\"\n[target.source]\nkind = \"local-ca\"\ndays = 201", "8:8: `days` in [target.source]"),
    (
        "combined = \"/c\"\n[target.source]\nkind = \"local-ca\"\nkey_type = \"dsa\"",
        "8:12: unknown kind of key \"dsa\"",
    ),
    ("combined = \"/c\"\n[target.source]\nkind = \"local-ca\"\nfrom = []", "8:1: unknown key `from`"),
    ("combined = \"/c\"\n[target.source]\nkind = \"import\"", "6:1: [target.source] of target \"a\" has no `from`"),
    ("combined = \"/c\"\n[target.source]\nkind = \"import\"\nfrom = [\"x\"]", "8:9: `from` in [target.source]"),
    (
        "combined = \"/c\"\n[target.source]\nkind = \"import\"\nfrom = [\"/x\"]\npassphrase_file = \"geheim\"",
        "9:19: `passphrase_file` in [target.source] of target \"a\" must be an absolute path",
    ),
    ("combined = \"/c\"\n[target.policy]\nmust_not_run = [\"/bin/x\"]", "7:17: `must_not_run` in [target.policy]"),
    ("combined = \"/c\"\n[target.policy]\nkeep_key = \"no\"", "7:12: `keep_key` in [target.policy]"),
    ("combined = \"/c\"\n[target.policy]\nafter_upgrade = \"pray\"", "7:17: `after_upgrade` in [target.policy]"),
    (
        "combined = \"/c\"\n[[target]]\nname = \"a\"\nkind = \"nginx\"\ncertificate = \"/d\"",
        "7:8: the target \"a\" is there twice",
    ),
    (
        "combined = \"/c\"\n[[target]]\nname = \"b\"\nkind = \"files\"\nnames = [\"x\"]\ncombined = \"/c\"",
        "10:12: the file /c is there twice",
    ),
    ("combined = \"/c\"\n[[target]]\nname = \"b\"\nkind = \"nginx\"", "6:1: target \"b\" has no `names`"),
];

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let target = |rest: &str| format!("[[target]]\nname = \"a\"\nkind = \"files\"\nnames = [\"a.example\"]\n{rest}\n");
    let within: Vec<(String, &str)> = WRONG_TARGET.iter().map(|(rest, said)| (target(rest), *said)).collect();
    let alone = WRONG.iter().map(|(text, said)| ((*text).to_owned(), *said));
    for (text, said) in alone.chain(within) {
        let all = problems(&text);
        assert!(all[0].starts_with(said), "{text}\n{all:#?}\ninstead of {said}");
        assert!(!all.concat().contains("geheim"), "a secret in the wrong place is not repeated: {all:?}");
    }
}

#[test]
fn what_is_left_of_a_lifetime() {
    let days = time::Duration::days;
    assert_eq!(RenewBefore::Days(30).left_of(days(90)), days(30));
    assert_eq!(RenewBefore::Fraction { left: 1, of: 3 }.left_of(days(90)), days(30));
    // Days alone make no certificate due in the first third of its life; an owner's share may.
    assert_eq!(
        [30, 45, 46].map(|lives| RenewBefore::Days(30).left_of(days(lives)).whole_hours()),
        [20 * 24, 30 * 24, 30 * 24]
    );
    assert_eq!(RenewBefore::Days(30).left_of(days(6)), days(4));
    assert_eq!(RenewBefore::Fraction { left: 9, of: 10 }.left_of(days(90)), days(81));
    assert!(RenewBefore::Fraction { left: 999, of: 1000 }.left_of(time::Duration::MAX).is_positive());
}

mod generated {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// No text, not even one that is nearly right, ends otherwise than with a value or with problems that lie in it.
        #[test]
        fn reading_never_fails_without_saying_where(cut in 0..WHOLE.len(), junk in "[\\PC\n]{0,12}") {
            prop_assume!(WHOLE.is_char_boundary(cut));
            let text = format!("{}{junk}{}", &WHOLE[..cut], &WHOLE[cut..]);
            if let Err(error) = parse(&text) {
                prop_assert!(!error.problems.is_empty());
                let lines = text.lines().count() + 1;
                for problem in &error.problems {
                    prop_assert!((1..=lines).contains(&problem.line), "{problem:?}");
                }
            }
        }
    }
}

#[test]
fn names_of_which_none_is_good_are_not_called_empty() {
    let told = problems("[[target]]\nname = \"a\"\nkind = \"files\"\ncombined = \"/c\"\nnames = [\"a lan\"]\n");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("5:10: `names` in target \"a\": "), "{told:?}");
}
