//! Data that others made, named by `RESEAL_OUTSIDE_DATA`: it is not part of the project, and tests are skipped without it.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The outside file, or why the test is skipped.
pub fn outside(name: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("RESEAL_OUTSIDE_DATA") else {
        println!("skipped: no outside data: RESEAL_OUTSIDE_DATA does not name it");
        return None;
    };
    let path = Path::new(&root).join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no {} in RESEAL_OUTSIDE_DATA", path.display());
    None
}

pub fn unzstd(path: &Path) -> Vec<u8> {
    let output = Command::new("zstd").args(["-dqc", "--long=27"]).arg(path).output().unwrap();
    assert!(output.status.success(), "zstd {}", path.display());
    output.stdout
}

pub fn untar(path: &Path) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let tar = dir.path().join("archive");
    fs::write(&tar, unzstd(path)).unwrap();
    let status =
        Command::new("tar").arg("xC").arg(dir.path()).stdin(Stdio::from(File::open(&tar).unwrap())).status().unwrap();
    assert!(status.success(), "tar {}", path.display());
    dir
}

pub fn lines(path: &Path) -> Vec<Value> {
    unzstd(path)
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

pub fn moment(text: &Value) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text.as_str()?, &Rfc3339).ok()
}
