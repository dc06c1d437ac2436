//! What tells reseal of upgrades: files for package managers, and a script for vendors' installers.

use std::path::Path;

use super::site::Site;
use super::{Placed, below};

const APT: &str = include_str!("../../packaging/apt/90reseal");
const DNF4: &str = include_str!("../../packaging/dnf/reseal.action");
const DNF5: &str = include_str!("../../packaging/dnf/reseal.actions");
const SCRIPT: &str = include_str!("../../packaging/hooks/reseal");

/// For the spec file of a package.
pub(super) const RPM: &str = include_str!("../../packaging/rpm/triggers.spec");

/// Where apt reads its configuration from (apt.conf(5)).
pub const APT_DIR: &str = "/etc/apt/apt.conf.d";

/// Where the plugins of dnf 4 and dnf 5 read theirs from.
pub const DNF_DIRS: [&str; 2] = ["/etc/dnf/plugins/post-transaction-actions.d", "/etc/dnf/libdnf5-plugins/actions.d"];

pub(super) fn apt(site: &Site) -> Placed {
    Placed::new(below(site, APT_DIR).join("90reseal"), site.fit(APT))
}

pub(super) fn dnf(site: &Site) -> Vec<Placed> {
    let [four, five] = DNF_DIRS;
    vec![
        Placed::new(below(site, four).join("reseal.action"), site.fit(DNF4)),
        Placed::new(below(site, five).join("reseal.actions"), site.fit(DNF5)),
    ]
}

pub(super) fn script(dir: &Path, site: &Site) -> Placed {
    Placed { mode: 0o755, ..Placed::new(dir.join("reseal"), site.fit(SCRIPT)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fitting::site::PROGRAM;

    #[test]
    fn every_text_calls_the_program_where_it_is() {
        let usual = Site::plain();
        assert_eq!(apt(&usual).content, APT);
        let other = Site { program: "/opt/r/reseal".into(), config: "/etc/o.toml".into(), ..Site::plain() };
        let texts = dnf(&other).into_iter().chain([apt(&other), script(Path::new("/h.d"), &other)]);
        for Placed { content, .. } in texts {
            let code: Vec<&str> =
                content.lines().filter(|line| !line.starts_with('#') && !line.starts_with("//")).collect();
            let code = code.join("\n");
            assert!(!code.contains(PROGRAM), "{code}");
            assert!(code.contains("/opt/r/reseal --config /etc/o.toml hook fire "), "{code}");
            assert!(!code.contains("-x /opt/r/reseal --"), "{code}");
        }
    }

    /// apt goes by the first word of the command, as far as the next space.
    #[test]
    fn apt_is_asked_for_the_names_of_packages_under_the_word_that_it_looks_for() {
        let command = APT.split("DPkg::Pre-Install-Pkgs {\"").nth(1).unwrap();
        let word = command.split(' ').next().unwrap();
        assert!(APT.contains(&format!("\nDPkg::Tools::Options::{word}::Version \"3\";\n")), "{word}");
    }

    /// None of them can make an upgrade fail or wait for long.
    #[test]
    fn every_call_has_its_limit() {
        for text in [APT, DNF4, DNF5, SCRIPT, RPM, include_str!("../../packaging/deb/postinst")] {
            let calls = text.matches("reseal hook fire").count();
            assert!(calls > 0);
            assert_eq!(text.matches("timeout -k 5 60 ").count(), calls, "{text}");
        }
    }
}
