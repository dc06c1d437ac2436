use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use tempfile::TempDir;

use super::*;

struct Collecting<'a> {
    found: &'a Mutex<Vec<PathBuf>>,
    ended: &'a AtomicBool,
    most: usize,
}

impl Visitor for Collecting<'_> {
    fn wants(&self, piece: &[u8], _first: bool) -> Want {
        assert!(!piece.starts_with(b"panic"), "asked for");
        Want::Whole
    }

    fn file(&mut self, place: Place<'_>, _bytes: &[u8]) {
        let mut found = self.found.lock().unwrap();
        found.push(place.path());
        if found.len() >= self.most {
            self.ended.store(true, Ordering::Relaxed);
        }
    }

    fn trouble(&mut self, path: &Path, _why: &io::Error) {
        self.found.lock().unwrap().push(path.to_owned());
    }

    fn rest(&mut self) {}

    fn goes_on(&self) -> bool {
        !self.ended.load(Ordering::Relaxed)
    }
}

fn walked(roots: Vec<PathBuf>, most: usize) -> Vec<PathBuf> {
    let (found, ended) = (Mutex::default(), AtomicBool::new(false));
    let options = Options { follow: false, one_file_system: false, threads: Some(8) };
    let visitor = || Collecting { found: &found, ended: &ended, most };
    walk(roots.into_iter(), options, &Counts::default(), visitor);
    found.into_inner().unwrap()
}

fn tree(files: usize) -> TempDir {
    let dir = TempDir::new().unwrap();
    for number in 0..files {
        let folder = dir.path().join((number % 13).to_string());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{number}-with-a-longer-name")), number.to_string()).unwrap();
    }
    dir
}

#[test]
fn each_file_is_met_once() {
    let dir = tree(5000);
    for _ in 0..5 {
        let found = walked(vec![dir.path().to_owned()], usize::MAX);
        let different: BTreeSet<_> = found.iter().collect();
        assert_eq!((found.len(), different.len()), (5000, 5000));
    }
    let roots: Vec<PathBuf> = walked(vec![dir.path().to_owned()], usize::MAX);
    assert_eq!(walked(roots, usize::MAX).len(), 5000);
    assert_eq!(walked(Vec::new(), usize::MAX), Vec::<PathBuf>::new());
}

#[test]
fn it_ends_when_nobody_goes_on() {
    let dir = tree(5000);
    let found = walked(vec![dir.path().to_owned()], 10);
    assert!((10..100).contains(&found.len()), "{}", found.len());
}

#[test]
fn a_panic_is_passed_on_and_nobody_waits_for_ever() {
    let dir = tree(2000);
    std::fs::write(dir.path().join("3/bad"), "panic").unwrap();
    let ended = std::panic::catch_unwind(|| walked(vec![dir.path().to_owned()], usize::MAX));
    assert!(ended.is_err());
}
