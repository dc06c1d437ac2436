//! Where certificates come from.

pub mod import;
pub mod local_ca;
pub mod request;
