//! Feature `axum`: extractors and `IntoResponse`, on `axum-core` alone.

mod context;
mod emitter;
mod last_event_id;

pub use context::ContextRejection;
