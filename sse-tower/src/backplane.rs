//! What carries events between the processes of one program, and over restarts.
//!
//! One line more, and the program runs on one process or on fifty: an event that is sent in one reaches the
//! connections of all, and a client that comes back to another process gets what it missed, once, in order.
//!
//! ```
//! use sse_tower::{ApplicationContext, Emitters};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let backplane = sse_tower::backplane::open("memory:").await?; // or "redis://10.0.0.5/"
//! let payments: Emitters<u64> = Emitters::builder().backplane(&backplane, "payments").build();
//! let context = ApplicationContext::builder().backplane(&backplane).component(payments).build()?;
//! // serve, and in the end:
//! context.drain().await; // what is queued is stored
//! backplane.close().await;
//! # Ok(()) }
//! ```
//!
//! | URL | store | feature |
//! |---|---|---|
//! | `memory:` | this process | |
//! | `redb:FILE` | a file, for one process whose history survives it | `redb` |
//! | `redis://`, `rediss://` | Redis or Valkey, 6.2 or newer | `redis` |
//! | `postgres://` | PostgreSQL, 13 or newer | `postgres` |
//! | `nats://`, `tls://` | NATS with JetStream | `nats` |
//!
//! What each call means then is in [the guide](crate::guide::nodes). [`Engine`] is the contract for a store of one's
//! own; the suite in `contract` (feature `test-util`) is what it must pass.

pub use sse_tower_backplane::*;
pub use sse_tower_core::backplane::*;
