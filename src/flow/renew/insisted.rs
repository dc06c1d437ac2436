//! What is told to whoever insists where nothing is refused.

use crate::config::{SourceConfig, TargetConfig};
use crate::flow::{Session, stage};

/// What replaces a certificate that nothing is wrong with.
pub(super) fn another(session: &Session<'_>, config: &TargetConfig) -> String {
    let name = &config.name;
    let how = match &config.source {
        _ if matches!(stage::staged(session, name), Ok(Some(_))) => {
            format!("another is staged, and `reseal activate {name}` puts it in place")
        }
        SourceConfig::LocalCa { .. } | SourceConfig::Acme(_) | SourceConfig::Command { .. } => {
            format!("`reseal stage {name} --force` gets another, and `reseal activate {name}` puts it in place")
        }
        SourceConfig::Csr { .. } => {
            format!(
                "`reseal csr {name}` makes a request for another, and `reseal install {name} --signed FILE` takes the answer"
            )
        }
        SourceConfig::None => format!("`reseal install {name} --cert FILE --key FILE` puts another in place"),
        SourceConfig::Import { .. } => {
            "another is taken when the files of its source hold one that lasts longer".to_owned()
        }
    };
    format!("`--force` overrides a refusal, and is no reason to replace what is good: {how}")
}
