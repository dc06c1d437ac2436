//! What a verb is called in results, and whether it may change something.

use super::{AccountVerb, AcmeVerb, BackupsVerb, HistoryVerb, Later, Verb};

impl Verb {
    /// Its name in results, as it is typed.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Check { .. } => "check",
            Self::Report { .. } => "report",
            Self::Scan(_) => "scan",
            Self::Renew { .. } => "renew",
            Self::Install(_) => "install",
            Self::Stage(_) => "stage",
            Self::Activate(_) => "activate",
            Self::Maintain(_) => "maintain",
            Self::Csr(_) => "csr",
            Self::Export(_) => "export",
            Self::Restore { .. } => "restore",
            Self::Recover { .. } => "recover",
            Self::Backups { act: None, .. } => "backups",
            Self::Backups { act: Some(BackupsVerb::Verify { .. }), .. } => "backups verify",
            Self::Backups { act: Some(BackupsVerb::Pin { .. }), .. } => "backups pin",
            Self::Backups { act: Some(BackupsVerb::Unpin { .. }), .. } => "backups unpin",
            Self::Backups { act: Some(BackupsVerb::Prune(_)), .. } | Self::Prune(_) => "prune",
            Self::History { act: None, .. } => "history",
            Self::History { act: Some(HistoryVerb::Verify), .. } => "history verify",
            Self::Status { .. } => "status",
            Self::Init { .. } => "init",
            Self::Snapshot { .. } => "snapshot",
            Self::PostUpgrade { .. } => "post-upgrade",
            Self::Adopt { .. } => "adopt",
            Self::Ca { act } => act.word(),
            Self::Acme { act: Later(AcmeVerb::Account { act }) } => act.word(),
            Self::Secret { act } => act.word(),
            Self::Trust { act } => act.word(),
            Self::Retire(_) => "retire",
            Self::Schedule { act } => {
                let (family, asked) = act.asked();
                asked.word(family)
            }
            Self::Hook { act } => {
                let (family, asked) = act.asked();
                asked.word(family)
            }
            Self::Notify { act } => act.word(),
            Self::Demo => "demo",
            Self::DemoServer { .. } => "demo-server",
        }
    }

    /// Whether it may change something beyond its own output.
    #[must_use]
    pub fn changes(&self) -> bool {
        match self {
            Self::Renew { .. }
            | Self::Install(_)
            | Self::Stage(_)
            | Self::Activate(_)
            | Self::Maintain(_)
            | Self::Csr(_)
            | Self::Export(_)
            | Self::Restore { .. }
            | Self::Recover { .. }
            | Self::Retire(_)
            | Self::Prune(_)
            | Self::Init { .. }
            | Self::Snapshot { .. }
            | Self::PostUpgrade { .. }
            | Self::Adopt { .. } => true,
            Self::Ca { act } => act.changes(),
            Self::Secret { act } => act.changes(),
            Self::Trust { act } => act.changes(),
            Self::Schedule { act } => act.asked().1.changes(),
            Self::Hook { act } => act.asked().1.changes(),
            Self::Notify { act } => act.changes(),
            Self::Acme {
                act:
                    Later(AcmeVerb::Account {
                        act: AccountVerb::Create(_) | AccountVerb::RollKey { .. } | AccountVerb::Deactivate { .. },
                    }),
            } => true,
            Self::Backups { act: Some(act), .. } => match act {
                BackupsVerb::Pin { .. } | BackupsVerb::Unpin { .. } | BackupsVerb::Prune(_) => true,
                BackupsVerb::Verify { .. } => false,
            },
            Self::Check { .. }
            | Self::Report { .. }
            | Self::Scan(_)
            | Self::Backups { act: None, .. }
            | Self::History { .. }
            | Self::Status { .. }
            | Self::Acme { act: Later(AcmeVerb::Account { act: AccountVerb::Show { .. } }) }
            // These touch nothing but a directory of their own.
            | Self::Demo
            | Self::DemoServer { .. } => false,
        }
    }
}
