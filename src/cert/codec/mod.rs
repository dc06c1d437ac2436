//! Bytes in, certificates and keys out, and back.

pub mod pem;
pub mod pkcs8;
