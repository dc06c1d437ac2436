//! Where certificates go.
