//! The only items that generated code may name. Not public API: no stability is promised.

pub use crate::emitter::{Configure, Ending, EndpointOptions, beside};
