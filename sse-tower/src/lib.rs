//! Server push for axum and tower: a handler returns an [`SseEmitter`], somewhere else an event is
//! [published](ApplicationContext::publish_event), and a [listener](macro@event_listener) sends to the
//! right [connections](Emitters).
//!
//! It is for pages that wait for something: a payment, a delivery, a build, a message, the next words
//! of a model. A browser opens `new EventSource(url)`, which is plain HTTP and comes back by itself; what
//! is missing on the server is here: many connections by key, what they missed, an end for good, limits,
//! and a shutdown that does not wait for them. Everything runs in your process.
//!
//! # A page that waits for its payment
//!
//! The program, all of it, and its test:
//!
//! ```test_harness,standalone_crate
//! use axum::{Router, extract::Path, routing::{get, post}};
//! use sse_tower::{
//!     ApplicationContext, ApplicationEvent, Component, Emitters, LastEventId, PublishError,
//!     SseEmitter, SseLayer, WiringError, event_listener,
//! };
//!
//! #[derive(ApplicationEvent)]
//! struct Payment {
//!     order: u64,
//!     state: String,
//! }
//!
//! // Connections by order: those that wait for this one get the event.
//! #[event_listener]
//! fn tell(event: &Payment, pages: Component<Emitters<u64>>) {
//!     pages.send(&event.order, event.state.as_str());
//!     if event.state == "paid" {
//!         pages.complete(&event.order); // nothing follows
//!     }
//! }
//!
//! // What the page asks for: `new EventSource("/push/7")`.
//! async fn push(
//!     Path(order): Path<u64>, last: LastEventId, pages: Component<Emitters<u64>>,
//! ) -> SseEmitter {
//!     pages.connect(order, last)
//! }
//!
//! // What the payment provider calls.
//! async fn callback(
//!     Path((order, state)): Path<(u64, String)>, context: ApplicationContext,
//! ) -> Result<(), PublishError> {
//!     context.publish_event(Payment { order, state }).await?;
//!     Ok(())
//! }
//!
//! fn app() -> Result<(Router, ApplicationContext), WiringError> {
//!     let context = ApplicationContext::builder().component(Emitters::<u64>::default()).build()?;
//!     let app = Router::new()
//!         .route("/push/{order}", get(push))
//!         .route("/callback/{order}/{state}", post(callback))
//!         .layer(SseLayer::new(context.clone()));
//!     Ok((app, context))
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let (app, context) = app()?;
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!     sse_tower::serve(listener, app, context).await?;
//!     Ok(())
//! }
//!
//! #[tokio::test]
//! async fn a_page_that_was_away_gets_what_it_missed() -> Result<(), WiringError> {
//!     let client = sse_tower::test::TestClient::new(app()?.0);
//!     let mut page = client.open("/push/7").await;
//!     assert_eq!(client.post("/callback/7/scanned", "").await.status(), 200);
//!     assert_eq!(page.next_event().await.data, "scanned");
//!
//!     page.disconnect();
//!     assert_eq!(client.post("/callback/7/paid", "").await.status(), 200);
//!     page.reconnect().await; // with the `Last-Event-ID` of "scanned", as a browser does
//!     assert_eq!(page.next_event().await.data, "paid");
//!     page.ended().await;
//!
//!     let again = page.reconnect().result().await.unwrap_err();
//!     assert_eq!(again.status().unwrap(), 204); // all seen: a browser stays away now
//!     Ok(())
//! }
//! ```
//!
//! ```toml
//! [dependencies]
//! axum = "0.8"
//! sse-tower = "0.1"
//! tokio = { version = "1", features = ["macros", "net", "rt-multi-thread"] }
//!
//! [dev-dependencies]
//! sse-tower = { version = "0.1", features = ["test-util"] }
//! ```
//!
//! Before it is on a registry both lines say `path = "CHECKOUT/sse-tower"` instead of the version, with the
//! place of a checkout.
//!
//! A page that connects after the callback gets its event all the same, one that was away gets what
//! it missed, and one that has everything is told not to come back. That is what
//! [`complete`](Emitters::complete) is for: leave it out if more events follow, since after it sends to the
//! key are [refused](SendError::Closed) until [`forget`](Emitters::forget) reopens it.
//!
//! [`Emitters`] are a component by themselves; [`#[component]`](macro@component) makes listeners of the
//! methods of a struct of your own. They also work without context and layer, as `State` or captured by a
//! closure, with ids, history, keep-alive and all: the [kit's page][kit] begins with such a program. The bus
//! and [`Component`] need the context; limits, leases, the drain and the header that keeps nginx from buffering
//! need [`SseLayer`].
//!
//! # When not to use it
//!
//! * The browser has as much to say as the server, or it is binary: take a WebSocket. A `fetch` beside
//!   the stream is enough for now and then.
//! * Nothing may be lost over a restart, and there is no store that has it: without a [backplane](guide::nodes) history
//!   is memory. Push what is *new*, keep it elsewhere.
//! * Several processes have to share connections and history without anything between them: a
//!   [backplane](guide::nodes) needs a store that all of them reach.
//! * A tick a minute is early enough: let the page ask.
//!
//! # The guide
//!
//! | to know | read |
//! |---|---|
//! | how an event gets to a browser: log, cursor, history, position; what is promised, and what is not | [`guide::delivery`] |
//! | limits and defaults, and where each is set | [`guide::limits`] |
//! | how a server with open streams ends | [`guide::shutdown`] |
//! | nginx and others; headers and timeouts; HTTP/2 and the six connections; the direct path | [`guide::proxies`] |
//! | what more than one process means | [`guide::nodes`] |
//! | events for every process, and listeners that survive one | [`guide::durable`] |
//! | limits, timeouts, backplane and address from files and the environment | [`guide::configuration`] |
//! | what is said against event buses, and what this one does about it | [`guide::bus`] |
//! | what each name in Spring is called here | [`guide::spring`] |
//! | testing what you push, without sockets and on paused time | [`sse_tower::test`][kit] |
//!
//! # In five sentences
//!
//! Each event gets an id and stands in the log of its key; a connection is a place in that log, so one reader
//! never slows another. A client that comes back with its last id gets exactly what it missed, and is told
//! with [`stream-gap`](STREAM_GAP) or [`stream-reset`](STREAM_RESET) what it cannot get any more.
//! [`complete`](Emitters::complete) is remembered, and answers the next dial with 204, which stops a browser
//! for good. "Sent" means handed to the server and not read by the client, and without a backplane history lives as
//! long as the process. Every queue and map has a bound with a name, and says what happens at it.
//!
//! # Where to look
//!
//! * One event on the wire: [`SseEvent`]. One connection: [`SseEmitter`]. Many, by key:
//!   [`Emitters`].
//! * The bus: [`ApplicationContext`], [`#[event_listener]`](macro@event_listener),
//!   [`#[component]`](macro@component).
//! * In front of it all: [`SseLayer`] with [`Limits`], [`Refusal`] and [`Lease`]; it works for event
//!   streams of others too, such as axum's own `Sse`.
//! * Leaving without losing: [`serve`], or [`ApplicationContext::drain_on`] under another server;
//!   [`Drain`] says how.
//! * What is counted: [`observe`].
//!
//! # Features
//!
//! | feature | on by default | adds |
//! |---|---|---|
//! | `axum` | yes | [`#[sse_endpoint]`](macro@sse_endpoint), extractors, and emitters as responses |
//! | `json` | yes | [`SseEvent::json`]: event data through serde |
//! | `serve` | yes | [`serve`]: HTTP/1.1 and HTTP/2 with settings that suit streams, and a shutdown that ends them |
//! | `tls` | no | TLS for `serve`, through rustls |
//! | `tracing` | no | spans and log lines |
//! | `metrics` | no | counters and gauges through the `metrics` facade |
//! | `cron` | no | cron expressions for [`#[scheduled]`](macro@scheduled) and [`Schedule::cron`] |
//! | `redb`, `redis`, `postgres`, `nats` | no | the engine of that name, for [`backplane::open`] |
//! | `sqlx` | no | sending in transactions of `sqlx`, with the engine `postgres` |
//! | `test-util` | no | [`sse_tower::test`][kit], for your tests |
//!
//! Each only adds.
//!
#![cfg_attr(feature = "test-util", doc = "[kit]: crate::test")]
#![cfg_attr(not(feature = "test-util"), doc = "[kit]: #features")]
#![deny(missing_docs)]

mod admission;
pub mod backplane;
mod body;
mod boxed;
mod foreign;
mod future;
#[cfg(doc)]
pub mod guide;
mod head;
mod headers;
mod layer;
mod lease;
#[cfg(feature = "serve")]
mod serve;
mod service;
mod settings;
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
    EventStream, MAX_ASIDE, MIN_KEEP_ALIVE, SendError, SseEmitter, SseEmitterBuilder,
    StreamControl, StreamFailed, StreamHandle, TrySendError,
};

// Many connections.
pub use sse_tower_core::{
    DEFAULT_BACKLOG_BYTES, DEFAULT_BACKLOG_EVENTS, DEFAULT_SNAPSHOT_AGE, DEFAULT_SNAPSHOT_TIMEOUT,
    DEFAULT_TOTAL_BYTES, DEFAULT_TOTAL_EVENTS, Emitters, EmittersBuilder, History, Key, Lag,
    LastEventId, MAX_KEYS_PER_CONNECTION, MAX_STALL, MEMORY_AGE, MEMORY_KEYS, Receipt, Second,
    Sent,
};

// Application events.
pub use sse_tower_core::{
    ApplicationEvent, Commit, CommitError, EventMeta, EventOrigin, EventType, EventUid, Failure,
    Inject, IntoListenerError, Listener, ListenerBuilder, ListenerError, ListenerOutput,
    ListenerPanicked, ListenerTimedOut, MAX_PUBLICATION_DEPTH, MAX_RETURNED_EVENTS,
    MAX_SPAWNED_LISTENERS, MAX_TRANSACTION_EVENTS, Outcome, Phase, Publication, PublicationId,
    PublishError, RepublishedTooDeep, Settlement, TooManyReturned, Transaction, TransactionFull,
};

// Events that leave the process.
#[cfg(feature = "json")]
pub use sse_tower_core::{
    BroadcastGap, DeadLetters, DurableError, EventTrace, Letter, Listeners,
    MAX_PENDING_BROADCAST_BYTES, MAX_PENDING_BROADCASTS, RetryAll,
};
pub use sse_tower_core::{
    DEFAULT_ATTEMPTS, DEFAULT_BACKOFF, DEFAULT_CONCURRENCY, DEFAULT_DURABLE_TIMEOUT, DeadReason,
    ListenerState, ListenerStats,
};

// By the clock.
pub use sse_tower_core::{Schedule, ScheduleBuilder, ScheduledRun};

// The context.
#[cfg(feature = "axum")]
pub use sse_tower_core::ContextRejection;
pub use sse_tower_core::{
    ApplicationContext, Building, Component, ComponentName, ContextBuilder, ContextClosed,
    ContextDraining, ContextStarted, HookOutput, Publisher, Subscription, UnavailableComponent,
    Unheard, WiringError, WiringFault, listeners_from,
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
pub use serve::{Serve, SocketListener, SocketOptions, serve, shutdown_signal};
#[cfg(all(feature = "axum", feature = "serve"))]
pub use serve::{StreamListener, StreamSocket};
pub use service::SseService;

// The attributes, and what they generate.
#[cfg(feature = "axum")]
mod routes;
#[cfg(feature = "axum")]
pub use routes::endpoints;
pub use sse_tower_macros::{ApplicationEvent, component, event_listener, scheduled, sse_endpoint};

#[doc(hidden)]
pub mod __private {
    pub use sse_tower_core::{__private::*, SseEmitter};

    #[cfg(feature = "serve")]
    pub use crate::serve::Servable;

    #[cfg(feature = "axum")]
    pub use crate::routes::{EndpointCall, Route, States, mount, respond};
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
