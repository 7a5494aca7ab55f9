//! Server push for axum and tower: a handler returns an [`SseEmitter`], somewhere else an event is
//! [published](ApplicationContext::publish_event), and a listener that owns the
//! [connections](Emitters) sends to the right one.
//!
//! # A page that waits for its payment
//!
//! ```standalone_crate
//! use axum::{Router, extract::Query, routing::get};
//! use sse_tower::{
//!     ApplicationContext, ApplicationEvent, Component, Emitters, LastEventId, PublishError,
//!     SseEmitter, SseLayer, component, event_listener,
//! };
//!
//! #[derive(ApplicationEvent)]
//! struct Paid {
//!     order: u64,
//! }
//!
//! #[derive(Default)]
//! struct Pages {
//!     emitters: Emitters<u64>,
//! }
//!
//! #[component]
//! impl Pages {
//!     #[event_listener]
//!     fn tell(&self, event: &Paid) {
//!         drop(self.emitters.send(&event.order, "paid"));
//!         self.emitters.complete(&event.order);
//!     }
//! }
//!
//! # #[derive(serde::Deserialize)] struct Order { order: u64 }
//! async fn push(Query(q): Query<Order>, last: LastEventId, pages: Component<Pages>) -> SseEmitter {
//!     pages.emitters.connect(q.order, last)
//! }
//!
//! async fn callback(Query(q): Query<Order>, context: ApplicationContext) -> Result<(), PublishError> {
//!     context.publish_event(Paid { order: q.order }).await.map(drop)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let context = ApplicationContext::builder().component(Pages::default()).build()?;
//! let app: Router = Router::new()
//!     .route("/push", get(push))
//!     .route("/callback", get(callback))
//!     .layer(SseLayer::new(context.clone()));
//! # let _ = app;
//! // sse_tower::serve(listener, app, context).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A page that connects after the callback gets its event all the same, one that was away gets what
//! it missed, and one that has everything is told not to come back.
//!
//! # Where to look
//!
//! * One event on the wire: [`SseEvent`]. One connection: [`SseEmitter`]. Many, by key:
//!   [`Emitters`].
//! * The bus: [`ApplicationContext`], [`component`], [`event_listener`].
//! * In front of it all: [`SseLayer`] with [`Limits`], [`Refusal`] and [`Lease`]; it works for event
//!   streams of others too, such as axum's own `Sse`.
//! * Leaving without losing: [`serve`], or [`ApplicationContext::drain_on`] under another server;
//!   [`Drain`] says how.
//! * What is counted: [`observe`].
//!
//! # Coming from Spring
//!
//! | Spring | here |
//! |---|---|
//! | a controller returns `new SseEmitter(60_000L)` | a handler returns an [`SseEmitter`]; [`#[sse_endpoint(timeout = "60s")]`](macro@sse_endpoint), or [`SseEmitterBuilder::timeout`] |
//! | `emitter.send(SseEmitter.event().name(..).id(..).data(..))` | [`emitter.send`](SseEmitter::send)`(`[`SseEvent::builder()`](SseEvent::builder)`.name(..).id(..).data(..))` |
//! | `onTimeout`, `onError`, `onCompletion` | the same names; any number of each, each called at most once |
//! | `Map<Long, SseEmitter>` kept by hand | [`Emitters<u64>`](Emitters): many connections a key, history, nothing to remove |
//! | `applicationContext.publishEvent(e)` | [`context.publish_event(e)`](ApplicationContext::publish_event)`.await`: says who ran and who failed |
//! | `@EventListener(condition = "#e.paid")` | [`#[event_listener(condition = \|e: &E\| e.paid)]`](macro@event_listener) |
//! | `@Order(10)` | `order = 10`, or `before` and `after` by name |
//! | `@Async` | an `async fn`; `spawn` where the publisher shall not wait |
//! | `@TransactionalEventListener` | `phase = "after-commit"`, with [`ApplicationContext::transaction`] |
//! | `@Component`, `@Autowired` | [`#[component]`](macro@component) on the `impl`, [`.component(value)`](ContextBuilder::component), and [`Component<T>`](Component) as a parameter |
//! | `ContextClosedEvent` | [`ContextClosed`], after [`ContextDraining`] |
//! | `server.shutdown=graceful`, which waits for streams | [`serve`], or [`ApplicationContext::drain_on`]: streams are told when to come back, and end |
//!
//! # Features
//!
//! `axum`, `json` and `serve` are on unless switched off; `tls` adds rustls to [`serve`], `metrics`
//! and `tracing` say what happens, `test-util` is the kit for your tests (`sse_tower::test`). Each only adds.

#![deny(missing_docs)]

mod admission;
mod body;
mod foreign;
mod future;
mod headers;
mod layer;
mod lease;
#[cfg(feature = "serve")]
mod serve;
mod service;
#[cfg(feature = "test-util")]
pub mod test;

// One event on the wire.
pub use sse_tower_core::{
    EventId, EventName, IntoEvent, InvalidEvent, MAX_EVENT_BYTES, STREAM_BYE, STREAM_GAP,
    STREAM_READY, STREAM_RESET, SseEvent, SseEventBuilder, bye,
};

// One connection.
pub use sse_tower_core::{
    BoxError, CloseReason, DEFAULT_CAPACITY_BYTES, DEFAULT_CAPACITY_EVENTS, DEFAULT_KEEP_ALIVE,
    EventStream, SendError, SseEmitter, SseEmitterBuilder, StreamControl, StreamHandle,
    TrySendError,
};

// Many connections.
pub use sse_tower_core::{
    DEFAULT_BACKLOG_BYTES, DEFAULT_BACKLOG_EVENTS, DEFAULT_TOTAL_BYTES, DEFAULT_TOTAL_EVENTS,
    Emitters, EmittersBuilder, History, Key, Lag, LastEventId, MAX_KEYS_PER_CONNECTION, MEMORY_AGE,
    MEMORY_KEYS, Receipt, Second, Sent,
};

// Application events.
pub use sse_tower_core::{
    ApplicationEvent, EventMeta, EventType, Failure, Inject, IntoListenerError, Listener,
    ListenerBuilder, ListenerError, ListenerOutput, ListenerPanicked, ListenerTimedOut,
    MAX_PUBLICATION_DEPTH, MAX_SPAWNED_LISTENERS, MAX_TRANSACTION_EVENTS, Outcome, Phase,
    Publication, PublicationId, PublishError, RepublishedTooDeep, Settlement, Transaction,
    TransactionFull, TransactionNeeded,
};

// The context.
#[cfg(feature = "axum")]
pub use sse_tower_core::ContextRejection;
pub use sse_tower_core::{
    ApplicationContext, Component, ContextBuilder, ContextClosed, ContextDraining, ContextStarted,
    Publisher, Subscription, Unheard, WiringError, WiringFault, listeners_from,
};

// Leaving.
pub use sse_tower_core::{
    Drain, DrainPhase, Draining, MAX_OPEN_STREAMS, OpenStream, OpenStreams, RegisterError,
    StreamOrder,
};

pub use sse_tower_core::observe;

// In front of a service.
pub use admission::{AtLimit, DrainLast, Limits, Refusal, is_event_source};
pub use body::ResponseBody;
pub use future::ResponseFuture;
pub use layer::SseLayer;
pub use lease::Lease;
#[cfg(feature = "serve")]
pub use serve::{Serve, SocketListener, SocketOptions, serve};
pub use service::SseService;

// The attributes, and what they generate.
#[cfg(feature = "axum")]
mod endpoint;
#[cfg(feature = "axum")]
pub use endpoint::endpoints;
pub use sse_tower_macros::{ApplicationEvent, component, event_listener, sse_endpoint};

#[doc(hidden)]
pub mod __private {
    pub use sse_tower_core::{__private::*, SseEmitter};

    #[cfg(feature = "axum")]
    pub use crate::endpoint::{Call as EndpointCall, Route, States, mount, respond};
    #[cfg(feature = "axum")]
    pub use axum::{
        extract::FromRef,
        routing::{MethodFilter, MethodRouter},
    };
}

/// The program of the README compiles as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
