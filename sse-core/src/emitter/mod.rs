//! One connection, seen from the program.

mod control;
mod reason;

pub use control::{StreamControl, StreamHandle};
pub use reason::CloseReason;
