//! Feature `axum`: extractors and `IntoResponse`, on `axum-core` alone.
