//! Acts, and undoes.
