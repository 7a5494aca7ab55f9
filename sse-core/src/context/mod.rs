//! See the crate page.
