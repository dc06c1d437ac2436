//! Certificates by ACME (RFC 8555).
//!
//! ```text
//! account    on disk, its key before the server hears of it            server, jws    what is signed here
//! pending    an order and its key, until what came of it is installed  issue          the order, through instant-acme
//! challenge  how names are proved; dns                                 judge          whether that is what was ordered
//! renewal    when the CA would have a certificate renewed (RFC 9773)
//! ```

mod account;
mod challenge;
mod csr;
mod dns;
mod error;
mod issue;
mod judge;
mod jws;
mod library;
mod pending;
mod place;
mod problem;
mod renewal;
mod server;

pub use account::{Account, Registration, Standing};
pub use challenge::Challenge;
pub use dns::Update;
pub use error::AcmeError;
pub use issue::{Errand, obtain};
pub use jws::Binding;
pub use pending::{Wanted, begun, forget, shelved, waits};
pub use problem::Problem;
pub use renewal::{Advice, Window, ask as ask_renewal, known as known_renewal};
pub use server::admit;
