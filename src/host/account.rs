//! Who runs this program, and where their environment says their files are.

use std::env;
use std::path::PathBuf;

/// What the environment says; nothing of it is checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Whether it runs as root.
    pub root: bool,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`.
    pub config_home: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub state_home: Option<PathBuf>,
}

impl Account {
    /// Of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        let path = |name| env::var_os(name).map(PathBuf::from);
        Self {
            root: rustix::process::geteuid().is_root(),
            home: path("HOME"),
            config_home: path("XDG_CONFIG_HOME"),
            state_home: path("XDG_STATE_HOME"),
        }
    }
}
