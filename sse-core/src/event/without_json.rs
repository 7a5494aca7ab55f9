//! What `json` is without the feature of that name: a compile error that says so.
//!
//! The compiler names the feature by itself where a whole item is missing, but not for a method.

use std::convert::Infallible;

use super::{InvalidEvent, SseEvent, SseEventBuilder};

/// Implemented by nothing.
#[diagnostic::on_unimplemented(
    message = "JSON data needs the feature `json` of sse-tower",
    label = "this cannot be serialised without it",
    note = "add `features = [\"json\"]` to sse-tower in Cargo.toml, or give text to `data`"
)]
pub trait FeatureJson {
    #[doc(hidden)]
    fn never(&self) -> &Infallible;
}

impl SseEvent {
    #[doc(hidden)]
    pub fn json<T: FeatureJson + ?Sized>(value: &T) -> Result<Self, InvalidEvent> {
        match *value.never() {}
    }
}

impl SseEventBuilder {
    #[doc(hidden)]
    pub fn json<T: FeatureJson + ?Sized>(self, value: &T) -> Self {
        match *value.never() {}
    }
}
