//! What one reader does with what it meets.

use std::io;
use std::path::Path;
use std::sync::PoisonError;

use super::content::{self, Kind};
use super::{Checked, Scan};
use crate::cert::Recent;
use crate::host::tree::{Place, Visitor, Want};

/// Rows that wait to be written together.
const TOGETHER: usize = 32 * 1024;

/// One reader's hands.
pub(super) struct Looking<'a> {
    scan: &'a Scan<'a>,
    rows: Vec<u8>,
    recent: Recent,
}

impl<'a> Looking<'a> {
    pub(super) fn new(scan: &'a Scan<'a>) -> Self {
        Self { scan, rows: Vec::new(), recent: Recent::default() }
    }

    pub(super) fn tell(&mut self, checked: &Checked) {
        self.tell_part(checked, false);
    }

    /// `further`: another leaf of a file that was told of already.
    fn tell_part(&mut self, checked: &Checked, further: bool) {
        self.scan.count(checked, further);
        if self.scan.is_told(checked) {
            self.scan.sink.row(checked, &mut self.rows);
            if self.scan.sink.at_once() || self.rows.len() >= TOGETHER {
                self.rest();
            }
        }
    }
}

impl Visitor for Looking<'_> {
    fn wants(&self, piece: &[u8], first: bool) -> Want {
        content::wants(piece, first)
    }

    fn file(&mut self, place: Place<'_>, bytes: &[u8]) {
        match content::kind(bytes) {
            Kind::Nothing => {}
            Kind::Keys => self.scan.tally.lock().unwrap_or_else(PoisonError::into_inner).key(),
            Kind::Certificates => {
                let subject = place.text();
                for (place, checked) in self.scan.judge.found(&subject, bytes, &mut self.recent).iter().enumerate() {
                    self.tell_part(checked, place > 0);
                }
            }
        }
    }

    fn trouble(&mut self, path: &Path, why: &io::Error) {
        let subject = path.display().to_string();
        // What is neither there nor a path was perhaps meant for a server.
        let server = why.kind() == io::ErrorKind::NotFound && !subject.contains('/');
        let also = if server { "; a server is HOST:PORT, with one port" } else { "" };
        let problem = Some(format!("cannot read {subject}: {why}{also}"));
        self.tell(&Checked { problem, ..Checked::blank(&subject, "file") });
    }

    fn rest(&mut self) {
        if !self.rows.is_empty() {
            self.scan.write(&self.rows);
            self.rows.clear();
        }
    }

    fn goes_on(&self) -> bool {
        self.scan.goes_on()
    }
}
