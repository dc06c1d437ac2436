//! Which build of reseal this is (build.rs finds out).

/// For `--version`: the version, its commit, for which machine it was built and with what.
pub const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit     ",
    env!("RESEAL_COMMIT"),
    "\nbuilt for  ",
    env!("RESEAL_BUILT_FOR"),
    "\nfeatures   ",
    env!("RESEAL_FEATURES"),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_says_something() {
        let lines: Vec<&str> = LONG.lines().collect();
        assert_eq!(lines.len(), 4, "{LONG}");
        for (line, label) in lines[1..].iter().zip(["commit     ", "built for  ", "features   "]) {
            let value = line.strip_prefix(label).unwrap_or_else(|| panic!("{line}"));
            assert!(!value.is_empty() && value == value.trim(), "{line:?}");
        }
        assert!(lines[2].contains("-linux-") == cfg!(target_os = "linux"), "{}", lines[2]);
        assert!(lines[2].contains("static") == cfg!(target_feature = "crt-static"), "{}", lines[2]);
    }
}
