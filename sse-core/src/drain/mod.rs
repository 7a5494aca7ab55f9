//! Leaving without losing: refuse, say goodbye in slices, end.
//!
//! [`OpenStreams`] knows which streams are open, [`Drain`] says how they are ended. What publishes that a
//! drain begins and ends is the context's.
//!
//! # In which order
//!
//! 1. The phase is [`Draining`](DrainPhase::Draining): a new stream is refused from this moment.
//! 2. Streams in turn, oldest first, are told `stream-bye` with a `retry` of their own, so many each
//!    [`SLICE`](Drain::SLICE); three quarters of the deadline are for them.
//! 3. Streams that asked to be [last](StreamOrder::Last) may finish by themselves until then, and are told
//!    in the last quarter.
//! 4. The drain waits until all are gone, or for its deadline.
//!
//! What may be relied on: each stream is told once; what it has queued is written before the goodbye;
//! a drain that has begun goes on when its future is dropped; a second one waits for the first. The phase
//! never goes back. A stream that hangs delays the drain to its deadline and no longer.
//!
//! Not to be relied on: that a stream is gone when it was told to go. Ending it is the work of whoever
//! carries it, and what is open at the deadline is left to the server.

mod handle;
mod open;
mod plan;
mod run;

pub use handle::StreamHandle;
pub use open::{DrainPhase, MAX_OPEN_STREAMS, OpenStream, OpenStreams, RegisterError, StreamOrder};
pub use plan::Drain;
pub use run::Draining;
