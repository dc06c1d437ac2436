//! Single words of the configuration: what each may be, and what a mistyped one was meant to be.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::RenewBefore;

/// A path that names a file or directory from the root.
pub(super) fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    if text.contains('\0') {
        Err("has a NUL character in it".to_owned())
    } else if !path.is_absolute() {
        Err("must be an absolute path".to_owned())
    } else if path.file_name().is_none() {
        Err(format!("names no file: {text:?}"))
    } else {
        Ok(path.to_owned())
    }
}

/// Checks a program and its arguments; `whole` is the place of the list.
pub(super) fn argv(words: &[(&str, Range<usize>)], whole: &Range<usize>) -> Result<(), (Range<usize>, String)> {
    let Some((program, span)) = words.first() else {
        return Err((whole.clone(), "is empty".to_owned()));
    };
    if !Path::new(program).is_absolute() {
        return Err((span.clone(), format!("must start with an absolute path, not {program:?}")));
    }
    match words.iter().find(|(word, _)| word.contains('\0')) {
        Some((_, span)) => Err((span.clone(), "has a NUL character in it".to_owned())),
        None => Ok(()),
    }
}

/// A name that reseal gives files and directories by: of a target, of a CA.
pub(super) fn label(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        Err(format!("must start with a letter or digit: {text:?}"))
    } else if let Some(c) = text.chars().find(|&c| !allowed(c)) {
        Err(format!("may hold letters, digits, `.`, `_` and `-` only, no {c:?}: {text:?}"))
    } else if text.len() > 64 {
        Err(format!("is longer than 64 characters: {text:?}"))
    } else {
        Ok(text.to_owned())
    }
}

/// `host:port` or `[v6]:port`.
pub(super) fn address(text: &str) -> Result<(), &'static str> {
    if text.contains("://") {
        return Err("write host:port, without a scheme");
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err("write an IPv6 address in brackets and its port: [2001:db8::1]:443");
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err("write host:port");
    };
    if !port.bytes().all(|byte| byte.is_ascii_digit()) || !matches!(port.parse::<u16>(), Ok(1..)) {
        return Err("the port is a number from 1 to 65535");
    }
    if let Some(v6) = host.strip_prefix('[') {
        let v6 = v6.strip_suffix(']').and_then(|v6| v6.parse::<Ipv6Addr>().ok());
        return v6.map(|_| ()).ok_or("what is in the brackets is no IPv6 address");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if host.contains(':') {
        Err("write an IPv6 address in brackets: [2001:db8::1]:443")
    } else if host.is_empty() || !host.chars().all(plain) {
        Err("the host is a name or an IP address")
    } else if host.chars().all(|c| c.is_ascii_digit() || c == '.') && host.parse::<Ipv4Addr>().is_err() {
        Err("the host looks like an IPv4 address, but is none")
    } else {
        Ok(())
    }
}

/// The name of an account of the system.
pub(super) fn user(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-$".contains(c);
    if text.is_empty() || text.len() > 32 || text.starts_with('-') || !text.chars().all(allowed) {
        return Err(format!("is no name of a user: {text:?}"));
    }
    Ok(text.to_owned())
}

/// A share such as `1/3`.
pub(super) fn share(text: &str) -> Option<RenewBefore> {
    let digits = |part: &str| {
        let part = part.trim();
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten()
    };
    let (left, of) = text.split_once('/')?;
    let (left, of) = (digits(left)?, digits(of)?);
    (left > 0 && left < of && of <= 1000).then_some(RenewBefore::Fraction { left, of })
}

/// The known word that a mistyped one was probably meant to be.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    let distance = |known: &str| strsim::damerau_levenshtein(&word, known);
    let best = known.iter().copied().min_by_key(|known| distance(known))?;
    if distance(best) <= (best.len() / 3).max(1) {
        return Some(best);
    }
    known.iter().copied().find(|known| word.len() >= 4 && known.starts_with(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["127.0.0.1:443", "[::1]:8443", "mail.example.org:993", "localhost:1", "my_host:65535"] {
            assert_eq!(address(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "443",
            ":443",
            "host",
            "host:",
            "host:0",
            "host:65536",
            "host:+1",
            "::1",
            "::1:443",
            "[::1]",
            "[::1:443",
            "[x]:443",
            "https://host:443",
            "ho st:443",
            "300.1.2.3:443",
            "1.2.3:443",
            "host:443/path",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn labels_are_safe_as_file_names() {
        for good in ["web", "0", "a.b-c_D", &"x".repeat(64)] {
            assert_eq!(label(good).as_deref(), Ok(good));
        }
        for bad in ["", ".", "..", ".x", "-x", "_x", "a/b", "a b", "ä", "a\0", "a\n", &"x".repeat(65)] {
            assert!(label(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn shares_are_more_than_nothing_and_less_than_all() {
        assert_eq!(share("1/3"), Some(RenewBefore::Fraction { left: 1, of: 3 }));
        assert_eq!(share(" 2 / 5 "), Some(RenewBefore::Fraction { left: 2, of: 5 }));
        for bad in ["", "1", "/", "0/3", "3/3", "4/3", "1/0", "-1/3", "+1/3", "1/1001", "1/3/5", "a/b"] {
            assert_eq!(share(bad), None, "{bad}");
        }
    }

    #[test]
    fn mistyped_words_are_recognised_and_foreign_ones_are_not() {
        let known = ["verify_timeout", "settle", "keep", "keep_key", "state_dir"];
        assert_eq!(nearest("verify-timeout", &known), Some("verify_timeout"));
        assert_eq!(nearest("verfy_timeot", &known), Some("verify_timeout"));
        assert_eq!(nearest("Keep", &known), Some("keep"));
        assert_eq!(nearest("kepe", &known), Some("keep"));
        assert_eq!(nearest("verify", &known), Some("verify_timeout"));
        assert_eq!(nearest("password", &known), None);
        assert_eq!(nearest("x", &[]), None);
    }

    #[test]
    fn users() {
        for good in ["www-data", "_apt", "postgres", "machine$", "a.b"] {
            assert!(user(good).is_ok(), "{good}");
        }
        for bad in ["", "-x", "a:b", "a b", "a/b", &"x".repeat(33)] {
            assert!(user(bad).is_err(), "{bad:?}");
        }
    }
}
