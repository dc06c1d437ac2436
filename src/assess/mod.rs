//! Judging: facts in, findings out. Pure.
