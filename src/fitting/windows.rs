//! Tasks for the Task Scheduler of Windows (schema `http://schemas.microsoft.com/windows/2004/02/mit/task`).

/// What starts a renewal daily.
pub(super) const RENEW: &str = include_str!("../../packaging/windows/reseal-renew.xml");

/// What starts a look after an installer of Windows has run: the events 1033, 11707 and 11728 of `MsiInstaller`.
pub(super) const POST_UPGRADE: &str = include_str!("../../packaging/windows/reseal-post-upgrade.xml");
