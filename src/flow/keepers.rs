//! Tools whose own records say that they replace a file.

use std::path::Path;

use crate::host::Host;

/// Where certmonger keeps what it tracks, one file each.
const CERTMONGER: &str = "/var/lib/certmonger/requests";

/// Bytes of such a file that are read.
const MOST: u64 = 1 << 20;

/// The tool that tracks one of these paths, by its records on this machine. What may not be read tells nothing.
pub(super) fn tracked_by(host: &Host, paths: &[&Path]) -> Option<String> {
    let requests = host.list(Path::new(CERTMONGER)).unwrap_or_default();
    let texts = requests.iter().filter_map(|name| host.read(&Path::new(CERTMONGER).join(name), MOST).ok());
    for text in texts {
        if names(&String::from_utf8_lossy(&text), paths) {
            return Some("certmonger".to_owned());
        }
    }
    None
}

/// Whether a certmonger request is about one of these paths: lines `cert_file=` and `key_file=`.
fn names(request: &str, paths: &[&Path]) -> bool {
    request.lines().any(|line| {
        let path = line.strip_prefix("cert_file=").or_else(|| line.strip_prefix("key_file="));
        path.is_some_and(|path| paths.contains(&Path::new(path)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_files() {
        let request = "id=20261101\nkey_storage_type=FILE\nkey_file=/etc/pki/tls/private/a.key\ncert_storage_type=FILE\n\
                       cert_file=/etc/pki/tls/certs/a.crt\nstate=MONITORING\n";
        assert!(names(request, &[Path::new("/x"), Path::new("/etc/pki/tls/certs/a.crt")]));
        assert!(names(request, &[Path::new("/etc/pki/tls/private/a.key")]));
        assert!(!names(request, &[Path::new("/etc/pki/tls/certs/a.crt2"), Path::new("a.crt")]));
    }
}
