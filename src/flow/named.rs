//! Paths that the configuration names and that nothing is at: told before the day on which somebody needs them.

use std::path::Path;

use super::Session;
use crate::assess::{Code, Finding};
use crate::change::Command;
use crate::config::{AcmeChallenge, SourceConfig, TargetConfig};

/// What a target's configuration names and that is not there: folders of hooks, programs, and what its source reads.
pub(super) fn missing(session: &Session<'_>, config: &TargetConfig) -> Vec<Finding> {
    let host = session.host;
    let mut told = Vec::new();
    // Of what one may not look at nothing is known.
    let there = |path: &Path| !host.is_absent(path);
    let is_folder = |path: &Path| host.is_folder(path) || (there(path) && !host.exists(path));
    let mut tell = |key: &str, path: &Path, there: bool| {
        if !there {
            told.push(Finding::new(Code::PathMissing, format!("`{key}` names {}, which is not there", path.display())));
        }
    };
    let hooks = &session.config.hooks;
    // A folder that nobody has named need not be there.
    if let Some(folder) = hooks.certbot_deploy.as_ref().filter(|_| config.hooks) {
        tell("certbot_deploy", folder, is_folder(folder));
    }
    let apply = &config.apply;
    let source = match &config.source {
        SourceConfig::Command { command, .. } => Some(command),
        SourceConfig::Acme(acme) => match &acme.challenge {
            AcmeChallenge::DnsHook { command, .. } => Some(command),
            AcmeChallenge::Http { .. }
            | AcmeChallenge::Webroot { .. }
            | AcmeChallenge::TlsAlpn { .. }
            | AcmeChallenge::DnsUpdate { .. } => None,
        },
        SourceConfig::None | SourceConfig::LocalCa { .. } | SourceConfig::Csr { .. } | SourceConfig::Import { .. } => {
            None
        }
    };
    let hook = if matches!(config.source, SourceConfig::Acme(_)) { "hook" } else { "command" };
    let programs: [(&str, Option<&Command>); 5] = [
        ("check", apply.check.as_ref()),
        ("reload", apply.reload.as_ref()),
        ("restart", apply.restart.as_ref()),
        ("probe", config.probe.as_ref()),
        (hook, source),
    ];
    for (key, command) in programs {
        if let Some(program) = command.and_then(|command| command.argv.first()) {
            tell(key, Path::new(program), there(Path::new(program)));
        }
    }
    match &config.source {
        SourceConfig::Acme(acme) => {
            if let Some(root) = &acme.root {
                tell("root", root, there(root));
            }
            match &acme.challenge {
                AcmeChallenge::Webroot { root } => tell("webroot", root, is_folder(root)),
                AcmeChallenge::DnsUpdate { key_file, program, .. } => {
                    if let Some(file) = key_file {
                        tell("tsig_key_file", file, there(file));
                    }
                    tell("nsupdate", program, there(program));
                }
                AcmeChallenge::Http { .. } | AcmeChallenge::TlsAlpn { .. } | AcmeChallenge::DnsHook { .. } => {}
            }
        }
        // What an import lacks is told with what it holds.
        SourceConfig::None
        | SourceConfig::LocalCa { .. }
        | SourceConfig::Csr { .. }
        | SourceConfig::Command { .. }
        | SourceConfig::Import { .. } => {}
    }
    told
}
