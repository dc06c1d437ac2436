//! Where certificates come from.

pub mod acme;
mod encode;
pub mod import;
pub mod local_ca;
pub mod request;
