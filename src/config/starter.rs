//! The file that `reseal init` writes: what was found, ready to be completed by hand.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::{FilesConfig, NginxConfig, TargetKind};
use crate::cert::Name;

/// A pair that a service of this machine uses, found without any configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Discovered {
    /// A name for the target, as the configuration allows it.
    pub name: String,
    /// The names the service uses the pair for.
    pub names: Vec<Name>,
    /// Where it is.
    pub kind: TargetKind,
    /// Its files.
    pub files: Vec<PathBuf>,
    /// What a person should know about it.
    pub notes: Vec<String>,
}

/// A commented configuration with a target for each pair found, or with an example where none was. It reads back as it stands.
#[must_use]
pub fn render_starter(found: &[Discovered]) -> String {
    let mut out = String::from(HEAD);
    if found.is_empty() {
        out.push_str(EXAMPLE);
    }
    for (index, pair) in found.iter().enumerate() {
        // Two pairs may be used for the same names, and the file must not begin its life with a refusal.
        let name = match found[..index].iter().filter(|earlier| earlier.name == pair.name).count() {
            0 => pair.name.clone(),
            earlier => format!("{}-{}", pair.name, earlier + 1),
        };
        target(&mut out, &name, pair);
    }
    out
}

const HEAD: &str = "\
# What reseal looks after. Check it with `reseal check`; nothing is changed by that.
# Every value that is commented out shows what holds without it.

[defaults]
# state_dir = \"/var/lib/reseal\"    # backups, journal and ledger
# live_dir = \"/etc/reseal/live\"    # pairs that `reseal adopt` has taken over
# renew_before = \"1/3\"             # due when this share of the lifetime is left; a number means days
# verify_timeout = 30              # seconds until the new certificate must be served, or all is undone
# settle = 250                     # milliseconds over which every handshake must show the new certificate
# probe_timeout = 5                # seconds a handshake may take
# keep = 10                        # generations that `reseal prune` keeps
";

const EXAMPLE: &str = "
# Nothing was found that uses a certificate. A target looks like this:
#
# [[target]]
# name = \"web\"
# kind = \"files\"                                 # or \"nginx\", which finds the files itself
# names = [\"www.example.org\"]
# listen = [\"127.0.0.1:443\"]                     # where the certificate is served
# certificate = \"/etc/ssl/web.pem\"               # with its chain; or `combined` for one file with all
# key = \"/etc/ssl/private/web.key\"
# check = [\"/usr/sbin/haproxy\", \"-c\", \"-f\", \"/etc/haproxy/haproxy.cfg\"]
# reload = [\"/usr/bin/systemctl\", \"reload\", \"haproxy\"]
# [target.source]
# kind = \"local-ca\"                              # or \"acme\"; or \"import\", with from = [\"/path/to/new.pem\"]
";

const SOURCE: &str = "\
# Where new certificates come from. Without a source reseal judges, installs what it is handed, and restores.
# [target.source]
# kind = \"local-ca\"                # a CA of your own: `reseal ca init`
# days = 90
# key_type = \"p256\"
# [target.source]
# kind = \"acme\"                    # a CA that speaks ACME: `reseal acme account create`
# challenge = \"http-01\"            # or \"tls-alpn-01\"; \"dns-01\" for wildcards
# [target.source]
# kind = \"csr\"                     # a CA elsewhere, to which a person carries the request: `reseal csr`
# [target.source]
# kind = \"command\"                 # a program of yours that carries it: docs/command.md
# command = [\"/usr/local/bin/ask-our-ca\"]
# [target.source]
# kind = \"import\"                  # files that somebody else keeps fresh
# from = [\"/path/to/fullchain.pem\", \"/path/to/privkey.pem\"]
";

fn target(out: &mut String, name: &str, pair: &Discovered) {
    out.push('\n');
    for note in &pair.notes {
        // A line end would end the comment, and TOML has no control characters in comments.
        line(out, &format!("# {}", note.replace(char::is_control, " ")));
    }
    line(out, "[[target]]");
    line(out, &format!("name = {}", quoted(name)));
    line(out, &format!("kind = {}", quoted(pair.kind.word())));
    let names: Vec<String> = pair.names.iter().map(|name| quoted(&name.to_string())).collect();
    let names = format!("names = [{}]", names.join(", "));
    match &pair.kind {
        TargetKind::Files(FilesConfig::Combined(path)) => {
            line(out, &names);
            setting(out, "combined", path);
        }
        TargetKind::Files(FilesConfig::Separate { certificate, key, chain }) => {
            line(out, &names);
            setting(out, "certificate", certificate);
            setting(out, "key", key);
            if let Some(chain) = chain {
                setting(out, "chain", chain);
            }
        }
        TargetKind::Nginx(NginxConfig { binary, conf, prefix, certificate }) => {
            if certificate.is_none() || !pair.names.is_empty() {
                line(out, &names);
            }
            if binary != Path::new(NginxConfig::BINARY) {
                setting(out, "binary", binary);
            }
            for (key, path) in [("conf", conf), ("prefix", prefix), ("certificate", certificate)] {
                if let Some(path) = path {
                    setting(out, key, path);
                }
            }
        }
    }
    out.push_str(SOURCE);
}

fn setting(out: &mut String, key: &str, path: &Path) {
    line(out, &format!("{key} = {}", quoted(&path.display().to_string())));
}

fn line(out: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}

/// A TOML string. The crate's own rendering is used, so that no path can end the quotes.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::config::Config;

    fn nginx(names: &[&str], certificate: Option<&str>) -> Discovered {
        Discovered {
            name: "web".to_owned(),
            names: names.iter().map(|name| name.parse().unwrap()).collect(),
            kind: TargetKind::Nginx(NginxConfig {
                binary: PathBuf::from(NginxConfig::BINARY),
                conf: None,
                prefix: None,
                certificate: certificate.map(PathBuf::from),
            }),
            files: Vec::new(),
            notes: vec!["two\nlines".to_owned()],
        }
    }

    fn read(found: &[Discovered]) -> Config {
        let text = render_starter(found);
        Config::parse(&text, Path::new("/x")).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn what_is_written_reads_back_as_found() {
        let files = Discovered {
            kind: TargetKind::Files(FilesConfig::Separate {
                certificate: PathBuf::from("/a \"b\"/c\\d.pem"),
                key: PathBuf::from("/k'''\"\"\""),
                chain: Some(PathBuf::from("/c")),
            }),
            ..nginx(&["x.example"], None)
        };
        let found = [nginx(&["www.example.org", "*.example.org"], None), files, nginx(&[], Some("/etc/x.pem"))];
        let config = read(&found);
        assert_eq!(
            config.targets.iter().map(|target| target.name.as_str()).collect::<Vec<_>>(),
            ["web", "web-2", "web-3"]
        );
        for (target, found) in config.targets.iter().zip(&found) {
            assert_eq!(target.kind, found.kind);
            assert_eq!(target.names, found.names);
        }
    }

    #[test]
    fn values_shown_as_defaults_are_the_defaults() {
        let text = render_starter(&[]);
        let uncommented: String = text
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if rest.contains(" = ") && !rest.contains(". ") => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .take_while(|line| !line.contains("Nothing was found"))
            .collect();
        let config = Config::parse(&uncommented, Path::new("/x")).unwrap();
        assert_eq!(config.state_dir.as_deref(), Some(Path::new("/var/lib/reseal")), "the lines were uncommented");
        let example = format!("{uncommented}[[target]]\nname=\"a\"\nkind=\"nginx\"\ncertificate=\"/x\"\n");
        let plain = "[[target]]\nname=\"a\"\nkind=\"nginx\"\ncertificate=\"/x\"\n";
        assert_eq!(
            Config::parse(&example, Path::new("/x")).unwrap().targets,
            Config::parse(plain, Path::new("/x")).unwrap().targets
        );
    }

    #[test]
    fn the_examples_in_the_comments_are_right() {
        let text = render_starter(&[]);
        let example: String = text
            .lines()
            .skip_while(|line| !line.contains("[[target]]"))
            .map(|line| format!("{}\n", line.trim_start_matches("# ")))
            .collect();
        assert_eq!(Config::parse(&example, Path::new("/x")).unwrap().targets.len(), 1);
        for source in SOURCE.split("# [target.source]\n").skip(1) {
            let settings: String =
                source.lines().map(|line| format!("{}\n", line.strip_prefix("# ").unwrap())).collect();
            let text =
                format!("[[target]]\nname=\"a\"\nkind=\"nginx\"\ncertificate=\"/x\"\n[target.source]\n{settings}");
            Config::parse(&text, Path::new("/x")).unwrap();
        }
    }

    proptest! {
        #[test]
        fn no_path_breaks_the_file(path in "/[^\u{0}]{1,20}", note in ".{0,20}") {
            prop_assume!(Path::new(&path).file_name().is_some());
            let mut found = nginx(&[], Some(&path));
            found.notes = vec![note];
            prop_assert_eq!(&read(&[found.clone()]).targets[0].kind, &found.kind);
        }
    }
}
