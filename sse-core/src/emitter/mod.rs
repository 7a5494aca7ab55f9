//! One connection, seen from the program.

mod builder;
mod callbacks;
mod conn;
mod control;
mod endpoint;
mod error;
mod lifecycle;
mod queue;
mod sender;
mod settings;

pub use builder::SseEmitterBuilder;
pub use conn::BoxError;
pub(crate) use conn::{Conn, IntoResponseState, SHARED, STATE, TICK};
pub use control::{StreamControl, StreamHandle};
pub use endpoint::{Configure, Ending, EndpointOptions, beside};
pub use error::{SendError, TrySendError};
pub(crate) use queue::Queued;
pub use sender::SseEmitter;
pub(crate) use settings::ConnSettings;
pub use settings::{DEFAULT_CAPACITY_BYTES, DEFAULT_CAPACITY_EVENTS, DEFAULT_KEEP_ALIVE};
