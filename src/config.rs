//! `reseal.toml`.
