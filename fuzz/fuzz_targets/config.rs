//! `reseal.toml`.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use reseal::config::Config;

fuzz_target!(|text: &str| {
    match Config::parse(text, Path::new("/etc/reseal/reseal.toml")) {
        Ok(config) => {
            for target in &config.targets {
                assert!(config.target(&target.name).is_some_and(|found| found == target));
                drop(target.probes());
            }
        }
        Err(error) => {
            // Every problem stands at a place that an editor can go to.
            for problem in &error.problems {
                assert!(problem.line >= 1 && problem.column >= 1, "{problem:?}");
                assert!(problem.line <= text.split('\n').count() + 1, "{problem:?}");
            }
            drop(error.to_string());
        }
    }
});
