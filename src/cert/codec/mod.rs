//! Bytes in, certificates and keys out, and back.

mod block;
pub mod pem;
pub mod pkcs8;
