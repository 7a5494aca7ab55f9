//! Server-sent events with an honest replay log, and an application event bus. No server, no router, no
//! I/O: this is the core of `sse-tower`, which re-exports all of it and adds the HTTP around it.
//!
//! **Programs depend on `sse-tower`**; its crate page begins with a first program, and its guide says how
//! delivery works, what is promised, and how much of everything there is. Depend on this crate alone where
//! there is no HTTP server: to write event streams to something else, or for an engine that carries
//! events between nodes.
//!
//! ```
//! use std::pin::pin;
//!
//! use futures_util::StreamExt;
//! use sse_tower_core::{Emitters, LastEventId, SendError};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), SendError> {
//! let orders = Emitters::<u64>::new();
//! let paid = orders.send(&7, "paid").await?; // nobody is connected: kept for who comes
//! orders.send(&7, "shipped").await?;
//!
//! // A client that has seen the first event goes on after it.
//! let client = orders.connect(7, LastEventId::from(paid.id));
//! let mut stream = pin!(client.into_stream());
//! let bytes = stream.next().await.unwrap_or_default();
//! assert!(bytes.starts_with(b"data:shipped\nid:1."));
//! # Ok(())
//! # }
//! ```
//!
//! # Where to look
//!
//! * One event on the wire: [`SseEvent`]. One connection: [`SseEmitter`], and [`EventStream`], its bytes. Many,
//!   by key: [`Emitters`].
//! * The bus: [`ApplicationContext`], [`ApplicationEvent`], [`Listener`], [`Publication`].
//! * Who carries streams: [`StreamControl`] to end one, [`OpenStreams`] and [`Drain`] to leave without losing.
//! * What is counted: [`observe`].
//!
//! Time is tokio's, so a paused clock works for all of it.
//!
//! # Features
//!
//! `json` (on by default) is `SseEvent::json`, and events that leave the process; `http` makes an [`EventStream`] a body
//! and an emitter a response; `axum` adds extractors; `cron` adds cron expressions; `metrics` and `tracing` say what
//! happens; `replicated` is for engines whose store is only a log; `test-util` is what the test kit of `sse-tower` and
//! the tests of engines stand on. Each only adds.

#![deny(missing_docs)]
// What leaves the process is JSON; without it nothing does, and what prepares for it is idle.
#![cfg_attr(not(feature = "json"), allow(dead_code, unused_imports))]

pub mod backplane;
mod backstop;
mod boxed;
mod bus;
mod close_reason;
mod component;
mod context;
mod drain;
#[cfg(feature = "json")]
mod durable;
mod emitter;
mod emitters;
mod error_chain;
mod event;
mod few;
#[cfg(feature = "http")]
mod http;
mod log;
pub mod observe;
mod panics;
mod schedule;
mod slot_map;
mod sorted;
mod spread;
mod stream;
mod sync;
mod timer;

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
pub use boxed::BoxError;
pub use close_reason::CloseReason;
pub use emitter::{
    DEFAULT_CAPACITY_BYTES, DEFAULT_CAPACITY_EVENTS, DEFAULT_KEEP_ALIVE, MAX_ASIDE, MAX_HEAD_WAIT,
    MIN_KEEP_ALIVE, SendError, SseEmitter, SseEmitterBuilder, StreamControl, TrySendError,
};
pub use stream::EventStream;
#[cfg(feature = "http")]
pub use stream::StreamFailed;

// Many connections.
pub use emitters::{
    DEFAULT_SNAPSHOT_AGE, DEFAULT_SNAPSHOT_TIMEOUT, Emitters, EmittersBuilder, Key, LastEventId,
    MAX_KEYS_PER_CONNECTION, MAX_STALL, MEMORY_AGE, MEMORY_KEYS, Receipt, Second, Sent,
};
pub use log::{
    DEFAULT_BACKLOG_BYTES, DEFAULT_BACKLOG_EVENTS, DEFAULT_TOTAL_BYTES, DEFAULT_TOTAL_EVENTS,
    History, Lag,
};

// Time for many streams at once.
pub use timer::{Tick, Timer};

// Application events.
pub use bus::{
    ApplicationEvent, Commit, CommitError, EventMeta, EventOrigin, EventType, EventUid, Failure,
    Inject, IntoListenerError, Listener, ListenerBuilder, ListenerError, ListenerOutput,
    ListenerPanicked, ListenerTimedOut, MAX_PUBLICATION_DEPTH, MAX_RETURNED_EVENTS,
    MAX_SPAWNED_LISTENERS, MAX_TRANSACTION_EVENTS, Outcome, Phase, Publication, PublicationId,
    PublishError, Publisher, RepublishedTooDeep, Settlement, Subscription, TooManyReturned,
    Transaction, TransactionFull, Unheard,
};

// Events that leave the process.
pub use backplane::{DeadReason, ListenerState, ListenerStats};
pub use bus::{DEFAULT_ATTEMPTS, DEFAULT_BACKOFF, DEFAULT_CONCURRENCY, DEFAULT_DURABLE_TIMEOUT};
#[cfg(feature = "json")]
pub use durable::{
    BroadcastGap, DeadLetters, DurableError, EventTrace, Letter, Listeners,
    MAX_PENDING_BROADCAST_BYTES, MAX_PENDING_BROADCASTS, RetryAll,
};

// By the clock.
pub use bus::ScheduledRun;
pub use schedule::{Schedule, ScheduleBuilder};

// The context.
#[cfg(feature = "axum")]
pub use axum::ContextRejection;
pub use component::{Component, ComponentName};
pub use context::{
    ApplicationContext, Building, ContextBuilder, ContextClosed, ContextDraining, ContextStarted,
    HookOutput, UnavailableComponent, WiringError, WiringFault,
};

// Leaving.
pub use drain::{
    Drain, DrainPhase, Draining, MAX_OPEN_STREAMS, OpenStream, OpenStreams, RegisterError,
    StreamHandle, StreamOrder,
};

/// The program of the README compiles as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
