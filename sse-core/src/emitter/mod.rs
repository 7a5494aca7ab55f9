//! One connection, seen from the program: [`SseEmitter`], and what its two halves share.
//!
//! # Who sees what
//!
//! What the program sends on an emitter goes to this connection alone, in a queue of its own. It is
//! written in its place among the events of the logs that the connection follows: whatever came to
//! this process before it, before it. A full queue lets `send` wait and `try_send` fail; it never
//! drops. What the library itself says ignores the capacity, since there is little of it.
//!
//! # Closing
//!
//! A connection is open, then ending while what is queued is written, then over: each step once, with
//! one reason, the first that was given, unless the client left before it got everything. From the
//! first step on no event is taken; shared events that came before it are still written, then what
//! is queued, then the farewell. Callbacks are called in order of registration, one at a time, under
//! no lock, on whichever thread notices the cause; the last is `on_completion`, always.
//!
//! Dropping the last handle ends a connection that follows no log. The stream's drop is the client
//! leaving.
//!
//! # What may be relied on
//!
//! A publisher touches two fields of a connection, sets a bit and wakes its task only if no bit was
//! set: several events cost one wake-up. There is no task and no channel for a connection.
//!
//! Bottom to top: `lifecycle` (the pure state machine), `callbacks`, `queue`, `settings`, `error`;
//! `conn` is all of it under one lock; `request` is who opened it; `control` and `sender` are the handles on it, `builder` and
//! `endpoint` make them.

mod builder;
mod callbacks;
mod conn;
mod control;
mod endpoint;
mod error;
mod lifecycle;
mod queue;
mod request;
mod sender;
mod settings;

pub use builder::SseEmitterBuilder;
pub(crate) use conn::{ASKED, Conn, Cursors, IntoResponseState, SHARED, STATE, TICK, never};
pub use control::{MAX_HEAD_WAIT, StreamControl};
pub use endpoint::{Configure, Ending, EndpointOptions, IntoStreamError, beside, decided};
pub use error::{SendError, TrySendError};
pub(crate) use queue::{Kind, Queue, Queued};
pub use request::{MAX_ASIDE, Request};
pub use sender::SseEmitter;
pub(crate) use settings::ConnSettings;
pub use settings::{
    DEFAULT_CAPACITY_BYTES, DEFAULT_CAPACITY_EVENTS, DEFAULT_KEEP_ALIVE, MIN_KEEP_ALIVE,
};
