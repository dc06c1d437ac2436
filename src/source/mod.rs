//! Where certificates come from.

pub mod import;
