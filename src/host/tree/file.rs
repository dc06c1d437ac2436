//! One file after the other, into the same buffer.

use std::io::{self, IoSliceMut};
use std::num::NonZero;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Mutex;

use rustix::fs::{self, Advice, FileType, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2, read};
use zeroize::Zeroize;

use super::super::dir::MAX_FILE;
use super::{Place, Visitor, Want};

/// How reading a file ended.
pub(super) enum Done {
    Read,
    /// It has more than [`MAX_FILE`] bytes, as far as it matters.
    TooLarge,
}

/// How far a file was read at once.
pub(super) enum Begun {
    Done(Done),
    /// Its beginning is not in memory; the disk was asked for it.
    Waits(OwnedFd),
}

/// Bytes that are read at a time: more than nearly every file with a certificate has.
const PIECE: usize = 64 * 1024;

/// The bytes of a page of memory, or of a part of one: where they are more, it is by a power of two.
const PAGE: usize = 4096;

/// Bytes at the end of a piece that are looked at again with the next.
const OVERLAP: usize = 64;

/// One large file at a time is held in memory.
static LARGE: Mutex<()> = Mutex::new(());

/// The buffer of one thread; what it held may have been a key.
pub(super) struct Reader {
    buffer: Vec<u8>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; OVERLAP + PIECE] }
    }

    /// Opens a file, and reads it as far as the visitor wants it, where that can be done without waiting for the disk.
    pub(super) fn begin(
        &mut self,
        folder: BorrowedFd<'_>,
        place: Place<'_>,
        follow: bool,
        visitor: &mut impl Visitor,
    ) -> io::Result<Begun> {
        let stay = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY | stay;
        let fd = fs::openat(folder, place.name, flags, Mode::empty())?;
        // From where the file is read next, which is moved.
        let here = u64::MAX;
        let there = match preadv2(&fd, &mut [IoSliceMut::new(&mut self.buffer)], here, ReadWriteFlags::NOWAIT) {
            Ok(there) => there,
            Err(Errno::AGAIN) if self.ask_for(&fd) => return Ok(Begun::Waits(fd)),
            // A file system that knows no such question, or an error that will be met again.
            Err(_) => 0,
        };
        self.read(&fd, there, place, visitor).map(Begun::Done)
    }

    /// Whether the disk was asked for the beginning of a file.
    fn ask_for(&self, fd: &OwnedFd) -> bool {
        fs::fadvise(fd, 0, NonZero::new(self.buffer.len() as u64), Advice::WillNeed).is_ok()
    }

    /// Reads a file as far as the visitor wants it, of which nothing was read.
    pub(super) fn end(&mut self, fd: &OwnedFd, place: Place<'_>, visitor: &mut impl Visitor) -> io::Result<Done> {
        self.read(fd, 0, place, visitor)
    }

    /// The same, where the buffer holds so much of it.
    pub(super) fn read(
        &mut self,
        fd: &OwnedFd,
        there: usize,
        place: Place<'_>,
        visitor: &mut impl Visitor,
    ) -> io::Result<Done> {
        // What is in memory ends with a page of it, or with the file.
        let filled = if there.is_multiple_of(PAGE) { self.fill(fd, there)? } else { there };
        let piece = &self.buffer[..filled];
        if filled < self.buffer.len() {
            if visitor.wants(piece, true) == Want::Whole {
                visitor.file(place, piece);
            }
            return Ok(Done::Read);
        }
        match visitor.wants(piece, true) {
            Want::Nothing => Ok(Done::Read),
            Want::Whole => whole(fd, place, visitor),
            Want::More => self.read_on(fd, place, visitor),
        }
    }

    /// Looks through the rest of a file of which the buffer holds the beginning.
    fn read_on(&mut self, fd: &OwnedFd, place: Place<'_>, visitor: &mut impl Visitor) -> io::Result<Done> {
        if length(fd)? > MAX_FILE {
            return Ok(Done::TooLarge);
        }
        let mut read = self.buffer.len();
        loop {
            let end = self.buffer.len();
            self.buffer.copy_within(end - OVERLAP.., 0);
            let filled = self.fill(fd, OVERLAP)?;
            read += filled - OVERLAP;
            match visitor.wants(&self.buffer[..filled], false) {
                Want::Whole => return whole(fd, place, visitor),
                Want::Nothing => return Ok(Done::Read),
                Want::More if filled < end => return Ok(Done::Read),
                // It grows while it is read.
                Want::More if read as u64 > MAX_FILE => return Ok(Done::TooLarge),
                Want::More => {}
            }
        }
    }

    /// Fills the buffer from `start`; less than all of it at the end of the file alone. How far it is filled.
    fn fill(&mut self, fd: &OwnedFd, start: usize) -> io::Result<usize> {
        let mut filled = start;
        while filled < self.buffer.len() {
            match read(fd, &mut self.buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(filled)
    }
}

/// Reads all of a file that does not fit into the buffer.
fn whole(fd: &OwnedFd, place: Place<'_>, visitor: &mut impl Visitor) -> io::Result<Done> {
    if length(fd)? > MAX_FILE {
        return Ok(Done::TooLarge);
    }
    let _one = LARGE.lock();
    // Reserved at once: growing would leave copies behind.
    let most = usize::try_from(length(fd)?.min(MAX_FILE)).unwrap_or_default();
    let mut bytes = zeroize::Zeroizing::new(vec![0; most]);
    let mut filled = 0;
    while filled < most {
        match pread(fd, &mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    visitor.file(place, &bytes[..filled]);
    Ok(Done::Read)
}

fn length(fd: &OwnedFd) -> io::Result<u64> {
    let stat = fs::fstat(fd)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is not a regular file any more"));
    }
    Ok(u64::try_from(stat.st_size).unwrap_or_default())
}
