//! Single words of the configuration: what each may be, and what a mistyped one was meant to be.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

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

/// A span of time: a number and `m`, `h`, `d` or `w`; more than nothing, at most a year.
pub(super) fn span(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let minutes = match unit {
        "m" => 1,
        "h" => 60,
        "d" => 24 * 60,
        "w" => 7 * 24 * 60,
        _ => return None,
    };
    let number: u64 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()?;
    let minutes = number.checked_mul(minutes)?;
    (1..=366 * 24 * 60).contains(&minutes).then(|| Duration::from_secs(minutes * 60))
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
    fn spans_of_time() {
        for (text, seconds) in [("1m", 60), ("12h", 43_200), ("1d", 86_400), ("2w", 1_209_600), ("366d", 31_622_400)] {
            assert_eq!(span(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "d", "0d", "1", "1s", "-1d", "+1d", "1.5d", "367d", "99999999999999999999d", "1ä", "1 d"] {
            assert_eq!(span(bad), None, "{bad}");
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
