//! Where certificates come from.

pub mod acme;
pub mod import;
pub mod local_ca;
