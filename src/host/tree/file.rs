//! One file after the other, into the same buffer.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Mutex;

use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::{Errno, pread, read};
use zeroize::Zeroize;

use super::super::dir::MAX_FILE;
use super::{Place, Visitor, Want};

/// How reading a file ended.
pub(super) enum Done {
    Read,
    /// It has more than [`MAX_FILE`] bytes, as far as it matters.
    TooLarge,
}

/// Bytes that are read at a time: more than nearly every file with a certificate has.
const PIECE: usize = 64 * 1024;

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

    /// Reads a file as far as the visitor wants it.
    pub(super) fn read(
        &mut self,
        folder: BorrowedFd<'_>,
        place: Place<'_>,
        follow: bool,
        visitor: &mut impl Visitor,
    ) -> io::Result<Done> {
        let stay = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY | stay;
        let fd = fs::openat(folder, place.name, flags, Mode::empty())?;
        let filled = self.fill(&fd, 0)?;
        let piece = &self.buffer[..filled];
        if filled < self.buffer.len() {
            if visitor.wants(piece, true) == Want::Whole {
                visitor.file(place, piece);
            }
            return Ok(Done::Read);
        }
        match visitor.wants(piece, true) {
            Want::Nothing => Ok(Done::Read),
            Want::Whole => whole(&fd, place, visitor),
            Want::More => self.read_on(&fd, place, visitor),
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
