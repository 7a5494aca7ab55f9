//! Server-sent events with an honest replay log, and an application event bus.
//!
//! This is the core of `sse-tower`; programs depend on `sse-tower`, which re-exports it.

mod bus;
mod context;
mod emitter;
mod emitters;
mod event;
#[cfg(feature = "http")]
mod http;
pub mod observe;
mod pulse;
mod stream;
mod sync;

#[cfg(feature = "axum")]
mod axum;

#[doc(hidden)]
pub mod __private;

// One event on the wire.
pub use event::{
    EventId, EventName, IntoEvent, InvalidEvent, MAX_EVENT_BYTES, STREAM_BYE, STREAM_GAP,
    STREAM_READY, STREAM_RESET, SseEvent, SseEventBuilder, bye,
};

// One connection.
pub use emitter::{CloseReason, StreamControl, StreamHandle};
pub use stream::EventStream;

// Time for many streams at once.
pub use pulse::{Tick, schedule};

// Leaving, and what is counted.
pub use context::{
    ApplicationContext, Drain, Draining, MAX_OPEN_STREAMS, OpenStream, OpenStreams, Phase,
    RegisterError, StreamOrder,
};
