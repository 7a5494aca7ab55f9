//! Leaving without losing: refuse, say goodbye in slices, end.
//!
//! [`OpenStreams`] knows which streams are open, [`Drain`] says how they are ended.

mod context;
mod open;
mod plan;
mod run;
#[cfg(test)]
mod tests;

pub use open::{DrainPhase, MAX_OPEN_STREAMS, OpenStream, OpenStreams, RegisterError, StreamOrder};
pub use plan::Drain;
pub use run::Draining;
