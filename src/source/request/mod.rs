//! A request to a CA elsewhere (PKCS#10, RFC 2986), and the key that waits here for the answer. The key never leaves.
//!
//! ```text
//! STATE/requests/TARGET/N/key.pem        the private key
//! STATE/requests/TARGET/N/request.pem    what is sent to the CA
//! STATE/requests/TARGET/N/about          what was asked for, and when
//! ```
//!
//! A request is whole from the moment it has its number: it is written under a hidden name, which one rename makes the number.

mod encode;
mod error;
mod waiting;

pub use encode::{Order, Request, subject};
pub use error::RequestError;
pub use waiting::{About, Requests, Waiting};
