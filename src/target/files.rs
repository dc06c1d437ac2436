//! PEM files, named one by one in the configuration: for every service without an adapter of its own.

use super::{Discovery, Kind, Pair, Site, Target, TargetError};
use crate::config::{TargetConfig, TargetKind};
use crate::host::Host;

/// The row in the table of kinds.
pub(super) const KIND: Kind = Kind {
    name: "files",
    about: "PEM files named in the configuration, for any service that reads such",
    open: |config| match &config.kind {
        TargetKind::Files(files) => Ok(Box::new(Files {
            site: Site {
                pairs: vec![Pair { slots: files.slots(), probes: config.probes(), family: None, names: Vec::new() }],
                apply: config.apply.clone(),
                reads_per_handshake: false,
                notes: notes(config),
            },
        })),
        TargetKind::Nginx(_) => Err(TargetError::other_kind(config)),
    },
    // Nothing tells files that a service reads from those that nobody does.
    discover: |_| Ok(Discovery::default()),
};

/// A target of which everything is known beforehand.
struct Files {
    site: Site,
}

impl Target for Files {
    fn observe(&self, _host: &Host) -> Result<Site, TargetError> {
        Ok(self.site.clone())
    }
}

fn notes(config: &TargetConfig) -> Vec<String> {
    let mut notes = Vec::new();
    if config.listen.is_empty() && config.probe.is_none() {
        notes.push("neither `listen` nor `probe` is set: that a new certificate is served cannot be proved".to_owned());
    }
    if config.apply.reload.is_none() {
        notes.push("`reload` is not set: the service must notice new files by itself".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::change::{Probe, Role};
    use crate::config::Config;
    use crate::host::Host;
    use crate::target;

    #[test]
    fn everything_comes_from_the_configuration() {
        let text = "[[target]]\nname='a'\nkind='files'\nnames=['*.a.example']\ncertificate='/c'\nkey='/k'\n\
                    listen=['[::1]:443']\nreload=['/r']\n\
                    [[target]]\nname='b'\nkind='files'\nnames=['192.0.2.1']\ncombined='/b'\n";
        let config = Config::parse(text, Path::new("/x")).unwrap();
        let site = |index: usize| target::open(&config.targets[index]).unwrap().observe(&Host::new("/nonexistent"));
        let a = site(0).unwrap();
        assert_eq!(a.pairs[0].slots.iter().map(|slot| slot.role).collect::<Vec<_>>(), [Role::FullChain, Role::Key]);
        assert_eq!(a.pairs[0].probes, [Probe::tls("[::1]:443", Some("reseal-probe.a.example".to_owned()))]);
        assert!(a.apply.reload.is_some());
        assert!(a.notes.is_empty());
        let b = site(1).unwrap();
        assert_eq!(b.pairs[0].slots[0].role, Role::Combined);
        assert_eq!(b.notes.len(), 2, "{:?}", b.notes);
    }
}
