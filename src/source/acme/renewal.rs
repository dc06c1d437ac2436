//! When the CA would have a certificate renewed (RFC 9773). What it said is kept with the time to ask again, so that a run with nothing
//! to do asks nobody.

use http::{HeaderMap, Method};
use instant_acme::CertificateIdentifier;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::error::AcmeError;
use super::place::{area, existing_area, keep};
use super::problem::{Problem, cut};
use super::server::Server;
use crate::cert::Certificate;
use crate::digest::Digest;
use crate::host::http::Web;
use crate::host::state::{State, absent_is_none, file_name};
use crate::sensitive::Sensitive;

const WINDOWS: &str = "renewal";
const FORMAT: u32 = 1;
/// Asked again after this where the server names no time, could not be asked, or knows no such thing.
const USUAL: Duration = Duration::hours(6);
/// What a server may name (RFC 9773 section 4.3.2: a limit each way).
const SHORTEST: Duration = Duration::MINUTE;
const LONGEST: Duration = Duration::DAY;

/// The time in which the CA would have a certificate renewed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Window {
    /// Its first moment, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub start: OffsetDateTime,
    /// Its last, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub end: OffsetDateTime,
}

/// What is known about one certificate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Advice {
    format: u32,
    certificate: Digest,
    /// When to ask again, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub next: OffsetDateTime,
    /// The window; none where the CA says none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// The moment in it that was drawn, UTC: clients that all came at its start would be what the window is to prevent.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub at: Option<OffsetDateTime>,
    /// A page that tells why, where the CA names one. Whoever prints it must escape it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// Why nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl Advice {
    /// Whether the certificate is to be renewed at `now`.
    #[must_use]
    pub fn is_due(&self, now: OffsetDateTime) -> bool {
        self.at.is_some_and(|at| at <= now)
    }

    /// Whether it is time to ask again.
    #[must_use]
    pub fn is_stale(&self, now: OffsetDateTime) -> bool {
        // A time that lies further ahead than any that is kept was kept by a clock that was wrong.
        now >= self.next || self.next - now > LONGEST
    }
}

/// What was said about this certificate, as far as it is kept. Asks nobody; what cannot be read is as good as nothing.
#[must_use]
pub fn known(state: &State, target: &str, certificate: Digest) -> Option<Advice> {
    let dir = existing_area(state, WINDOWS).ok()??;
    let bytes = absent_is_none(dir.read(&file_name(target))).ok()??;
    let advice: Advice = serde_json::from_slice(bytes.expose()).ok()?;
    (advice.format == FORMAT && advice.certificate == certificate).then_some(advice)
}

/// Asks the CA, and keeps what it says. That it could not be asked is kept as well: it stops nothing, and is tried again later.
///
/// # Errors
/// It could not be kept.
pub fn ask(
    state: &State,
    web: &Web,
    directory: &str,
    target: &str,
    certificate: &Certificate,
    now: OffsetDateTime,
) -> Result<Advice, AcmeError> {
    let before = known(state, target, certificate.fingerprint());
    let mut advice = Advice {
        format: FORMAT,
        certificate: certificate.fingerprint(),
        next: now + USUAL,
        window: None,
        at: None,
        page: None,
        failed: None,
    };
    match fetch(web, directory, certificate) {
        Ok(Some((window, page))) => {
            let wait = web.noted().retry_after.and_then(|wait| Duration::try_from(wait).ok()).unwrap_or(USUAL);
            advice.next = now + wait.clamp(SHORTEST, LONGEST);
            // The moment stays as long as the window does.
            let same = before.filter(|before| before.window == Some(window)).and_then(|before| before.at);
            advice.at = Some(same.map_or_else(|| drawn(window), Ok)?);
            advice.window = Some(window);
            advice.page = page;
        }
        Ok(None) => advice.next = now + LONGEST,
        Err(error) => {
            // What was said before still holds.
            if let Some(before) = before {
                advice.window = before.window;
                advice.at = before.at;
                advice.page = before.page;
            }
            advice.failed = Some(crate::outcome::explain(&error));
        }
    }
    let bytes = serde_json::to_vec_pretty(&advice).map_err(|_| AcmeError::Crypto)?;
    let name = file_name(target);
    keep(&area(state, WINDOWS)?, &name.to_string_lossy(), &Sensitive::from(bytes))?;
    Ok(advice)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RenewalInfo {
    suggested_window: Window,
    #[serde(default, rename = "explanationURL")]
    explanation_url: Option<String>,
}

/// The window; `None` where the server has none for anybody.
fn fetch(web: &Web, directory: &str, certificate: &Certificate) -> Result<Option<(Window, Option<String>)>, AcmeError> {
    let server = Server::open(web, directory)?;
    let Some(base) = &server.directory.renewal_info else { return Ok(None) };
    let der = CertificateDer::from(certificate.der());
    let id = CertificateIdentifier::try_from(&der).map_err(AcmeError::Broken)?;
    let url = format!("{}/{id}", base.trim_end_matches('/'));
    let reply = web.ask(&Method::GET, &url, &HeaderMap::new(), b"")?;
    if !reply.status.is_success() {
        return Err(AcmeError::Refused(Problem::read(&reply.body, &web.noted())));
    }
    let info: RenewalInfo = serde_json::from_str(&reply.body)
        .map_err(|error| AcmeError::Broken(format!("its renewal information cannot be read: {error}")))?;
    if info.suggested_window.end <= info.suggested_window.start {
        return Err(AcmeError::Broken("its renewal window ends before it begins".to_owned()));
    }
    Ok(Some((info.suggested_window, info.explanation_url.as_deref().map(cut))))
}

/// A moment in the window, each as likely as any other (RFC 9773 section 4.2).
fn drawn(window: Window) -> Result<OffsetDateTime, AcmeError> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| AcmeError::Crypto)?;
    let length = (window.end - window.start).whole_seconds().max(1);
    let offset = u64::from_le_bytes(bytes) % u64::try_from(length).unwrap_or(1);
    let offset = Duration::seconds(i64::try_from(offset).unwrap_or_default());
    let far = || AcmeError::Broken("its renewal window lies beyond the year 9999".to_owned());
    window.start.checked_add(offset).ok_or_else(far)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    /// The example of RFC 9773 section 4.2.
    #[test]
    fn the_words_of_the_standard_are_read() {
        let text = r#"{"suggestedWindow":{"start":"2025-01-02T04:00:00Z","end":"2025-01-03T04:00:00Z"},
            "explanationURL":"https://acme.example.com/docs/ari"}"#;
        let info: RenewalInfo = serde_json::from_str(text).unwrap();
        let window = info.suggested_window;
        assert_eq!(window.start, datetime!(2025-01-02 4:00 UTC));
        for _ in 0..100 {
            let at = drawn(window).unwrap();
            assert!(window.start <= at && at < window.end);
        }
    }

    /// The window's end names the moment in a zone in which it is still in the year 9999.
    #[test]
    fn a_window_at_the_end_of_time_stops_nothing() {
        let text = r#"{"start":"9999-12-31T23:59:58Z","end":"9999-12-31T23:59:59-23:59"}"#;
        let window: Window = serde_json::from_str(text).unwrap();
        assert!((0..100).any(|_| matches!(drawn(window), Err(AcmeError::Broken(_)))));
    }

    #[test]
    fn due_and_stale() {
        let now = datetime!(2027-03-01 0:00 UTC);
        let advice = |at, next| Advice {
            format: FORMAT,
            certificate: Digest::of(b"x"),
            next,
            window: None,
            at,
            page: None,
            failed: None,
        };
        assert!(advice(Some(now), now).is_due(now) && advice(Some(now), now).is_stale(now));
        assert!(!advice(Some(now + Duration::SECOND), now).is_due(now) && !advice(None, now).is_due(now));
        assert!(!advice(None, now + Duration::HOUR).is_stale(now));
        assert!(advice(None, now + Duration::days(400)).is_stale(now), "kept by a clock that was wrong");
    }
}
