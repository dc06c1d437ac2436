//! Where reseal's own files are when nobody says otherwise.

use std::path::{Path, PathBuf};

/// The standard places of one user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Places {
    /// `reseal.toml`.
    pub config: PathBuf,
    /// Backups, journal and ledger.
    pub state: PathBuf,
    /// Adopted pairs.
    pub live: PathBuf,
    /// Hooks.
    pub hooks: PathBuf,
}

impl Places {
    /// The places of the machine, which are root's.
    #[must_use]
    pub fn of_the_machine() -> Self {
        Self {
            config: PathBuf::from("/etc/reseal/reseal.toml"),
            state: PathBuf::from("/var/lib/reseal"),
            live: PathBuf::from("/etc/reseal/live"),
            hooks: PathBuf::from("/etc/reseal/hooks"),
        }
    }

    /// The places of a user who is not root: below `$XDG_CONFIG_HOME` and `$XDG_STATE_HOME`, or where the XDG Base Directory
    /// Specification puts these below the home directory. As it says, a value that is not an absolute path counts as unset.
    ///
    /// # Errors
    /// [`NoHome`] when a place would be below a home directory that is not known.
    pub fn of_a_user(
        home: Option<&Path>,
        config_home: Option<&Path>,
        state_home: Option<&Path>,
    ) -> Result<Self, NoHome> {
        let below = |given: Option<&Path>, usual: &str| match (absolute(given), absolute(home)) {
            (Some(given), _) => Ok(given.join("reseal")),
            (None, Some(home)) => Ok(home.join(usual).join("reseal")),
            (None, None) => Err(NoHome),
        };
        let config = below(config_home, ".config")?;
        let state = below(state_home, ".local/state")?;
        Ok(Self { live: config.join("live"), hooks: config.join("hooks"), config: config.join("reseal.toml"), state })
    }
}

/// There is no home directory to put anything below.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("cannot tell where the configuration is: HOME is not set to an absolute path")]
pub struct NoHome;

impl NoHome {
    /// What to do.
    #[must_use]
    pub fn hint(self) -> &'static str {
        "name the file with --config and the state directory with `state_dir` in it, or set HOME"
    }
}

fn absolute(path: Option<&Path>) -> Option<&Path> {
    path.filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_places_of_their_own() {
        let places = |home: &str, config: &str, state: &str| {
            Places::of_a_user(Some(Path::new(home)), Some(Path::new(config)), Some(Path::new(state)))
                .map(|places| [places.config, places.state, places.live].map(|path| path.display().to_string()))
        };
        let usual =
            ["/home/a/.config/reseal/reseal.toml", "/home/a/.local/state/reseal", "/home/a/.config/reseal/live"];
        assert_eq!(places("/home/a", "", "").unwrap(), usual);
        assert_eq!(places("/home/a", "relative", "./x").unwrap(), usual, "the specification: relative is unset");
        assert_eq!(
            places("", "/c", "/s").unwrap(),
            ["/c/reseal/reseal.toml", "/s/reseal", "/c/reseal/live"],
            "no home is needed then"
        );
        assert_eq!(places("", "/c", ""), Err(NoHome));
        assert_eq!(Places::of_a_user(None, None, None), Err(NoHome));
    }
}
