//! What is put somewhere, and what it may replace there: only what is of its own kind.

/// What is put somewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The HTML page of `report`.
    Page,
    /// The result of `check`, in any of its formats.
    Verdicts,
    /// The PEM of a certificate request.
    Request,
}

impl Kind {
    /// Whether a file that begins so may be replaced; else what it holds. An empty one may: that is how room is made for what is to come.
    pub(super) fn may_replace(self, head: &[u8]) -> Result<(), &'static str> {
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let own = match self {
            Self::Page => text.starts_with(PAGE) && text.windows(MARK.len()).any(|part| part == MARK),
            Self::Verdicts => VERDICTS.iter().any(|begin| text.starts_with(begin)) || is_paragraph(text),
            Self::Request => is_request(text),
        };
        if own || text.trim_ascii().is_empty() {
            return Ok(());
        }
        Err(match self {
            Self::Page | Self::Verdicts if is_material(head) => {
                "it holds a certificate or a key and no report; name another file"
            }
            Self::Page => "it is no page that reseal wrote; name another file, or remove it",
            Self::Verdicts => "it is no result of `check`; name another file, or remove it",
            Self::Request => "it holds something else than one certificate request; name another file, or remove it",
        })
    }
}

/// How the page begins.
const PAGE: &[u8] = b"<!doctype html>\n<html lang=\"en\">\n";

/// What stands in every page, and in no other.
const MARK: &[u8] = b"<h1>TLS certificates</h1>";

/// How results of `check` begin: JSON, JSON lines, CSV, Nagios, Prometheus, and text where there is nothing to tell of.
const VERDICTS: &[&[u8]] = &[
    b"{\"version\":1,\"command\":\"check\",",
    b"{\"subject\":",
    b"subject,kind,standing,",
    b"SSL_CERT ",
    b"# HELP x509_cert_",
    b"# HELP reseal_",
    b"no target is configured\n",
];

/// Whether it begins as text for people does: a subject with its kind, and below it what is to be told, indented; or the summary alone.
fn is_paragraph(text: &[u8]) -> bool {
    let mut lines = text.split(|byte| *byte == b'\n');
    let (first, second) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let digits = first.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let summary = digits > 0 && first[digits..].starts_with(b" checked: ");
    let subject = [&b" (target)"[..], b" (file)", b" (endpoint)"].iter().any(|kind| first.ends_with(kind));
    summary || (subject && second.starts_with(b"  "))
}

/// One request and nothing else, under either label (RFC 7468 section 7).
fn is_request(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let begins = [&b"-----BEGIN CERTIFICATE REQUEST-----"[..], b"-----BEGIN NEW CERTIFICATE REQUEST-----"];
    let lines = || text.split(|byte| matches!(byte, b'\n' | b'\r'));
    begins.iter().any(|begin| text.starts_with(begin))
        && text.ends_with(b"-----")
        && lines().filter(|line| line.starts_with(PEM)).count() == 1
}

const PEM: &[u8] = b"-----BEGIN";

/// Whether a file that begins so holds certificates or keys: PEM, also below other text, DER and all that is made of it, or a Java
/// keystore.
fn is_material(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    if text.starts_with(PEM) || head.split(|byte| matches!(byte, b'\n' | b'\r')).any(|line| line.starts_with(PEM)) {
        return true;
    }
    match head {
        // A SEQUENCE with its length in octets of their own (X.690 section 8.1.3.5), which is no text; or a short one (8.1.3.4) that
        // begins with a version, as keys do.
        [0x30, 0x80..=0x84, ..] | [0x30, ..=0x7f, 0x02, ..] => true,
        [0xfe, 0xed, 0xfe, 0xed, ..] | [0xce, 0xce, 0xce, 0xce, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_replaces_its_own_kind() {
        let request = "-----BEGIN CERTIFICATE REQUEST-----\nMII=\n-----END CERTIFICATE REQUEST-----\n";
        let key = "-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----\n";
        let page = "<!doctype html>\n<html lang=\"en\">\n<head>\n<header><h1>TLS certificates</h1>\n";
        let verdicts = [
            "{\"version\":1,\"command\":\"check\",\"exit\":0,\"results\":[]}\n",
            "{\"subject\":\"web\",\"kind\":\"target\"}\n",
            "subject,kind,standing,names\r\n",
            "SSL_CERT OK - x\n",
            "# HELP x509_cert_not_before When\n",
            "01.example:443 (endpoint)\n  names      x\n",
            "1 checked: no findings\n",
            "no target is configured\n",
        ];
        let others = [
            "events {}\nhttp { server { listen 443 ssl; } }\n",
            "notes of mine (file)\nnothing indented\n",
            "{\"version\":1,\"services\":{}}\n",
            "{\"version\":1,\"command\":\"renew\",\"exit\":0}\n",
            "<!doctype html>\n<html lang=\"en\">\n<body>our front page</body>\n",
            "# HELP node_load1 1m load average.\n",
            key,
        ];
        let may = |kind: Kind, text: &str| kind.may_replace(text.as_bytes()).is_ok();
        for kind in [Kind::Page, Kind::Verdicts, Kind::Request] {
            assert!(may(kind, "") && may(kind, "\n"));
            for text in others {
                assert!(!may(kind, text), "{kind:?}: {text}");
            }
            assert_eq!(may(kind, page), kind == Kind::Page);
            assert_eq!(may(kind, request), kind == Kind::Request);
            for text in verdicts {
                assert_eq!(may(kind, text), kind == Kind::Verdicts, "{kind:?}: {text}");
            }
        }
        for more in [[request, key].concat(), [key, request].concat(), [request, request].concat()] {
            assert!(!may(Kind::Request, &more), "{more}");
        }
    }
}
