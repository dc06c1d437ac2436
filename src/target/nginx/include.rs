//! A whole configuration out of its files: every `include` replaced by what it names.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::glob;
use super::lexer::Fault;
use super::tree::{self, Directive};
use crate::host::Host;

/// Files that include each other, and files in all: beyond any real configuration, and an end to one that includes itself.
const MAX_DEPTH: usize = 20;
const MAX_FILES: usize = 10_000;
/// The largest file of a configuration that is read, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// Where the texts of a configuration come from.
pub(super) trait Texts {
    /// The text of a file.
    fn text(&self, path: &Path) -> io::Result<String>;
    /// The files that match an absolute pattern, in the order of their bytes as nginx reads them.
    fn matching(&self, pattern: &Path) -> Vec<PathBuf>;
}

/// The texts that `nginx -T` has written out.
pub(super) struct Dump {
    /// The first file, which includes all others.
    pub(super) main: PathBuf,
    texts: BTreeMap<PathBuf, String>,
}

impl Dump {
    /// Takes the output of `nginx -T` apart; none when no file is in it.
    pub(super) fn read(output: &str) -> Option<Self> {
        let mut main = None;
        let mut texts: BTreeMap<PathBuf, String> = BTreeMap::new();
        let mut current: Option<PathBuf> = None;
        for line in output.split_inclusive('\n') {
            let head = line.trim_end().strip_prefix("# configuration file ").and_then(|rest| rest.strip_suffix(':'));
            if let Some(path) = head.filter(|path| path.starts_with('/')) {
                let path = PathBuf::from(path);
                main.get_or_insert_with(|| path.clone());
                texts.entry(path.clone()).or_default();
                current = Some(path);
            } else if let Some(text) = current.as_ref().and_then(|path| texts.get_mut(path)) {
                text.push_str(line);
            }
        }
        Some(Self { main: main?, texts })
    }
}

impl Texts for Dump {
    fn text(&self, path: &Path) -> io::Result<String> {
        self.texts.get(path).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn matching(&self, pattern: &Path) -> Vec<PathBuf> {
        let parts = parts(pattern);
        let fits = |path: &Path| {
            let names = self::parts(path);
            names.len() == parts.len() && parts.iter().zip(&names).all(|(part, name)| glob::matches(part, name))
        };
        self.texts.keys().filter(|path| fits(path)).cloned().collect()
    }
}

/// The texts on disk, for when nginx itself cannot read its configuration.
pub(super) struct Disk<'h>(pub(super) &'h Host);

impl Texts for Disk<'_> {
    fn text(&self, path: &Path) -> io::Result<String> {
        self.0.read(path, MAX_BYTES).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn matching(&self, pattern: &Path) -> Vec<PathBuf> {
        let mut found = vec![PathBuf::from("/")];
        for part in parts(pattern) {
            if glob::is_pattern(&part) {
                found = found
                    .into_iter()
                    .flat_map(|dir| {
                        let mut names = self.0.list(&dir).unwrap_or_default();
                        names.retain(|name| glob::matches(&part, name));
                        names.sort();
                        names.into_iter().map(move |name| dir.join(name))
                    })
                    .collect();
            } else {
                for dir in &mut found {
                    dir.push(&part);
                }
            }
        }
        found.retain(|path| self.0.exists(path));
        found
    }
}

/// Why the main file cannot be used.
#[derive(Debug)]
pub(super) enum Unusable {
    /// It cannot be read.
    Read(io::Error),
    /// It makes no sense.
    Syntax(Fault),
}

/// The directives of a configuration, and notes about included files that could not be used.
pub(super) fn expand(main: &Path, texts: &dyn Texts) -> Result<(Vec<Directive>, Vec<String>), Unusable> {
    let text = texts.text(main).map_err(Unusable::Read)?;
    let directives = tree::parse(&text, main).map_err(Unusable::Syntax)?;
    let root = main.parent().unwrap_or(Path::new("/"));
    let mut expansion = Expansion { root, texts, files: 0, notes: Vec::new() };
    let directives = expansion.block(directives, 0);
    Ok((directives, expansion.notes))
}

struct Expansion<'a> {
    /// Relative paths start at the directory of the main file, wherever they stand.
    root: &'a Path,
    texts: &'a dyn Texts,
    files: usize,
    notes: Vec<String>,
}

impl Expansion<'_> {
    fn block(&mut self, directives: Vec<Directive>, depth: usize) -> Vec<Directive> {
        let mut out = Vec::with_capacity(directives.len());
        for mut directive in directives {
            match (directive.name.as_str(), directive.block.take()) {
                ("include", None) => out.extend(self.include(&directive, depth)),
                // No certificate stands in any other block, and in some (`types`, `map`) no directives stand at all.
                ("http" | "stream" | "mail" | "server", Some(block)) => {
                    directive.block = Some(self.block(block, depth));
                    out.push(directive);
                }
                (_, block) => {
                    directive.block = block;
                    out.push(directive);
                }
            }
        }
        out
    }

    fn include(&mut self, directive: &Directive, depth: usize) -> Vec<Directive> {
        let path = self.root.join(directive.first());
        let paths = if glob::is_pattern(directive.first()) { self.texts.matching(&path) } else { vec![path] };
        let mut out = Vec::new();
        for path in paths {
            self.files += 1;
            if depth >= MAX_DEPTH || self.files > MAX_FILES {
                let note = format!("{} is left out: too many files include each other", path.display());
                if !self.notes.contains(&note) {
                    self.notes.push(note);
                }
                break;
            }
            let text = match self.texts.text(&path) {
                Ok(text) => text,
                Err(error) => {
                    let Directive { file, line, .. } = directive;
                    let at = file.display();
                    self.notes.push(format!("{} is left out ({at}:{line} includes it): {error}", path.display()));
                    continue;
                }
            };
            match tree::parse(&text, &path) {
                Ok(directives) => out.extend(self.block(directives, depth + 1)),
                Err(Fault { line, what }) => {
                    self.notes.push(format!("{} is left out: line {line}: {what}", path.display()));
                }
            }
        }
        out
    }
}

/// The names between the slashes.
fn parts(path: &Path) -> Vec<String> {
    path.components()
        .filter(|part| !matches!(part, Component::RootDir | Component::CurDir))
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(files: &[(&str, &str)]) -> Dump {
        let output: String =
            files.iter().map(|(path, text)| format!("# configuration file {path}:\n{text}\n\n")).collect();
        Dump::read(&output).unwrap()
    }

    fn names(texts: &dyn Texts, main: &str) -> (String, Vec<String>) {
        fn flat(directives: &[Directive]) -> String {
            directives
                .iter()
                .map(|it| match &it.block {
                    Some(block) => format!("{} {{ {}}} ", it.name, flat(block)),
                    None => format!("{} ", it.name),
                })
                .collect()
        }
        let (directives, notes) = expand(Path::new(main), texts).unwrap();
        (flat(&directives), notes)
    }

    #[test]
    fn includes_are_replaced_in_order_and_relative_to_the_main_file() {
        let dump = dump(&[
            (
                "/e/nginx.conf",
                "a; include mods/*.conf; http { include sites/*; include ./one.conf; types { include t; } }",
            ),
            ("/e/mods/2.conf", "m2;"),
            ("/e/mods/1.conf", "m1;"),
            ("/e/mods/1.conf.bak", "no;"),
            ("/e/sites/b", "server { include snippets/tls.conf; }"),
            ("/e/sites/a", "server { x; }"),
            ("/e/snippets/tls.conf", "tls;"),
            ("/e/one.conf", "one; # configuration file x:\n"),
        ]);
        let (names, notes) = names(&dump, "/e/nginx.conf");
        assert_eq!(names, "a m1 m2 http { server { x } server { tls } one types { include } } ");
        assert_eq!(notes, Vec::<String>::new());
    }

    #[test]
    fn what_cannot_be_included_is_told_and_left_out() {
        let dump = dump(&[
            ("/e/n", "include missing; include none/*; include bad; include self; z;"),
            ("/e/bad", "x;\n\"y"),
            ("/e/self", "s; include self; include self;"),
        ]);
        let (names, notes) = names(&dump, "/e/n");
        assert!(names.ends_with("z "), "{names}");
        assert!(notes[0].starts_with("/e/missing is left out (/e/n:1 includes it)"), "{notes:?}");
        assert!(notes[1].starts_with("/e/bad is left out: line 2"), "{notes:?}");
        assert_eq!(notes.len(), 3, "{notes:?}");
    }

    #[test]
    fn an_output_without_files_is_no_dump() {
        assert!(Dump::read("").is_none());
        assert!(Dump::read("nginx: something\n# configuration file x:\n").is_none());
        assert!(matches!(expand(Path::new("/b"), &dump(&[("/b", "a{")])), Err(Unusable::Syntax(_))));
        assert!(matches!(expand(Path::new("/c"), &dump(&[("/b", "")])), Err(Unusable::Read(_))));
    }

    #[test]
    fn on_disk_patterns_may_stand_anywhere() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in
            [("n", "include d*/?.conf;"), ("d1/a.conf", "a;"), ("d1/ab.conf", "no;"), ("d0/b.conf", "b;")]
        {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let host = Host::new("/nonexistent");
        let main = dir.path().join("n");
        assert_eq!(names(&Disk(&host), main.to_str().unwrap()), ("b a ".to_owned(), Vec::new()));
    }
}
