//! Feature `axum`: extractors and `IntoResponse`, on `axum-core` alone.

mod emitter;
mod last_event_id;
