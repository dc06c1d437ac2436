//! A temporary root that only its owner can enter, and a child process that ends with it: for `reseal demo`.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::process;

/// A directory that is removed when dropped.
pub struct Scratch {
    dir: tempfile::TempDir,
}

impl Scratch {
    /// A new one, mode 0700.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn new() -> io::Result<Self> {
        Ok(Self { dir: tempfile::Builder::new().prefix("reseal-demo-").tempdir()? })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file in it with these permission bits, with the directories above it.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn write(&self, path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let beside = path.with_extension("vendor-new");
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
        file.write_all(content)?;
        std::fs::rename(beside, path)
    }
}

/// A process that is killed when dropped.
pub struct Background(Child);

impl Background {
    /// Starts this very program with other arguments.
    ///
    /// # Errors
    /// It could not be started.
    pub fn this_program(arguments: &[&str]) -> io::Result<Self> {
        let child = Command::new(process::program()?)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
