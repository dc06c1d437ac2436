//! Renderers: outcomes in, text out. Pure.
