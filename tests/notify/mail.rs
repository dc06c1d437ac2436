//! Mail, to a real postfix: with STARTTLS, and into a real mailbox.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::ground::Ground;

struct Postfix {
    dir: TempDir,
    port: u16,
    implicit: u16,
    child: Child,
}

fn free() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Postfix {
    /// One that puts what is for `ops` into a mailbox; none where it cannot run here.
    fn start() -> Option<Self> {
        if !Path::new("/usr/sbin/postfix").exists() || !rustix::process::geteuid().is_root() {
            println!("skipped: postfix is not installed, or this is not root");
            return None;
        }
        let dir = TempDir::new().unwrap();
        let root = dir.path().to_str().unwrap().to_owned();
        let shell = |script: &str| {
            let done = Command::new("sh").args(["-ec", &script.replace('@', &root)]).output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name.push(DnType::CommonName, "mail CA");
        let ca_key = KeyPair::generate().unwrap();
        fs::write(dir.path().join("ca.pem"), ca.self_signed(&ca_key).unwrap().pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
        fs::write(dir.path().join("key.pem"), key.serialize_pem()).unwrap();
        fs::write(dir.path().join("chain.pem"), leaf.pem()).unwrap();
        let (port, implicit) = (free(), free());
        shell("chmod 755 @; mkdir -p @/conf @/queue @/data @/mail; chown postfix @/data; chown nobody @/mail");
        fs::write(
            dir.path().join("conf/main.cf"),
            "compatibility_level = 3.6\nqueue_directory = ROOT/queue\ndata_directory = ROOT/data\ninet_interfaces = loopback-only\n\
             inet_protocols = ipv4\nmyhostname = localhost\nmydestination =\nvirtual_mailbox_domains = example.org\n\
             virtual_mailbox_base = ROOT/mail\nvirtual_mailbox_maps = inline:{ { ops@example.org = ops/ } }\n\
             virtual_uid_maps = static:65534\nvirtual_gid_maps = static:65534\nvirtual_minimum_uid = 100\n\
             smtpd_recipient_restrictions = reject_unauth_destination\nsmtpd_relay_restrictions =\nmaillog_file = ROOT/log\n\
             maillog_file_prefixes = ROOT\nsmtpd_tls_security_level = may\nsmtpd_tls_chain_files = ROOT/key.pem, ROOT/chain.pem\n\
             smtpd_tls_received_header = yes\n"
                .replace("ROOT", &root),
        )
        .unwrap();
        fs::write(
            dir.path().join("conf/master.cf"),
            format!(
                "127.0.0.1:{port} inet n - n - - smtpd\n127.0.0.1:{implicit} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n\
                 anvil unix - - n - 1 anvil\ntlsmgr unix - - n 1000? 1 tlsmgr\nrewrite unix - - n - - trivial-rewrite\n\
                 proxymap unix - - n - - proxymap\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n\
                 virtual unix - n n - - virtual\nbounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\n\
                 trace unix - - n - 0 bounce\nerror unix - - n - - error\nretry unix - - n - - error\n\
                 pickup unix n - n 60 1 pickup\nshowq unix n - n - - showq\npostlog unix-dgram n - n - 1 postlogd\n"
            ),
        )
        .unwrap();
        shell("postfix -c @/conf check");
        let daemons =
            Command::new("postconf").args(["-c", &format!("{root}/conf"), "-h", "daemon_directory"]).output().unwrap();
        let master = Path::new(String::from_utf8(daemons.stdout).unwrap().trim()).join("master");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "/bin/sh", "-c", "trap 'kill $!' TERM; \"$@\" & wait; wait", "sh"])
            .arg(master)
            .args(["-d", "-c"])
            .arg(dir.path().join("conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "{}",
                fs::read_to_string(dir.path().join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(Self { dir, port, implicit, child })
    }

    /// The mails in the mailbox, once there are so many.
    fn mails(&self, count: usize) -> Vec<String> {
        let began = Instant::now();
        loop {
            let entries = fs::read_dir(self.dir.path().join("mail/ops/new")).into_iter().flatten();
            let found: Vec<_> = entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
            if found.len() >= count {
                return found;
            }
            let log = || fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(20), "{} of {count}\n{}", found.len(), log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

#[test]
fn a_mail_arrives_in_a_mailbox() {
    let Some(postfix) = Postfix::start() else { return };
    let ground = Ground::new();
    let ca = postfix.dir.path().join("ca.pem");
    let channel = |name: &str, port: u16, more: &str| {
        format!(
            "[[notify]]\nname = \"{name}\"\nkind = \"smtp\"\nserver = \"localhost:{port}\"\nfrom = \"Reseal <reseal@example.org>\"\n\
             to = [\"ops@example.org\"]\nlimit = 15\n{more}\n"
        )
    };
    let root = format!("root = {ca:?}");
    ground.configure(&channel("start", postfix.port, &format!("tls = \"starttls\"\n{root}")));
    ground.run("notify test").ends(0).says(&["start: delivered", "250 2.0.0 Ok: queued as"]);
    let mail = postfix.mails(1).remove(0);
    for line in [
        "From: Reseal <reseal@example.org>",
        "To: ops@example.org",
        "Subject: [test] reseal on ",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Message-ID: <",
        "this is a test of reseal: nothing is the matter",
        "TLSv1.3",
    ] {
        assert!(mail.contains(line), "{line} is not in\n{mail}");
    }
    ground.configure(&channel("whole", postfix.implicit, &format!("tls = \"implicit\"\n{root}")));
    ground.run("check --notify").ends(3);
    let mails = postfix.mails(2);
    assert!(mails.iter().any(|mail| mail.contains("critical: web: self-signed")), "{mails:?}");

    // Unencrypted, to this machine alone.
    ground.configure(&channel("plain", postfix.port, ""));
    ground.run("notify test").ends(0);
    postfix.mails(3);

    // Not trusted: nothing is sent.
    ground.configure(&channel("start", postfix.port, "tls = \"starttls\""));
    ground.run("notify test").ends(4).says(&["certificate is not trusted", "root"]);
    // One of two is refused: the other has it, and it is told.
    let both = channel("two", postfix.port, &format!("tls = \"starttls\"\n{root}"));
    ground.configure(&both.replace("[\"ops@example.org\"]", "[\"gone@example.org\", \"ops@example.org\"]"));
    ground.run("notify test").ends(4).says(&["delivered, but not to all", "gone@example.org: 550"]);
    postfix.mails(4);
    // Whoever has it is not told the same again by each run, nor that the channel delivers.
    for _ in 0..3 {
        ground.run("check --notify").ends(3);
    }
    let mails = postfix.mails(5);
    assert!(mails.iter().all(|mail| !mail.contains("resolved")), "{mails:?}");
    ground.run("notify test").ends(4);
    assert_eq!(postfix.mails(6).len(), 6, "one mail of three runs");
    ground.configure(&both.replace("ops@example.org", "gone@example.org"));
    ground.run("notify test").ends(4).says(&["refused the recipient: 550"]);
}
