//! The attributes of `sse-tower`. Documented where users find them: in `sse-tower`.
