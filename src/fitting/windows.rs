//! Tasks for the Task Scheduler of Windows (schema `http://schemas.microsoft.com/windows/2004/02/mit/task`).
//!
//! They are ASCII and declare no encoding: `schtasks` refuses a file that declares another one than it is in, and a shell of Windows may write
//! what this program prints as UTF-16.

/// What starts a renewal daily.
pub(super) const RENEW: &str = include_str!("../../packaging/windows/reseal-renew.xml");

/// What starts a look after an installer of Windows has run: the events 1033, 11707 and 11728 of `MsiInstaller`.
pub(super) const POST_UPGRADE: &str = include_str!("../../packaging/windows/reseal-post-upgrade.xml");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_in_whatever_encoding_it_is_saved() {
        for task in [RENEW, POST_UPGRADE] {
            assert!(task.is_ascii() && task.starts_with("<?xml version=\"1.0\"?>\n"), "{task}");
        }
    }
}
