//! What instant-acme says, in our words.

use instant_acme::Error as LibraryError;

use super::error::AcmeError;
use super::problem::Problem;
use crate::host::http::{Web, WebError};

/// How often a request is begun anew because the server did not take its nonce, beyond the library's own three attempts.
pub(super) const NONCES: usize = 5;

/// Begins a request anew as long as the server does not take its nonces.
pub(super) async fn insist<T>(
    web: &Web,
    mut act: impl AsyncFnMut() -> Result<T, LibraryError>,
) -> Result<T, AcmeError> {
    let mut failed = 0;
    loop {
        match act().await.map_err(|error| told(error, web)) {
            Err(AcmeError::Refused(problem)) if problem.is("badNonce") && failed < NONCES => failed += 1,
            other => return other,
        }
    }
}

/// The library's words in ours.
#[allow(clippy::wildcard_enum_match_arm, reason = "the library may learn more of them")]
pub(super) fn told(error: LibraryError, web: &Web) -> AcmeError {
    match error {
        LibraryError::Api(problem) => AcmeError::Refused(Problem::from_library(&problem, &web.noted())),
        LibraryError::Unsupported(what) => AcmeError::Unsupported(what),
        LibraryError::Json(error) => AcmeError::Broken(format!("an answer cannot be read: {error}")),
        LibraryError::Other(other) => match other.downcast::<WebError>() {
            Ok(error) => AcmeError::Web(*error),
            Err(other) => AcmeError::Broken(other.to_string()),
        },
        other => AcmeError::Broken(other.to_string()),
    }
}
