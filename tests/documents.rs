//! What the documents say of the configuration is what the program does, and their links lead somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use reseal::config::{Config, Places, Policy};

#[test]
fn every_key_is_described() {
    let keys = keys();
    assert!(keys.len() > 30 && keys.contains("renew_before") && keys.contains("argv"), "found were {keys:?}");
    let text = read("docs/configuration.md");
    let told = |key: &&String| {
        let forms = [format!("`{key}`"), format!("[{key}]"), format!(".{key}]"), format!("{{ {key} = ")];
        forms.iter().any(|form| text.contains(form))
    };
    let missing: Vec<&String> = keys.iter().filter(|key| !told(key)).collect();
    assert!(missing.is_empty(), "docs/configuration.md does not tell of {missing:?}");
}

#[test]
fn every_example_is_good() {
    for file in ["docs/configuration.md", "README.md"] {
        let examples = examples(&read(file));
        assert!(!examples.is_empty(), "{file} has no example");
        for example in examples {
            Config::parse(&example, Path::new(file)).unwrap_or_else(|error| panic!("{file}: {error}\n{example}"));
        }
    }
}

#[test]
fn what_is_called_the_default_is_the_default() {
    let text = read("docs/configuration.md");
    let block =
        text.split("Everything with its default:").nth(1).and_then(|rest| examples(rest).into_iter().next()).unwrap();
    let target = "[[target]]\nname = \"a\"\nkind = \"nginx\"\ncertificate = \"/x\"\n";
    let config = Config::parse(&format!("{block}{target}"), Path::new("docs")).unwrap();
    assert_eq!(config.targets[0].policy, Policy::default());
    let places = Places::of_the_machine();
    assert_eq!((config.state_dir, config.live_dir), (Some(places.state), Some(places.live)));
    for key in keys_between("fn policy(", "fn must_not_run(") {
        assert!(block.contains(&format!("{key} = ")), "the block of defaults does not have {key}");
    }
}

#[test]
fn links_lead_to_files() {
    let mut files = vec![PathBuf::from("README.md"), PathBuf::from("CHANGELOG.md")];
    files.extend(
        fs::read_dir(root().join("docs")).unwrap().map(|entry| Path::new("docs").join(entry.unwrap().file_name())),
    );
    for file in files {
        let text = read(&file.to_string_lossy());
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = root().join(&file).parent().unwrap().join(target);
            assert!(path.exists(), "{} links to {target}, which is not there", file.display());
        }
    }
}

/// The keys that the readers of the configuration ask for, as they stand in the code.
fn keys() -> BTreeSet<String> {
    keys_between("", "#[cfg(test)]")
}

/// Those in the parts of the files that begin and end with these words; of a file without them, all or none.
fn keys_between(begin: &str, end: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in ["schema", "target", "table", "findings", "notify/read"] {
        let text = read(&format!("src/config/{file}.rs"));
        let Some(from) = text.find(begin) else { continue };
        let to = text[from..].find(end).map_or(text.len(), |at| from + at);
        for call in [
            "path(",
            "path_at(",
            "text(",
            "texts(",
            "number(",
            "flag(",
            "command(",
            "table(",
            "array(",
            "tables(",
            "value(",
            "require(",
            "part_left(table, ",
        ] {
            let asked = text[from..to].split(call).skip(1).filter_map(|rest| rest.strip_prefix('"'));
            found.extend(asked.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        }
    }
    found
}

fn examples(text: &str) -> Vec<String> {
    let blocks = text.split("```toml\n").skip(1);
    blocks.filter_map(|block| block.split("```").next()).map(str::to_owned).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
