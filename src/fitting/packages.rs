//! Whether an upgrade of packages reaches a target.
//!
//! apt tells the hook what it is about to unpack: packages with their archives, or archives alone, whose names tell their packages only
//! where they are called as archives of a distribution are. A package matters where it owns the directory of a target's files or one
//! above it that is no common ground, or a program or unit by which the target's service runs. What a package owns is in dpkg's
//! database, one list of paths for each.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::change::Command;
use crate::host::Host;

/// Where dpkg keeps what packages own.
pub const INFO: &str = "/var/lib/dpkg/info";

/// The most that is read of a list of paths: no package owns more.
const MOST: u64 = 32 * 1024 * 1024;

/// Directories that many packages share: that one of them is upgraded says nothing about what else is in there.
const SHARED: &[&str] = &[
    "/etc/opt",
    "/usr/bin",
    "/usr/games",
    "/usr/include",
    "/usr/lib",
    "/usr/local",
    "/usr/sbin",
    "/usr/share",
    "/usr/src",
    "/var/cache",
    "/var/lib",
    "/var/local",
    "/var/log",
    "/var/opt",
    "/var/spool",
];

/// What a target's service is made of, as far as packages can own it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reach {
    paths: BTreeSet<PathBuf>,
    units: BTreeSet<String>,
}

impl Reach {
    /// With a file of the target: whoever owns its directory, or one above, can be expected to write in it.
    pub fn file(&mut self, path: &Path) {
        self.paths.insert(path.to_owned());
        let own = path
            .ancestors()
            .skip(1)
            .filter(|dir| dir.components().count() > 2 && !SHARED.iter().any(|shared| *dir == Path::new(shared)));
        self.paths.extend(own.map(Path::to_owned));
    }

    /// With a command of its service.
    pub fn command(&mut self, command: &Command) {
        let Some((program, words)) = command.argv.split_first() else { return };
        if !["systemctl", "service"].iter().any(|name| Path::new(program).file_name() == Some(name.as_ref())) {
            self.program(Path::new(program));
            return;
        }
        // What is no unit's name is in no list.
        self.units.extend(words.iter().map(|word| {
            let word = word.strip_suffix(".service").unwrap_or(word);
            format!("{word}.service")
        }));
    }

    /// With a program of its service.
    pub fn program(&mut self, path: &Path) {
        self.paths.insert(path.to_owned());
    }
}

/// Which of these are reached by one of the packages that apt is about to unpack; `told` is what it says of them in version 1 or 3 of
/// its protocol (apt.conf(5), `DPkg::Pre-Install-Pkgs`), and `info` is dpkg's database. A package whose name is not to be known reaches all.
#[must_use]
pub fn reached(host: &Host, info: &Path, told: &str, reaches: &[Reach]) -> Vec<bool> {
    // By what they are made of: packages own thousands of paths, and each is looked up once for all targets.
    let mut paths: HashMap<&[u8], Vec<usize>> = HashMap::new();
    let mut units: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for (index, reach) in reaches.iter().enumerate() {
        for path in &reach.paths {
            paths.entry(path.as_os_str().as_encoded_bytes()).or_default().push(index);
        }
        for unit in &reach.units {
            units.entry(unit.as_bytes()).or_default().push(index);
        }
    }
    let mut found = vec![false; reaches.len()];
    for package in packages(told) {
        let Some((name, architecture)) = package else { return vec![true; reaches.len()] };
        let lists = [format!("{name}.list"), format!("{name}:{architecture}.list")];
        let Some(list) = lists.iter().find_map(|list| host.read(&info.join(list), MOST).ok()) else { continue };
        for line in list.split(|byte| *byte == b'\n') {
            let unit = line.ends_with(b".service").then(|| line.rsplitn(2, |byte| *byte == b'/'));
            let unit = unit.and_then(|mut parts| Some((parts.next()?, parts.next()?)));
            let unit = unit.filter(|(_, dir)| dir.ends_with(b"/systemd/system")).and_then(|(unit, _)| units.get(unit));
            for index in paths.get(line).into_iter().chain(unit).flatten() {
                found[*index] = true;
            }
        }
    }
    found
}

/// Name and architecture of each package that is to be unpacked; none of one where they cannot be read.
fn packages(told: &str) -> Vec<Option<(&str, &str)>> {
    match told.strip_prefix("VERSION 3\n") {
        // apt's configuration stands before the packages, and an empty line between them.
        Some(rest) => {
            let lines = rest.lines().skip_while(|line| !line.is_empty()).filter(|line| !line.is_empty());
            lines.filter(|line| !line.ends_with("**")).map(named).collect()
        }
        None => told.lines().filter(|line| !line.is_empty()).map(called).collect(),
    }
}

/// The package of a line `NAME VERSION ARCHITECTURE MULTIARCH COMPARED VERSION ARCHITECTURE MULTIARCH ARCHIVE`, first as it is installed,
/// then as it will be. In the place of an archive `**REMOVE**` and the like stand for what unpacks nothing.
fn named(line: &str) -> Option<(&str, &str)> {
    let words: Vec<&str> = line.splitn(9, ' ').collect();
    let &[name, _, old, _, _, _, new, _, _] = words.as_slice() else { return None };
    Some((name, if old == "-" { new } else { old })).filter(is_sound)
}

/// The package of `/var/cache/apt/archives/NAME_VERSION_ARCHITECTURE.deb`.
fn called(archive: &str) -> Option<(&str, &str)> {
    let file = Path::new(archive).file_name()?.to_str()?.strip_suffix(".deb")?;
    let mut parts = file.split('_');
    let (name, _version, architecture) = (parts.next()?, parts.next()?, parts.next()?);
    Some((name, architecture)).filter(|package| parts.next().is_none() && is_sound(package))
}

/// Whether these can be a package's (Debian Policy section 5.6.7 and 11.1), and parts of a file's name.
fn is_sound((name, architecture): &(&str, &str)) -> bool {
    let sound = |word: &str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
        word.starts_with(|c: char| c.is_ascii_alphanumeric()) && word.chars().all(plain)
    };
    sound(name) && sound(architecture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_matter_by_what_they_own() {
        let dir = tempfile::tempdir().unwrap();
        let list = |name: &str, lines: &str| std::fs::write(dir.path().join(name), lines).unwrap();
        list("nginx-light.list", "/.\n/usr\n/usr/sbin\n/usr/sbin/nginx\n");
        list("libssl3:amd64.list", "/.\n/usr/lib\n/usr/lib/x/libssl.so.3\n");
        list("vendor.list", "/.\n/opt\n/opt/vendor\n/opt/vendor/bin/x\n");
        list("haproxy.list", "/.\n/lib/systemd/system/haproxy.service\n");
        list("docs.list", "/usr/share/doc/haproxy.service\n/var/lib\n/etc\n");
        let mut web = Reach::default();
        web.program(Path::new("/usr/sbin/nginx"));
        web.file(Path::new("/var/lib/x/a.pem"));
        let mut product = Reach::default();
        product.file(Path::new("/opt/vendor/etc/tls/server.pem"));
        let mut balancer = Reach::default();
        balancer.command(&Command::new(["/usr/bin/systemctl", "reload", "haproxy"]));
        balancer.file(Path::new("/etc/haproxy.pem"));
        let reaches = [web, product, balancer];
        let host = Host::new("/nonexistent");
        for (archives, expected) in [
            ("/a/nginx-light_1.22-1_amd64.deb", [true, false, false]),
            ("/a/libssl3_3.0_amd64.deb\n/a/unknown_1_all.deb", [false; 3]),
            ("/a/vendor_2_all.deb", [false, true, false]),
            ("/a/docs_2_all.deb\n/a/haproxy_2%3a1_amd64.deb", [false, false, true]),
            ("/a/docs_2_all.deb", [false; 3]),
            ("", [false; 3]),
            ("/a/docs_2_all.deb\n/root/vendor-latest.deb", [true; 3]),
            ("../../../etc/passwd", [true; 3]),
            ("/a/..%2f_1_all.deb", [true; 3]),
            (
                "VERSION 3\nA=b c d e f g h i /x.deb\n\nvendor 1 all none < 2 all none /root/the latest.deb",
                [false, true, false],
            ),
            (
                "VERSION 3\n\nlibssl3 1 amd64 same < 2 amd64 same /a/x.deb\nnew - - none < 1 all none /a/y.deb",
                [false; 3],
            ),
            (
                "VERSION 3\n\nvendor 1 all none > - - none **REMOVE**\nvendor - - none < 1 all none **CONFIGURE**",
                [false; 3],
            ),
            ("VERSION 3\n\nvendor 1 < 2 /a/vendor_2_all.deb", [true; 3]),
            ("VERSION 3\n\n../x 1 all none < 2 all none /a/x.deb", [true; 3]),
            ("VERSION 3\nA=b", [false; 3]),
            ("VERSION 2\nA=b\n\ndocs 1 < 2 /a/x.deb", [true; 3]),
        ] {
            assert_eq!(reached(&host, dir.path(), archives, &reaches), expected, "{archives}");
        }
    }

    #[test]
    fn the_name_of_an_archive_tells_its_package() {
        assert_eq!(called("/var/cache/apt/archives/libc6_2.36-9_amd64.deb"), Some(("libc6", "amd64")));
        for bad in ["", "x", "/a/b.rpm", "/a/_1_all.deb", "/a/x.deb", "/a/x_amd64.deb", "/a/x_1_2_all.deb"] {
            assert_eq!(called(bad), None, "{bad}");
        }
    }
}
