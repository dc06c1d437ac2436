//! What is linked into the program and belongs to others: crates, their licences, and the notices these ask for.
//!
//! ```text
//! cargo run --example third-party > FILE
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// How the files begin that hold a licence or what it wants told.
const NOTICES: &[&str] = &["license", "licence", "copying", "copyright", "notice", "unlicense"];

fn main() -> io::Result<()> {
    let metadata = metadata()?;
    let linked = linked(&metadata);
    let mut crates = Vec::new();
    // A text that several crates have is told once.
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in list(&metadata["packages"]).filter(|package| linked.contains(text(&package["id"]))) {
        let name = format!("{} {}", text(&package["name"]), text(&package["version"]));
        let licence = package["license"].as_str().unwrap_or("see its text below");
        crates.push(format!("{name}: {licence}"));
        let directory = Path::new(text(&package["manifest_path"])).parent().unwrap_or(Path::new("/"));
        for notice in notices(directory)? {
            texts.entry(notice).or_default().push(name.clone());
        }
    }
    crates.sort();
    let mut out = io::stdout().lock();
    writeln!(out, "Libraries of others in the program reseal, and their licences:\n")?;
    crates.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
    let mut texts: Vec<(String, Vec<String>)> = texts.into_iter().map(|(text, of)| (text, sorted(of))).collect();
    texts.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    for (text, of) in texts {
        writeln!(out, "\n{}\n{}:\n\n{text}", "-".repeat(80), of.join(", "))?;
    }
    Ok(())
}

fn metadata() -> io::Result<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let ran = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", env!("RESEAL_TARGET")])
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()?;
    if !ran.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&ran.stderr).into_owned()));
    }
    serde_json::from_slice(&ran.stdout).map_err(io::Error::other)
}

/// The packages that the program is made of, by their ids: neither what only builds it nor what only tests it.
fn linked(metadata: &Value) -> BTreeSet<String> {
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"]["nodes"]).map(|node| (text(&node["id"]), node)).collect();
    let root = text(&metadata["resolve"]["root"]);
    let mut waiting = vec![root];
    let mut found = BTreeSet::new();
    while let Some(node) = waiting.pop().and_then(|id| nodes.get(id)) {
        let normal = |dependency: &&Value| list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null());
        for id in list(&node["deps"]).filter(normal).map(|dependency| text(&dependency["pkg"])) {
            if found.insert(id.to_owned()) {
                waiting.push(id);
            }
        }
    }
    found
}

/// The texts of the files that a crate brings about its licence.
fn notices(directory: &Path) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if NOTICES.iter().any(|begin| name.starts_with(begin)) && entry.path().is_file() {
            let bytes = fs::read(entry.path())?;
            found.insert(String::from_utf8_lossy(&bytes).replace('\r', "").trim().to_owned());
        }
    }
    Ok(found)
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
