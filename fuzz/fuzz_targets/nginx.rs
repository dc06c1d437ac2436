//! The output of `nginx -T`, from tokens to pairs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reseal::target::nginx::understood;

fuzz_target!(|text: &str| {
    let once = understood(text);
    // Any text is a file, too.
    if !text.starts_with("# configuration file ") {
        drop(understood(&format!("# configuration file /etc/nginx/nginx.conf:\n{text}")));
    }
    for found in &once {
        assert!(!found.name.is_empty());
    }
});
