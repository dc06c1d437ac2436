//! A file, read whole.

use std::fs::File;
use std::io::{self, Read};

/// Reads a regular file of at most `cap` bytes.
pub(in crate::host) fn read_regular(file: &File, cap: u64) -> io::Result<Vec<u8>> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if metadata.len() > cap {
        return Err(io::Error::other(format!("it is larger than the {} MiB that are read", cap / 1_048_576)));
    }
    let bytes = whole(file, usize::try_from(metadata.len()).unwrap_or(0), cap)?;
    if bytes.len() as u64 > cap {
        return Err(io::Error::other(format!("it is larger than the {} MiB that are read", cap / 1_048_576)));
    }
    Ok(bytes)
}

/// What is in a file that tells this length; of one that has more, up to one octet over `cap`.
fn whole(mut file: impl Read, length: usize, cap: u64) -> io::Result<Vec<u8>> {
    // With one octet more than it has: to get fewer than asked for is to have come to its end.
    let mut bytes = vec![0; length + 1];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if filled == length {
            break;
        }
    }
    let ended = filled < bytes.len();
    bytes.truncate(filled);
    if !ended {
        // It grows, or it is one of the kernel's, which tell no length.
        file.take((cap + 1).saturating_sub(filled as u64)).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::dir::MAX_FILE;

    #[test]
    fn a_file_is_read_whole_whatever_length_it_tells() {
        let dir = tempfile::tempdir().unwrap();
        let read = |path: &Path, cap| read_regular(&File::open(path).unwrap(), cap);
        for length in [0, 1, 4096, 100_000] {
            let path = dir.path().join("file");
            std::fs::write(&path, vec![b'x'; length]).unwrap();
            assert_eq!(read(&path, length as u64).unwrap().len(), length);
            assert!(length == 0 || read(&path, length as u64 - 1).is_err(), "{length}");
        }
        if cfg!(target_os = "linux") {
            // Told to be empty, and is not.
            let told = read(Path::new("/proc/self/status"), MAX_FILE).unwrap();
            assert!(told.starts_with(b"Name:") && told.len() > 500, "{}", told.len());
            assert!(read(Path::new("/proc/self/status"), 100).is_err());
        }
        assert!(read(dir.path(), MAX_FILE).is_err(), "a directory");
    }

    /// Gives an octet at a time, and is interrupted before each.
    struct Slow<'a>(&'a [u8], bool);

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let most = into.len().min(1);
            self.0.read(&mut into[..most])
        }
    }

    #[test]
    fn a_file_that_comes_in_pieces_is_read_whole() {
        for told in [0, 8, 100] {
            assert_eq!(whole(Slow(b"eight by", false), told, 100).unwrap(), b"eight by", "{told}");
        }
        // It has grown since it told its length.
        assert_eq!(whole(&b"eight by"[..], 3, 100).unwrap(), b"eight by");
        assert_eq!(whole(&b"eight by"[..], 3, 5).unwrap(), b"eight ");
    }
}
