use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use rustix::io::{ReadWriteFlags, preadv2};
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

    fn file(&mut self, place: Place<'_>, bytes: &[u8]) {
        let path = place.path();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(name.split_once('-').unwrap().0.as_bytes(), bytes, "{}", path.display());
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

/// Has the kernel forget what it has of a file.
fn forget(path: &Path) -> std::fs::File {
    let file = std::fs::File::open(path).unwrap();
    file.sync_all().unwrap();
    fs::fadvise(&file, 0, None, fs::Advice::DontNeed).unwrap();
    file
}

#[test]
fn what_is_not_in_memory_is_met_once() {
    let dir = tree(500);
    for path in walked(vec![dir.path().to_owned()], usize::MAX) {
        forget(&path);
    }
    let found = walked(vec![dir.path().to_owned()], usize::MAX);
    let different: BTreeSet<_> = found.iter().collect();
    assert_eq!((found.len(), different.len()), (500, 500));
}

#[test]
fn the_disk_is_asked_and_not_waited_for() {
    let dir = tree(2);
    let (this, other) = (dir.path().join("0/0-with-a-longer-name"), dir.path().join("1/1-with-a-longer-name"));
    let (found, ended) = (Mutex::default(), AtomicBool::new(false));
    let (mut reader, mut visitor) = (Reader::new(), Collecting { found: &found, ended: &ended, most: usize::MAX });
    let name = CString::new(this.as_os_str().as_bytes()).unwrap();
    let place = Place { folder: None, name: &name };
    // Some file systems keep all in memory, or do not tell; and the kernel forgets no page that it is still busy with.
    let (mut waits, mut tells) = (0, 0);
    for times in 1..=50 {
        let mut byte = [0];
        let asked = preadv2(forget(&other), &mut [io::IoSliceMut::new(&mut byte)], 0, ReadWriteFlags::NOWAIT);
        tells += usize::from(asked == Err(Errno::AGAIN));
        forget(&this);
        if let Begun::Waits(fd) = reader.begin(fs::CWD, place, false, &mut visitor).unwrap() {
            waits += 1;
            assert_eq!(found.lock().unwrap().len(), times - 1);
            reader.end(&fd, place, &mut visitor).unwrap();
        }
        assert_eq!(found.lock().unwrap().len(), times);
    }
    assert_eq!(waits > 0, tells > 0, "{waits} and {tells} of 50");
}

/// Notes how much of each file it gets.
struct Lengths(Vec<usize>);

impl Visitor for Lengths {
    fn wants(&self, _piece: &[u8], _first: bool) -> Want {
        Want::Whole
    }

    fn file(&mut self, _place: Place<'_>, bytes: &[u8]) {
        self.0.push(bytes.len());
    }

    fn trouble(&mut self, path: &Path, why: &io::Error) {
        panic!("{}: {why}", path.display());
    }

    fn rest(&mut self) {}

    fn goes_on(&self) -> bool {
        true
    }
}

#[test]
fn a_file_of_which_a_part_is_in_memory_is_read_whole() {
    let dir = TempDir::new().unwrap();
    let (mut lengths, mut parts) = (Lengths(Vec::new()), 0);
    let sizes = [1, 4095, 4096, 4097, 3 * 4096, 3 * 4096 + 1, 15 * 4096 + 7];
    for (number, size) in sizes.iter().copied().cycle().take(70).enumerate() {
        let path = dir.path().join(number.to_string());
        std::fs::write(&path, vec![b'x'; size]).unwrap();
        let file = forget(&path);
        // One page alone, where the file system keeps no more in memory than it is asked for.
        fs::fadvise(&file, 0, None, fs::Advice::Random).unwrap();
        rustix::io::pread(&file, &mut [0], 0).unwrap();
        let mut all = vec![0; size];
        let there = preadv2(&file, &mut [io::IoSliceMut::new(&mut all)], 0, ReadWriteFlags::NOWAIT);
        parts += usize::from(there.is_ok_and(|there| there < size));
        let name = CString::new(path.as_os_str().as_bytes()).unwrap();
        let place = Place { folder: None, name: &name };
        let mut reader = Reader::new();
        if let Begun::Waits(fd) = reader.begin(fs::CWD, place, false, &mut lengths).unwrap() {
            reader.end(&fd, place, &mut lengths).unwrap();
        }
        assert_eq!(lengths.0.last(), Some(&size), "{parts} were there in part");
        assert_eq!(lengths.0.len(), number + 1);
    }
}

#[test]
fn what_follows_a_page_in_memory_is_read() {
    let dir = TempDir::new().unwrap();
    let mut lengths = Lengths(Vec::new());
    for (size, there) in [(4097, 4096), (4096, 4096), (3 * 4096 + 1, 4096), (4095, 4095), (0, 0), (5000, 0)] {
        let path = dir.path().join(size.to_string());
        std::fs::write(&path, vec![b'x'; size]).unwrap();
        let (fd, mut reader) = (std::fs::File::open(&path).unwrap().into(), Reader::new());
        let name = CString::new(path.as_os_str().as_bytes()).unwrap();
        assert_eq!(rustix::io::read(&fd, &mut vec![0; there]).unwrap(), there);
        reader.read(&fd, there, Place { folder: None, name: &name }, &mut lengths).unwrap();
        assert_eq!(lengths.0.last(), Some(&size));
    }
}

#[test]
fn who_may_hardly_open_files_asks_for_none_ahead() {
    let dir = tree(1);
    let file = || std::fs::File::open(dir.path().join("0/0-with-a-longer-name")).unwrap().into();
    let (mut one, mut many) = (Ahead::of(1), Ahead::of(usize::MAX));
    for ahead in [&mut one, &mut many] {
        ahead.ask(Asked::new(file(), None, c"first"));
    }
    assert!(one.due().is_none() && one.first().is_some() && one.first().is_none());
    assert!(many.due().is_some());
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
