//! Engines for [`sse_tower_core::backplane`]: what carries events between processes, and over restarts.
//!
//! **Programs depend on `sse-tower`**, which has all of this as `sse_tower::backplane`. Each engine is a feature and
//! a room of its own here; none knows of another, and everything that decides is in `sse-tower-core`.
//!
//! ```
//! use sse_tower_backplane::Backplane;
//! use sse_tower_core::{Emitters, LastEventId};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let backplane = sse_tower_backplane::open("memory:").await?; // or "redis://10.0.0.5/"
//! let payments: Emitters<u64> = Emitters::builder().backplane(&backplane, "payments").build();
//! payments.send(&7, "paid").await?; // stored: every process with these emitters delivers it
//! backplane.close().await; // writes what is queued
//! # Ok(()) }
//! ```

#![deny(missing_docs)]

#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redb")]
pub mod redb;
#[cfg(feature = "redis")]
pub mod redis;

#[cfg(any(feature = "nats", feature = "postgres", feature = "redis"))]
mod causes;
mod handle;
mod open;
mod redacted;

pub use handle::Backplane;
pub use open::{BackplaneBuilder, DEFAULT_NAMESPACE, OpenError};

/// Connects to the backplane of this URL, with the defaults: see [`Backplane::builder`].
///
/// # Errors
/// See [`BackplaneBuilder::open`].
///
/// # Cancel safety
/// Dropped before it is ready, it leaves nothing behind.
pub async fn open(url: impl Into<String>) -> Result<Backplane, OpenError> {
    Backplane::builder(url).open().await
}
