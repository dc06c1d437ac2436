//! One line to the system's log (RFC 3164, over `/dev/log`, which systemd's journal listens on as well).

use std::os::unix::net::UnixDatagram;

/// Facility `daemon`, severity `warning`.
const PRIORITY: u8 = 3 * 8 + 4;

/// The most bytes of a line.
const MOST: usize = 1000;

/// Writes a warning. Where nobody listens, or the log is full, nothing is said: whoever calls has told it elsewhere, too.
pub fn warn(text: &str) {
    let Ok(socket) = UnixDatagram::unbound() else { return };
    if socket.set_nonblocking(true).is_ok() {
        let _ = socket.send_to(line(text).as_bytes(), "/dev/log");
    }
}

fn line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let end = (0..=MOST.min(plain.len())).rev().find(|end| plain.is_char_boundary(*end)).unwrap_or_default();
    format!("<{PRIORITY}>reseal[{}]: {}", std::process::id(), &plain[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line() {
        let line = line(&format!("a\n<0>b\0{}", "ü".repeat(2000)));
        assert!(line.starts_with("<28>reseal[") && line.contains("]: a <0>b ü"), "{line}");
        assert!(!line.chars().any(char::is_control) && line.len() < MOST + 40);
    }
}
