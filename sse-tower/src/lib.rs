//! Server push for axum and tower.

pub use sse_tower_core::*;
