//! What is told to be typed.

use std::fmt;
use std::path::Path;

/// A word as a person would type it in a shell: for what is told to be typed.
pub struct Typed<'a>(pub &'a str);

impl fmt::Display for Typed<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,".contains(c);
        if !self.0.is_empty() && self.0.chars().all(plain) {
            out.write_str(self.0)
        } else if self.0.chars().any(char::is_control) {
            let escaped: String = self.0.chars().map(escaped).collect();
            write!(out, "$'{escaped}'")
        } else {
            write!(out, "'{}'", self.0.replace('\'', "'\\''"))
        }
    }
}

/// A path likewise.
#[must_use]
pub fn typed(path: &Path) -> String {
    Typed(&path.to_string_lossy()).to_string()
}

/// A character between `$'` and `'`.
fn escaped(c: char) -> String {
    match c {
        '\'' | '\\' => format!("\\{c}"),
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        '\r' => "\\r".to_owned(),
        c if c.is_control() => {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().map(|byte| format!("\\{byte:03o}")).collect()
        }
        c => c.to_string(),
    }
}
