//! The patterns of `include`, as glob(3) reads them without options.

/// Whether a part of a path is a pattern.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether a file name matches a pattern; both are one component of a path. A leading dot is matched by a dot only.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where to go on when what follows the last star did not match: one character further on.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if p < pattern.len() && pattern[p] == '*' {
            retry = Some((p, n));
            p += 1;
            continue;
        }
        if p == pattern.len() && n == name.len() {
            return true;
        }
        let after = if n < name.len() { one(&pattern[p..], name[n]) } else { None };
        match (after, retry) {
            (Some(length), _) => {
                p += length;
                n += 1;
            }
            (None, Some((star, from))) if from < name.len() => {
                retry = Some((star, from + 1));
                p = star + 1;
                n = from + 1;
            }
            (None, _) => return false,
        }
    }
}

/// How much of the pattern matches this one character.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern {
        [] => None,
        ['?', ..] => Some(1),
        ['[', set @ ..] => match class(set, c) {
            Some((length, inside)) => inside.then_some(length + 1),
            None => (c == '[').then_some(1),
        },
        ['\\', escaped, ..] => (*escaped == c).then_some(2),
        [literal, ..] => (*literal == c).then_some(1),
    }
}

/// Length of the class after its `[`, and whether the character is in it; none when it does not end.
fn class(set: &[char], c: char) -> Option<(usize, bool)> {
    let negated = matches!(set, ['!' | '^', ..]);
    let mut at = usize::from(negated);
    let first = at;
    let mut inside = false;
    loop {
        match set.get(at..)? {
            [']', ..] if at > first => return Some((at + 1, inside != negated)),
            [low, '-', high, ..] if *high != ']' => {
                inside |= (*low..=*high).contains(&c);
                at += 3;
            }
            [literal, ..] => {
                inside |= *literal == c;
                at += 1;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_are_those_of_glob() {
        for (pattern, yes, no) in [
            ("*", &["a", "a.conf"][..], &[".a"][..]),
            ("*.conf", &["a.conf", "a.b.conf"], &[".conf", ".a.conf", "a.conf~", "conf"]),
            ("a*b*c", &["abc", "aXbXc", "abbcc", "abcbc"], &["ab", "acb", "abcd"]),
            ("[0-9][!a-z]-x", &["1A-x"], &["1a-x", "aA-x", "1A-"]),
            ("[]x]", &["]", "x"], &["y"]),
            ("[x", &["[x"], &["x"]),
            ("[a-]", &["a", "-"], &["b"]),
            ("?.conf", &["a.conf"], &["ab.conf", ".conf"]),
            (".*", &[".a"], &["a"]),
            (r"\*x", &["*x"], &["ax"]),
            ("", &[""], &["a"]),
        ] {
            for name in yes {
                assert!(matches(pattern, name), "{pattern} {name}");
            }
            for name in no {
                assert!(!matches(pattern, name), "{pattern} {name}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_star_stands_for_anything(before in "[a-c]{0,4}", middle in "[a-c*?]{0,6}", after in "[a-c]{0,4}") {
            let name = format!("{before}{middle}{after}");
            prop_assert!(matches(&format!("{before}*{after}"), &name), "{}", name);
        }

        #[test]
        fn no_pattern_is_too_odd(pattern in "[*?\\[\\]!^a-c\\\\-]{0,12}", name in "[a-c\\[\\]*]{0,12}") {
            let _ = matches(&pattern, &name);
        }
    }
}
