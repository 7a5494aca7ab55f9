//! Leaving without losing: refuse, say goodbye in slices, end.
//!
//! [`OpenStreams`] knows which streams are open, [`Drain`] says how they are ended.

mod open;
mod plan;
mod run;

pub use open::{DrainPhase, MAX_OPEN_STREAMS, OpenStream, OpenStreams, RegisterError, StreamOrder};
pub use plan::Drain;
pub use run::Draining;
