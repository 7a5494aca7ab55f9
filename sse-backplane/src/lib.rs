//! Engines for [`sse_tower_core::backplane`]: what carries events between processes, and over restarts.
//!
//! **Programs depend on `sse-tower`**, which has all of this as `sse_tower::backplane`. Each engine is a feature and
//! a room of its own here; none knows of another, and everything that decides is in `sse-tower-core`.

#![deny(missing_docs)]

#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
