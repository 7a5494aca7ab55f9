//! The streams that are open under one context.

/// The streams that are open under one context.
#[derive(Debug, Default)]
pub struct OpenStreams {
    _private: (),
}
