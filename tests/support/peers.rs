//! Real servers of the distribution, each a private instance in a temporary directory, on free ports of the loopback.
//! They end with the test that started them, also when it fails, and when it is killed.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

/// A server that runs.
pub struct Peer {
    pub name: &'static str,
    pub doors: Vec<Door>,
    child: Child,
    dir: TempDir,
}

/// Where a server is asked.
#[derive(Clone, Copy)]
pub struct Door {
    /// Which protocol goes over to TLS; none for TLS at once.
    pub scheme: Option<&'static str>,
    pub port: u16,
}

impl Door {
    /// By its address, so that it is the same on a machine that calls `::1` localhost too.
    pub fn endpoint(&self) -> String {
        let scheme = self.scheme.map(|scheme| format!("{scheme}://")).unwrap_or_default();
        format!("{scheme}127.0.0.1:{}", self.port)
    }
}

/// Chain and key as PEM; without them TLS is switched off.
pub type Shown<'a> = Option<(&'a str, &'a str)>;

/// What a server is made from: its directory, and whether it has `chain.pem`, `key.pem` and `all.pem` there.
struct Place {
    root: PathBuf,
    tls: bool,
}

/// How a server is started, and where it then listens.
struct Start {
    command: Command,
    doors: Vec<Door>,
}

struct Kind {
    name: &'static str,
    program: fn() -> Option<PathBuf>,
    /// It changes to users of its own and does not run without that.
    needs_root: bool,
    prepare: fn(&Path, &Place) -> Start,
}

const KINDS: [Kind; 7] = [
    Kind { name: "nginx", program: || sbin("nginx"), needs_root: false, prepare: nginx },
    Kind { name: "haproxy", program: || sbin("haproxy"), needs_root: false, prepare: haproxy },
    Kind { name: "apache", program: || sbin("apache2"), needs_root: false, prepare: apache },
    Kind { name: "postfix", program: || sbin("postfix"), needs_root: true, prepare: postfix },
    Kind { name: "dovecot", program: || sbin("dovecot"), needs_root: true, prepare: dovecot },
    Kind { name: "slapd", program: || sbin("slapd"), needs_root: false, prepare: slapd },
    Kind { name: "PostgreSQL", program: newest_postgres, needs_root: false, prepare: postgres },
];

/// Every server that is installed, of those `wanted`; says which is not.
pub fn start(shown: Shown<'_>, wanted: impl Fn(&str) -> bool) -> Vec<Peer> {
    let mut peers = Vec::new();
    for kind in KINDS.iter().filter(|kind| wanted(kind.name)) {
        match (kind.program)() {
            None => println!("skipped: {} is not installed", kind.name),
            Some(_) if kind.needs_root && !is_root() => println!("skipped: {} needs root", kind.name),
            Some(program) => peers.push(kind.start(&program, shown)),
        }
    }
    peers
}

impl Kind {
    /// A free port may be taken between the moment it was found and the server's own: then another.
    fn start(&self, program: &Path, shown: Shown<'_>) -> Peer {
        let mut said = String::new();
        for _ in 0..3 {
            let mut peer = self.spawn(program, shown);
            match peer.comes_up() {
                Ok(()) => return peer,
                Err(why) => said = format!("{why}\n{}", peer.log()),
            }
        }
        panic!("{} does not come up: {said}", self.name);
    }

    fn spawn(&self, program: &Path, shown: Shown<'_>) -> Peer {
        let dir = TempDir::new().unwrap();
        let root = dir.path().to_owned();
        // Servers read it as users of their own.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
        if let Some((chain, key)) = shown {
            fs::write(root.join("chain.pem"), chain).unwrap();
            fs::write(root.join("key.pem"), key).unwrap();
            fs::write(root.join("all.pem"), format!("{chain}{key}")).unwrap();
        }
        let place = Place { root, tls: shown.is_some() };
        let Start { command: mut server, doors } = (self.prepare)(program, &place);
        let log = File::create(place.path("output")).unwrap();
        let child = server
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        Peer { name: self.name, doors, child, dir }
    }
}

impl Peer {
    /// Where its configuration, `chain.pem` and `key.pem` are.
    #[allow(dead_code, reason = "each test program uses its own part")]
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    fn comes_up(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Err(format!("it ended with {status}"));
            }
            if self.doors.iter().all(|door| TcpStream::connect((Ipv4Addr::LOCALHOST, door.port)).is_ok()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err("nobody listens after 20 s".to_owned());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it wrote, for the message of a test that fails.
    fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        format!("{}{}", read("output"), read("log"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.child);
        let _ = kill_process(pid, Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        path
    }

    /// Writes a configuration, in which `@` stands for the directory.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text.replace('@', self.root.to_str().unwrap())).unwrap();
        path
    }

    /// These lines where TLS is on.
    fn if_tls<'a>(&self, lines: &'a str) -> &'a str {
        if self.tls { lines } else { "" }
    }
}

fn sbin(name: &str) -> Option<PathBuf> {
    Some(Path::new("/usr/sbin").join(name)).filter(|path| path.exists())
}

fn newest_postgres() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let programs = versions.filter_map(Result::ok).map(|version| version.path().join("bin/postgres"));
    programs.filter(|path| path.exists()).max()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A port for TLS at once.
fn plain() -> Door {
    door(None)
}

fn door(scheme: impl Into<Option<&'static str>>) -> Door {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Door { scheme: scheme.into(), port }
}

/// The program, which the kernel ends when the thread that started it is gone: also after a kill, when nothing is dropped.
fn tied(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(program);
    command
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn give(path: &Path, owner: &str) {
    run(Command::new("chown").arg("-R").arg(owner).arg(path));
}

fn nginx(program: &Path, place: &Place) -> Start {
    let door = plain();
    let user = if is_root() { "user root;" } else { "" };
    let tls = place.if_tls("ssl_certificate @/chain.pem; ssl_certificate_key @/key.pem;");
    let conf = place.write(
        "nginx.conf",
        &format!(
            "{user} daemon off; worker_processes 1; pid @/pid; error_log @/log;\nevents {{ }}\n\
             http {{ access_log off; client_body_temp_path @/body; proxy_temp_path @/proxy; fastcgi_temp_path @/fastcgi;\n\
             uwsgi_temp_path @/uwsgi; scgi_temp_path @/scgi;\n\
             server {{ listen 127.0.0.1:{}{}; server_name localhost; {tls} return 204; }} }}\n",
            door.port,
            place.if_tls(" ssl"),
        ),
    );
    let mut command = tied(program);
    command.arg("-p").arg(&place.root).arg("-c").arg(conf);
    Start { command, doors: vec![door] }
}

fn haproxy(program: &Path, place: &Place) -> Start {
    let door = plain();
    let conf = place.write(
        "haproxy.cfg",
        &format!(
            "defaults\n  mode http\n  timeout client 10s\n  timeout server 10s\n  timeout connect 10s\n\
             frontend web\n  bind 127.0.0.1:{}{}\n  http-request return status 204\n",
            door.port,
            place.if_tls(" ssl crt @/all.pem"),
        ),
    );
    let mut command = tied(program);
    command.args(["-db", "-f"]).arg(conf);
    Start { command, doors: vec![door] }
}

fn apache(program: &Path, place: &Place) -> Start {
    let door = plain();
    let mut conf =
        "ServerRoot @\nDefaultRuntimeDir @\nPidFile @/pid\nErrorLog @/log\nMutex posixsem\nServerName localhost\n\
         User nobody\nGroup nogroup\n"
            .to_owned();
    for module in ["mpm_event", "authz_core", "socache_shmcb", "ssl"] {
        writeln!(conf, "LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so").unwrap();
    }
    let tls = place.if_tls("SSLEngine on\nSSLCertificateFile @/chain.pem\nSSLCertificateKeyFile @/key.pem\n");
    let port = door.port;
    write!(conf, "Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\n{tls}</VirtualHost>\n").unwrap();
    let conf = place.write("apache.conf", &conf);
    let mut command = tied(program);
    command.args(["-D", "FOREGROUND", "-d"]).arg(&place.root).arg("-f").arg(conf);
    Start { command, doors: vec![door] }
}

fn postfix(program: &Path, place: &Place) -> Start {
    let mut doors = vec![door("smtp")];
    if place.tls {
        doors.push(plain());
    }
    let conf = place.folder("conf");
    place.folder("queue");
    give(&place.folder("data"), "postfix");
    let tls = place.if_tls("smtpd_tls_security_level = may\nsmtpd_tls_chain_files = @/key.pem, @/chain.pem\n");
    place.write(
        "conf/main.cf",
        &format!(
            "compatibility_level = 3.6\nqueue_directory = @/queue\ndata_directory = @/data\ninet_interfaces = loopback-only\n\
             inet_protocols = ipv4\nmyhostname = localhost\nmydestination =\nmaillog_file = @/log\nmaillog_file_prefixes = @\n{tls}"
        ),
    );
    let mut master = String::new();
    for door in &doors {
        let wrapped = if door.scheme.is_none() { " -o smtpd_tls_wrappermode=yes" } else { "" };
        writeln!(master, "127.0.0.1:{} inet n - n - - smtpd{wrapped}", door.port).unwrap();
    }
    master.push_str(
        "anvil unix - - n - 1 anvil\ntlsmgr unix - - n 1000? 1 tlsmgr\nrewrite unix - - n - - trivial-rewrite\n\
         proxymap unix - - n - - proxymap\ncleanup unix n - n - 0 cleanup\npostlog unix-dgram n - n - 1 postlogd\n",
    );
    place.write("conf/master.cf", &master);
    // Makes what its queue consists of.
    run(Command::new(program).arg("-c").arg(&conf).arg("check"));
    let daemons = Command::new("postconf").arg("-c").arg(&conf).args(["-h", "daemon_directory"]).output().unwrap();
    let master = Path::new(String::from_utf8(daemons.stdout).unwrap().trim()).join("master");
    // It changes its user for a moment, which unties it; so a shell is tied, and ends it. With -d it stays in the shell's group.
    let mut command = tied(Path::new("/bin/sh"));
    command.args(["-c", "trap 'kill $!' TERM; \"$@\" & wait; wait", "sh"]).arg(master).args(["-d", "-c"]).arg(conf);
    Start { command, doors }
}

fn dovecot(program: &Path, place: &Place) -> Start {
    let mut doors = Vec::new();
    let (mut protocols, mut services) = (String::new(), String::new());
    for (protocol, scheme, at_once) in [("imap", "imap", true), ("pop3", "pop3", true), ("sieve", "sieve", false)] {
        let service = if protocol == "sieve" { "managesieve-login" } else { &format!("{protocol}-login") };
        if !Path::new("/usr/lib/dovecot").join(service).exists() {
            println!("skipped: dovecot's {service} is not installed");
            continue;
        }
        write!(protocols, " {protocol}").unwrap();
        let first = door(scheme);
        write!(
            services,
            "service {service} {{\n chroot =\n inet_listener {protocol} {{\n port = {}\n }}\n",
            first.port
        )
        .unwrap();
        doors.push(first);
        // Left out, it would listen at its registered port.
        if at_once {
            let second = place.tls.then(plain);
            let port = second.map_or(0, |door| door.port);
            write!(services, " inet_listener {protocol}s {{\n port = {port}\n ssl = yes\n }}\n").unwrap();
            doors.extend(second);
        }
        services.push_str("}\n");
    }
    let tls = if place.tls { "ssl = yes\nssl_cert = <@/chain.pem\nssl_key = <@/key.pem\n" } else { "ssl = no\n" };
    place.folder("mail");
    let conf = place.write(
        "dovecot.conf",
        &format!(
            "base_dir = @/run\nstate_dir = @/run\nlog_path = @/log\nprotocols ={protocols}\nlisten = 127.0.0.1\n\
             default_vsz_limit = 1G\nmail_location = maildir:@/mail\n{tls}\
             passdb {{\n driver = static\n args = nopassword=y\n}}\n\
             userdb {{\n driver = static\n args = uid=65534 gid=65534 home=@/mail\n}}\n{services}"
        ),
    );
    place.folder("run");
    let mut command = tied(program);
    command.args(["-F", "-c"]).arg(conf);
    Start { command, doors }
}

fn slapd(program: &Path, place: &Place) -> Start {
    let mut doors = vec![door("ldap")];
    let mut urls = format!("ldap://127.0.0.1:{}", doors[0].port);
    if place.tls {
        let at_once = plain();
        write!(urls, " ldaps://127.0.0.1:{}", at_once.port).unwrap();
        doors.push(at_once);
    }
    place.folder("db");
    let conf = place.write(
        "slapd.conf",
        &format!(
            "include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile @/pid\n\
             argsfile @/args\n{}database mdb\nsuffix \"dc=example\"\ndirectory @/db\n",
            place.if_tls("TLSCertificateFile @/chain.pem\nTLSCertificateKeyFile @/key.pem\n"),
        ),
    );
    let mut command = tied(program);
    // With a level of debugging it stays in the foreground.
    command.args(["-d", "0", "-f"]).arg(conf).args(["-h", &urls]);
    Start { command, doors }
}

/// It refuses to run as root, and a key that others may read.
fn postgres(program: &Path, place: &Place) -> Start {
    let door = door("postgres");
    let home = place.folder("postgres");
    if place.tls {
        for name in ["chain.pem", "key.pem"] {
            fs::copy(place.path(name), home.join(name)).unwrap();
        }
        fs::set_permissions(home.join("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let data = home.join("data");
    let mut user = Command::new("setpriv");
    let mut command = Command::new("setpriv");
    if is_root() {
        give(&home, "postgres");
        for command in [&mut user, &mut command] {
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        }
    }
    let initdb = program.with_file_name("initdb");
    run(user.current_dir(&home).arg(initdb).arg("-D").arg(&data).args(["-A", "trust", "--no-sync", "--locale=C"]));
    command.args(["--pdeathsig", "TERM"]).arg(program).arg("-D").arg(&data).current_dir(&home);
    let mut settings = vec![
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={}", door.port),
        "unix_socket_directories=".to_owned(),
    ];
    if place.tls {
        settings.push("ssl=on".to_owned());
        settings.push(format!("ssl_cert_file={}", home.join("chain.pem").display()));
        settings.push(format!("ssl_key_file={}", home.join("key.pem").display()));
    }
    for setting in settings {
        command.arg("-c").arg(setting);
    }
    Start { command, doors: vec![door] }
}
