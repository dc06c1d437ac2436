//! The time zones of the system, and the one that its clocks show.

use std::io;
use std::path::{Path, PathBuf};

use super::Host;
use crate::moment::{Zone, ZoneError, is_name};

/// Where systems keep the database of time zones: FHS, some of the BSDs, Solaris, NixOS.
pub const PLACES: &[&str] = &["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];

/// The link to, or copy of, the zone of this machine.
const LOCALTIME: &str = "/etc/localtime";

/// Bytes of the file of a zone: the largest has four thousand.
const MOST: u64 = 1 << 20;

/// A time zone cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum NoZone {
    /// There is no database at all.
    #[error("this machine has no database of time zones")]
    NoDatabase,
    /// The database does not know it.
    #[error("there is no time zone {0:?}")]
    Unknown(String),
    /// Its file cannot be read.
    #[error("cannot read the time zone {name:?}")]
    Unreadable {
        /// The zone.
        name: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Its file is none.
    #[error(transparent)]
    Damaged(#[from] ZoneError),
}

impl NoZone {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoDatabase => "install the package `tzdata`, or write the time in UTC",
            Self::Unknown(_) => "`timedatectl list-timezones` lists them: `Europe/Berlin`, `UTC`",
            Self::Unreadable { .. } | Self::Damaged(_) => "install the package `tzdata` again",
        }
    }
}

impl Host {
    /// The time zone of this name, from the system's database. `UTC` needs none.
    ///
    /// # Errors
    /// There is no database, it does not know the name, or what it has cannot be read.
    pub fn zone(&self, name: &str) -> Result<Zone, NoZone> {
        if ["UTC", "Etc/UTC", "Z"].contains(&name) {
            return Ok(Zone::utc());
        }
        let unknown = || NoZone::Unknown(name.to_owned());
        if !is_name(name) {
            return Err(unknown());
        }
        let mut places = self.zoneinfo.iter().filter(|place| place.is_dir()).peekable();
        if places.peek().is_none() {
            return Err(NoZone::NoDatabase);
        }
        let path = places.map(|place| place.join(name)).find(|path| path.is_file()).ok_or_else(unknown)?;
        let bytes = self.read(&path, MOST).map_err(|source| NoZone::Unreadable { name: name.to_owned(), source })?;
        Ok(Zone::from_tzif(name, &bytes)?)
    }

    /// The time zone that this machine shows its clocks in: that of the variable `TZ`, else that of `/etc/localtime`, else UTC.
    ///
    /// # Errors
    /// What is set cannot be read.
    pub fn local_zone(&self) -> Result<Zone, NoZone> {
        if let Some(set) = std::env::var("TZ").ok().filter(|set| !set.is_empty()) {
            let set = set.strip_prefix(':').unwrap_or(&set);
            // A name first: `EST5EDT` is both.
            return self.zone(set).or_else(|error| Zone::from_rule(set).map_err(|_| error));
        }
        let path = Path::new(LOCALTIME);
        if !path.exists() {
            return Ok(Zone::utc());
        }
        let name = std::fs::read_link(path).ok().and_then(|to| name_in(&to)).unwrap_or_else(|| "local time".to_owned());
        if name == "Etc/UTC" || name == "UTC" {
            return Ok(Zone::utc());
        }
        let bytes = self.read(path, MOST).map_err(|source| NoZone::Unreadable { name: name.clone(), source })?;
        Ok(Zone::from_tzif(&name, &bytes)?)
    }
}

/// The name of a zone by the path of its file.
fn name_in(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let (_, name) = text.split_once("zoneinfo/")?;
    is_name(name).then(|| name.to_owned())
}

/// Where this system may keep its database.
pub(super) fn places() -> Vec<PathBuf> {
    PLACES.iter().map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn zones_come_from_the_database_and_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::new("/nowhere");
        assert!(matches!(host.zone("Nowhere/Land"), Err(NoZone::Unknown(_) | NoZone::NoDatabase)));
        assert!(matches!(host.zone("../../etc/passwd"), Err(NoZone::Unknown(_))));
        let missing = Host::new("/nowhere").with_zoneinfo(dir.path().join("none"));
        assert!(matches!(missing.zone("Europe/Berlin"), Err(NoZone::NoDatabase)));
        assert_eq!(missing.zone("UTC").unwrap(), Zone::utc());
        std::fs::create_dir(dir.path().join("Europe")).unwrap();
        std::fs::write(dir.path().join("Europe/Berlin"), b"TZif no more").unwrap();
        let damaged = Host::new("/nowhere").with_zoneinfo(dir.path());
        assert!(matches!(damaged.zone("Europe/Berlin"), Err(NoZone::Damaged(_))));
        assert!(matches!(damaged.zone("Europe"), Err(NoZone::Unknown(_))));
    }

    #[test]
    fn the_systems_own_zone_is_read() {
        let host = Host::new("/nowhere");
        if let Ok(zone) = host.zone("Europe/Berlin") {
            let resolved = zone.resolve(datetime!(2027-03-28 02:30)).unwrap();
            assert_eq!(resolved.at, datetime!(2027-03-28 03:00 +2));
        }
        assert!(host.local_zone().is_ok(), "this machine's own");
        assert_eq!(name_in(Path::new("/usr/share/zoneinfo/Europe/Berlin")).as_deref(), Some("Europe/Berlin"));
        assert_eq!(name_in(Path::new("../usr/share/zoneinfo/UTC")).as_deref(), Some("UTC"));
        assert_eq!(name_in(Path::new("/opt/x")), None);
    }
}
