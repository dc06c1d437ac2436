//! Words and lists that name servers.
#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use libfuzzer_sys::fuzz_target;
use reseal::endpoint::Endpoint;
use reseal::inventory::{self, Item};

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        match text.parse::<Endpoint>() {
            Ok(endpoint) => {
                let again: Endpoint = endpoint.to_string().parse().expect("what is written is read again");
                assert_eq!(again, endpoint);
                drop((endpoint.ip(), endpoint.address()));
            }
            Err(error) => drop((error.to_string(), error.hint())),
        }
    }
    drop(inventory::word(OsStr::from_bytes(data)));
    for items in [inventory::list(data), inventory::list_of_nul(data)] {
        match items {
            Ok(items) => all(&items),
            Err(error) => drop((error.to_string(), error.why.hint())),
        }
    }
});

fn all(items: &[Item]) {
    let count = inventory::count(items);
    assert_eq!(inventory::bounded(items, 100).is_ok(), count <= 100);
    let listed = inventory::servers(items).take(1_000).count() as u64;
    // Of a range, addresses that are never asked are left out.
    assert!(listed <= count.min(1_000));
}
