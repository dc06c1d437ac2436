//! Who may import whom, and the other house rules that no compiler knows.
//!
//! A change that breaks one of these is a change of the architecture: then this table changes with it, in the same review, and
//! `docs/architecture.md` too.

use std::fs;
use std::path::{Path, PathBuf};

/// Every module of the crate and what it may import, from the bottom up: a row names rows above it, so there is no circle.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    // Pure: these open nothing.
    ("sensitive", &[]),
    ("digest", &[]),
    ("sealed", &["digest"]),
    ("endpoint", &[]),
    ("escape", &[]),
    ("moment", &[]),
    ("change", &["digest", "endpoint", "sensitive"]),
    ("event", &["change"]),
    ("outcome", &["change", "digest", "moment"]),
    ("cert", &["change", "digest", "sensitive"]),
    ("assess", &["cert", "change", "digest"]),
    ("plan", &["assess"]),
    ("config", &["assess", "cert", "change", "endpoint", "moment"]),
    ("inventory", &["cert", "endpoint"]),
    // The only door to the machine.
    ("host", &["cert", "change", "digest", "endpoint", "event", "moment", "outcome", "sensitive"]),
    // Adapters and the engine: none of them knows another.
    ("source", &["cert", "change", "digest", "host", "moment", "outcome", "sensitive"]),
    ("target", &["cert", "change", "config", "digest", "host", "outcome", "sensitive"]),
    ("trust", &["cert", "change", "config", "digest", "host", "outcome", "sensitive"]),
    ("fitting", &["change", "digest", "host"]),
    (
        "notify",
        &["assess", "cert", "change", "config", "digest", "escape", "host", "moment", "outcome", "sealed", "sensitive"],
    ),
    ("engine", &["cert", "change", "digest", "event", "host", "moment", "outcome", "sealed", "sensitive"]),
    // What introduces them to each other.
    (
        "flow",
        &[
            "assess",
            "cert",
            "change",
            "config",
            "digest",
            "endpoint",
            "engine",
            "event",
            "fitting",
            "host",
            "inventory",
            "moment",
            "notify",
            "outcome",
            "plan",
            "sensitive",
            "source",
            "target",
            "trust",
        ],
    ),
    // Words in, words out.
    (
        "report",
        &[
            "assess", "cert", "change", "config", "digest", "endpoint", "escape", "event", "flow", "moment", "notify",
            "outcome",
        ],
    ),
    (
        "cli",
        &[
            "assess",
            "cert",
            "change",
            "config",
            "digest",
            "endpoint",
            "engine",
            "event",
            "fitting",
            "flow",
            "host",
            "inventory",
            "notify",
            "moment",
            "outcome",
            "report",
            "sensitive",
            "trust",
        ],
    ),
    ("main", &["cli"]),
];

/// Modules that open nothing: they take facts and the time, and answer.
const PURE: &[&str] = &[
    "sensitive",
    "digest",
    "sealed",
    "endpoint",
    "escape",
    "moment",
    "change",
    "event",
    "outcome",
    "cert",
    "assess",
    "plan",
    "config",
    "inventory",
];

/// Words that no pure module may hold.
const IMPURE: &[&str] =
    &["std::fs", "std::env", "std::process", "std::thread", "Instant::now", "std::net::Tcp", "std::net::Udp"];

/// Words that nothing but the host may hold; clippy's list (`.clippy.toml`) is the finer net.
const HOST_ALONE: &[&str] = &[
    "std::fs",
    "std::env::var",
    "process::Command",
    "std::net::Tcp",
    "std::net::Udp",
    "std::os::unix::net",
    "SystemTime",
    "now_utc",
    "now_local",
    "rustix::",
    "signal_hook",
];

/// Words that nobody may hold.
const NOWHERE: &[&str] = &["println!", "print!", "dbg!", "todo!", "unimplemented!", "unsafe {", "TODO", "FIXME"];

/// Parts of file names that say nothing about what is in the file.
const EMPTY_NAMES: &[&str] = &["helper", "util", "manager", "common", "imp", "misc", "impl"];

/// Lines of a file without its tests that call for a second look, and then for a second file.
const MOST_LINES: usize = 400;

#[test]
fn imports_go_down_only() {
    let found: Vec<String> = sources().iter().flat_map(bad_imports).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn pure_modules_open_nothing_and_only_the_host_touches_the_machine() {
    let found: Vec<String> = sources().iter().flat_map(bad_words).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_file_does_one_thing_named_by_its_name() {
    let mut found = Vec::new();
    for source in sources() {
        let lines = source.body().lines().count();
        if lines > MOST_LINES {
            found.push(format!("{} has {lines} lines without its tests: more than {MOST_LINES}", source.path));
        }
        let names = source.path.trim_end_matches(".rs").split(['/', '_']);
        for part in names.filter(|part| EMPTY_NAMES.contains(&part.trim_end_matches('s'))) {
            found.push(format!("{}: {part:?} does not tell what is in it", source.path));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_module_is_in_the_table() {
    let sources = sources();
    for (row, (module, may)) in MAY_IMPORT.iter().enumerate() {
        assert!(sources.iter().any(|source| source.module() == *module), "{module} is in the table and not in src/");
        for other in *may {
            let above = MAY_IMPORT[..row].iter().any(|(known, _)| known == other);
            assert!(above, "{module} may import {other}, which is not above it: that allows a circle");
        }
    }
    for module in PURE {
        let (_, may) = MAY_IMPORT.iter().find(|(known, _)| known == module).unwrap();
        assert!(may.iter().all(|other| PURE.contains(other)), "{module} is pure and imports what is not");
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let found = without_reason(&manifest);
    assert!(found.is_empty(), "no `# reason` on the line of: {found:?}");
    let mut code = Vec::new();
    for dir in ["src", "tests", "benches", "packaging"] {
        collect(&root().join(dir), &root().join(dir), &mut code);
    }
    let code: Vec<&str> = code.iter().flat_map(|source| source.text.lines()).filter(|line| !is_comment(line)).collect();
    let found = unused(&manifest, &code.join("\n"));
    assert!(found.is_empty(), "in Cargo.toml, and used nowhere: {found:?}");
}

/// The rules themselves can fail.
#[test]
fn the_checker_sees_what_is_forbidden() {
    let violations = [
        ("target/x.rs", "use crate::engine::Engine;"),
        ("engine/x.rs", "let a = crate::target::open(&config);"),
        ("source/x.rs", "use crate::{\n    cert::Bundle,\n    config::Config,\n};"),
        ("assess/x.rs", "use super::super::host::Host;"),
        ("plan.rs", "use super::host::Host;"),
        ("cert/codec/pem.rs", "use super::super::super::flow::check;"),
        ("main.rs", "reseal::flow::check::run();"),
        ("new.rs", "use crate::digest::Digest;"),
    ];
    for (path, text) in violations {
        assert!(!bad_imports(&Source::new(path, text)).is_empty(), "{path}: {text}");
    }
    let permitted = [
        ("target/x.rs", "use crate::target::Pair;\nuse crate::config::TargetConfig;"),
        ("target/nginx/x.rs", "use super::super::layout::Place;"),
        ("engine/x.rs", "//! See [`crate::target`].\nuse crate::host::Host;"),
        ("engine/x.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n    use crate::flow::check;\n}"),
        ("cert/x.rs", "use crate::digest::Digest; // not crate_engine::x"),
    ];
    for (path, text) in permitted {
        assert_eq!(bad_imports(&Source::new(path, text)), [""; 0], "{path}: {text}");
    }
    for (path, text) in [
        ("cert/x.rs", "std::fs::read(path)"),
        ("assess/x.rs", "let now = Instant::now();"),
        ("flow/x.rs", "let now = OffsetDateTime::now_utc();"),
        ("engine/x.rs", "use rustix::fs;"),
        ("cli/x.rs", "println!(\"{x}\");"),
        ("host/x.rs", "eprintln!(\"{x}\");"),
        ("host/x.rs", "a(); // TODO later"),
    ] {
        assert!(!bad_words(&Source::new(path, text)).is_empty(), "{path}: {text}");
    }
    assert!(bad_words(&Source::new("host/x.rs", "std::fs::read(path)")).is_empty());
    assert_eq!(without_reason("[dependencies]\na = \"1\" # why\nb = \"1\"\n[profile.x]\nc = 1\n"), ["b"]);
    let manifest = "[dependencies]\na-b = \"1\"\nmd-5 = \"1\"\nc = \"1\"\nd = \"1\"\n[profile.x]\ne = 1\n";
    assert_eq!(unused(manifest, "use a_b;\nlet x = md5::y();\nlet z = other_c::z + self::d::q;"), ["c", "d"]);
}

/// One file below `src/`.
struct Source {
    /// Its path below `src/`.
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The top-level module it belongs to.
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// How many `super::` lead from it to the crate's root.
    fn depth(&self) -> usize {
        self.path.trim_end_matches("/mod.rs").split('/').count()
    }

    /// What is compiled into the program: all before the test module.
    fn body(&self) -> &str {
        let mut marks = self.text.match_indices("#[cfg(test)]\n").map(|(at, _)| at);
        let of_tests = |at: &usize| {
            let next = self.text[*at..].lines().nth(1).unwrap_or_default();
            next.trim_start_matches("pub(super) ").starts_with("mod tests")
        };
        self.text.get(..marks.find(of_tests).unwrap_or(self.text.len())).unwrap_or_default()
    }

    /// The same without comment lines, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.body().lines().enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| !is_comment(line))
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// The lines of a file that import what its module may not.
fn bad_imports(source: &Source) -> Vec<String> {
    let module = source.module();
    if source.path == "lib.rs" {
        return Vec::new();
    }
    let Some((_, may)) = MAY_IMPORT.iter().find(|(known, _)| *known == module) else {
        return vec![format!("src/{}: the module {module} is not in the table of imports", source.path)];
    };
    let code: String = source.code().flat_map(|(_, line)| [line, "\n"]).collect();
    let imported = imported(&code, source.depth());
    let bad = imported.into_iter().filter(|other| other != module && !may.contains(&other.as_str()));
    bad.map(|other| format!("src/{}: {module} may not import {other}", source.path)).collect()
}

/// The top-level modules that code at this depth names.
fn imported(code: &str, depth: usize) -> Vec<String> {
    let up = "super::".repeat(depth);
    let mut found = Vec::new();
    for prefix in ["crate::", "reseal::", up.as_str()] {
        for (at, _) in code.match_indices(prefix) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || (c == ':' && prefix == up)) {
                continue;
            }
            let rest = &code[at + prefix.len()..];
            match rest.strip_prefix('{') {
                Some(group) => found.extend(heads(group)),
                None => found.push(word(rest)),
            }
        }
    }
    // What begins with a capital is an item of the crate's root, which has none.
    found.retain(|name| !name.is_empty() && name != "super");
    found.sort();
    found.dedup();
    found
}

/// The first words of the entries of a braced list, up to its end.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut expected) = (0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expected = true,
            c if expected && !c.is_whitespace() => {
                heads.push(word(&group[at..]));
                expected = false;
            }
            _ => {}
        }
    }
    heads
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The lines of a file that hold words its module may not.
fn bad_words(source: &Source) -> Vec<String> {
    let module = source.module();
    let mut forbidden = NOWHERE.to_vec();
    if module != "host" {
        forbidden.extend(HOST_ALONE);
    }
    if PURE.contains(&module) {
        forbidden.extend(IMPURE);
    }
    let mut found = Vec::new();
    for (number, line) in source.code() {
        for word in forbidden.iter().filter(|word| line.contains(**word)) {
            found.push(format!("src/{}:{number}: {module} may not use {word}", source.path));
        }
    }
    found
}

/// The dependencies of a manifest whose line has no comment.
fn without_reason(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if inside && !line.is_empty() && !line.starts_with('#') && !line.contains(" # ") {
            found.push(word(line));
        }
    }
    found
}

/// What a crate is called in code, where that is not what its package is called.
const CALLED: &[(&str, &str)] = &[("md-5", "md5"), ("rustls-webpki", "webpki")];

/// The dependencies that no code names.
fn unused(manifest: &str, code: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            let package = line.split([' ', '=', '.']).next().unwrap_or_default().to_owned();
            let called = CALLED.iter().find(|(name, _)| *name == package).map(|(_, called)| (*called).to_owned());
            if !names(code, &called.unwrap_or_else(|| package.replace('-', "_"))) {
                found.push(package);
            }
        }
    }
    found
}

/// Whether code names a crate: `name::`, or `use name`.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let part = |c: char| c.is_alphanumeric() || c == '_';
        let begins = !before.ends_with(|c: char| part(c) || c == ':');
        begins && (after.starts_with("::") || (before.ends_with("use ") && !after.starts_with(part)))
    })
}

/// Every file that is compiled into the program.
fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut found = Vec::new();
    collect(&src, &src, &mut found);
    let test_only: Vec<String> = found.iter().flat_map(test_files).collect();
    // With those below them: what only tests declare is compiled for tests alone.
    let below =
        |path: &str| test_only.iter().any(|file| path.starts_with(&format!("{}/", file.trim_end_matches(".rs"))));
    found.retain(|source| !test_only.contains(&source.path) && !below(&source.path));
    assert!(found.len() > 50, "the sources were not found below {}", src.display());
    found
}

/// The files of modules that a file declares for tests alone.
fn test_files(source: &Source) -> Vec<String> {
    let dir = source.path.trim_end_matches("mod.rs").trim_end_matches(".rs").trim_end_matches('/').to_owned();
    let lines: Vec<&str> = source.text.lines().collect();
    let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    declared
        .filter_map(|pair| Some(pair[1].trim_end().strip_suffix(';')?.rsplit_once("mod ")?.1))
        .map(|name| format!("{dir}/{name}.rs"))
        .collect()
}

fn collect(dir: &Path, src: &Path, found: &mut Vec<Source>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, src, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(src).unwrap().to_string_lossy().into_owned();
            found.push(Source::new(&name, &fs::read_to_string(&path).unwrap()));
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
