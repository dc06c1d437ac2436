//! Bytes in, certificates and keys out, and back.

mod auxiliary;
mod bag;
mod ber;
mod block;
mod cipher;
mod contents;
mod error;
mod form;
pub mod jks;
mod linked;
mod mac;
mod passphrase;
mod pbe;
pub mod pem;
pub mod pkcs12;
mod pkcs7;
pub mod pkcs8;
pub mod signed;
pub(in crate::cert) mod tlv;
mod traditional;
pub mod truststore;
mod work;

pub use auxiliary::Reserve;
pub use contents::{
    Contents, Entry, Format, Holds, MAX_ENTRIES, MAX_INPUT, Reserved, begins_as_certificate, read, read_beside,
};
pub use error::{BadBlock, BlockError, InputError, Place, Stop, Stopped};
pub use pem::request_in;
pub use work::{MAX_ROUNDS, MAX_SALT, MAX_SCRYPT};
