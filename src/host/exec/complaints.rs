//! What a program says on standard error, heard while it runs: whoever it leaves behind may hold the pipe open for ever.

use std::fs::File;
use std::io::{self, Read};
use std::sync::mpsc;
use std::time::Instant;

/// Tells the first `most` bytes piece by piece as they come, and reads the rest for nobody, so that whoever writes is not held up.
pub(super) fn hear(mut errors: File, words: &mpsc::Sender<Vec<u8>>, most: usize) {
    let mut left = most;
    let mut piece = vec![0; 4096];
    while left > 0 {
        let next = left.min(piece.len());
        match errors.read(&mut piece[..next]) {
            Ok(0) => return,
            Ok(count) => {
                left -= count;
                if words.send(piece[..count].to_vec()).is_err() {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
    let _ = io::copy(&mut errors, &mut io::sink());
}

/// What has come until the pipe is closed, or until `end` while another process holds it open.
pub(super) fn heard(said: &mpsc::Receiver<Vec<u8>>, most: usize, end: Instant) -> String {
    let mut text = Vec::new();
    while let Ok(piece) = said.recv_timeout(end.saturating_duration_since(Instant::now())) {
        text.extend(piece);
        if text.len() >= most {
            break;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}
