//! The attributes of `sse-tower`: [`macro@sse_endpoint`], [`macro@event_listener`], [`macro@component`],
//! [`macro@scheduled`] and [`macro@ApplicationEvent`]. **Programs depend on `sse-tower`** and name them at `sse_tower::…`, beside the
//! types they work with; its crate page has a first program with three of them.
//!
//! | attribute | on | makes it |
//! |---|---|---|
//! | [`#[derive(ApplicationEvent)]`](macro@ApplicationEvent) | a type | something that can be published and listened to |
//! | [`#[event_listener]`](macro@event_listener) | a function, or a method under `#[component]` | hear one type of event |
//! | [`#[component]`](macro@component) | an impl block | a component whose methods are listeners |
//! | [`#[scheduled]`](macro@scheduled) | a function, or a method under `#[component]` | run by the clock |
//! | [`#[sse_endpoint]`](macro@sse_endpoint) | a handler | an event stream, with its options beside it |
//!
//! What they generate names `::sse_tower::__private::…`, `::core` and `::std` only, so nothing in the user's
//! scope can change its meaning. An annotated function stays as it was written and may be called by hand;
//! whatever an attribute does can be written without it.

#![deny(missing_docs)]

mod application_event;
mod component;
mod duration;
mod event_listener;
#[cfg(test)]
mod expansions;
mod mistakes;
mod options;
mod scheduled;
mod sse_endpoint;
mod timetable;
mod tokens;

use proc_macro::TokenStream;

/// Makes a type an application event: something that can be published and listened to.
///
/// Any `Send + Sync + 'static` type can be one. It needs no `Clone`: listeners share one value.
///
/// ```
/// use sse_tower::ApplicationEvent;
///
/// #[derive(ApplicationEvent)]
/// struct PayCompletedEvent {
///     pay_record_id: u64,
/// }
/// ```
///
/// # Options of `#[event(…)]`
///
/// | option | meaning | default |
/// |---|---|---|
/// | `name = "pay.completed"` | the name by which other nodes and later versions of the program know the event: letters, digits, `.`, `-`, `_` | none: the event stays in this process |
/// | `version = 1` | the version of its form, from 0 | none |
/// | `as = "dyn Auditable"` | it is heard by listeners of `&dyn Auditable` too; several: `as = ["dyn A", "dyn B"]` | itself only |
/// | `broadcast` | heard on every node of a backplane: here at once, elsewhere as soon as it comes | this node |
/// | `stored` | stored for durable listeners of other programs, also while none is known | stored once some durable listener hears it |
/// | `upcast = from_v1` | reads the version before: `fn from_v1(old: PaidV1) -> Paid`, where `PaidV1` is an event of the same name | this version only |
///
/// What leaves the process needs a `name`, `Serialize` and `Deserialize`.
///
/// A trait named with `as` has `Send + Sync` among its supertraits, since the event is shared by threads:
///
/// ```
/// use sse_tower::{ApplicationEvent, event_listener};
///
/// trait Auditable: Send + Sync {
///     fn line(&self) -> String;
/// }
///
/// #[derive(ApplicationEvent)]
/// #[event(name = "pay.completed", version = 1, as = "dyn Auditable")]
/// struct PayCompleted {
///     amount: u64,
/// }
///
/// impl Auditable for PayCompleted {
///     fn line(&self) -> String {
///         format!("paid {}", self.amount)
///     }
/// }
///
/// #[event_listener]
/// fn audit(event: &dyn Auditable) {
///     println!("{}", event.line());
/// }
/// ```
///
/// # Generic events
/// Each `Changed<T>` is an event of its own, heard by listeners of exactly that type; where `T` is not
/// `Send + Sync + 'static`, `Changed<T>` is no event. A type with a lifetime cannot be one: an event outlives
/// its publisher.
#[proc_macro_derive(ApplicationEvent, attributes(event))]
pub fn application_event(item: TokenStream) -> TokenStream {
    application_event::application_event(item.into()).into()
}

/// Makes the methods of a component listeners, and the component a trait.
///
/// Goes on an impl block. Each of its methods under [`macro@event_listener`] hears events, each under
/// [`macro@scheduled`] runs by the clock, with the component of that type in the context as `&self`. The block and its
/// methods stay as they are.
///
/// ```standalone_crate
/// use sse_tower::{ApplicationContext, ApplicationEvent, Emitters, component, event_listener};
///
/// #[derive(ApplicationEvent)]
/// struct PayCompletedEvent {
///     pay_record_id: u64,
/// }
///
/// #[derive(Default)]
/// struct PayCompletedListener {
///     emitters: Emitters<u64>,
/// }
///
/// #[component]
/// impl PayCompletedListener {
///     #[event_listener]
///     async fn deploy(&self, event: &PayCompletedEvent) {
///         self.emitters.send(&event.pay_record_id, "支付成功");
///         self.emitters.complete(&event.pay_record_id);
///     }
/// }
///
/// # fn main() -> Result<(), sse_tower::WiringError> {
/// let context = ApplicationContext::builder().component(PayCompletedListener::default()).build()?;
/// # Ok(())
/// # }
/// ```
///
/// A context that is built without a component of this type is an error that names each of its listeners, with
/// file and line.
///
/// # As a trait
/// With `as = "dyn Mailer"`, or `as = ["dyn Mailer", "dyn Audited"]`, what is given as `.component(Smtp)` is also what
/// `Component<dyn Mailer>` takes. A test gives something else by `.component_as::<dyn Mailer>(..)`, which comes first.
///
/// ```standalone_crate
/// use std::sync::{Arc, Mutex};
/// use sse_tower::{ApplicationContext, ApplicationEvent, Component, ContextBuilder, component, event_listener};
///
/// #[derive(ApplicationEvent)]
/// struct Joined {
///     address: &'static str,
/// }
///
/// trait Mailer: Send + Sync {
///     fn send(&self, to: &str);
/// }
///
/// struct Smtp;
///
/// impl Mailer for Smtp {
///     fn send(&self, to: &str) {
///         println!("to {to}");
///     }
/// }
///
/// #[component(as = "dyn Mailer")]
/// impl Smtp {}
///
/// #[event_listener]
/// fn welcome(event: &Joined, mailer: &Component<dyn Mailer>) {
///     mailer.send(event.address);
/// }
///
/// fn program() -> ContextBuilder {
///     ApplicationContext::builder().component(Smtp)
/// }
///
/// // In a test:
/// #[derive(Default)]
/// struct Noted(Mutex<Vec<String>>);
///
/// impl Mailer for Noted {
///     fn send(&self, to: &str) {
///         self.0.lock().unwrap().push(to.to_owned());
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let noted = Arc::new(Noted::default());
/// let context = program().component_as::<dyn Mailer>(noted.clone()).build()?;
/// context.publish_event(Joined { address: "ada@example.com" }).await?;
/// assert_eq!(*noted.0.lock().unwrap(), ["ada@example.com"]);
/// # Ok(())
/// # }
/// ```
///
/// # Limits
/// * `&self` only: a component is shared. What changes goes into a `Mutex` or an atomic.
/// * Methods have the component that has no name.
/// * The block has no type parameters and no trait; `impl Desk<u8>` is fine.
/// * The inner attribute is recognised by its last name: `#[event_listener]` or `#[sse_tower::event_listener]`,
///   not one that was renamed on import.
#[proc_macro_attribute]
pub fn component(attribute: TokenStream, item: TokenStream) -> TokenStream {
    component::component(attribute.into(), item.into()).into()
}

/// Makes a function hear an application event.
///
/// Goes on a `fn` or `async fn`, free or a method of an impl block under [`macro@component`]. Every context of
/// `ApplicationContext::builder()` then takes it; one of `bare()` takes it where it is named:
/// `.listener(on_paid::LISTENER)`, for which the attribute adds a type of the function's name beside it.
///
/// ```
/// use sse_tower::{ApplicationContext, ApplicationEvent, event_listener};
///
/// #[derive(ApplicationEvent)]
/// struct PayCompleted {
///     amount: u64,
/// }
///
/// #[event_listener]
/// fn on_paid(event: &PayCompleted) {
///     println!("paid: {}", event.amount);
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = ApplicationContext::bare().listener(on_paid::LISTENER).build()?;
/// let outcome = context.publish_event(PayCompleted { amount: 100 }).await?;
/// assert_eq!(outcome.ran(), 1);
/// on_paid(&PayCompleted { amount: 200 }); // still an ordinary function
/// # Ok(())
/// # }
/// ```
///
/// # Parameters
/// The event comes first: `&E`, `Arc<E>`, or `&dyn Trait` for every event that says `#[event(as = "dyn Trait")]`.
/// What follows is injected: `Component<T>` or `&Component<T>`, of a type, of a trait (`Component<dyn Mailer>`) or by a
/// name (`Component<Pool, Eu>`), `Publisher<X>`, `EventMeta`, `ApplicationContext`.
/// The borrowed component touches no counter.
///
/// # What it returns
/// Nothing, an event, `Option`, `Vec` or a tuple of events, or a `Result` of these. Events are published in turn.
/// An `Err` is a failure in the publication's outcome; `Result<_, ListenerError>` records the line of the `?`.
///
/// # Options
///
/// | option | meaning | default |
/// |---|---|---|
/// | `order = 10` | lower runs first, from `i32::MIN` to `i32::MAX` | 0; ties by module path and line |
/// | `before = "…"`, `after = "…"` | runs before, after the listener of that id; several: `["a", "b"]` | — |
/// | `condition = \|e: &E\| e.amount > 100` | otherwise it is skipped, and counted as such | always |
/// | `spawn` | runs in a task of its own, which nobody waits for but `settled()`, and whose failure is only logged; `async fn` only | in order, after those before it |
/// | `id = "audit"` | its name in outcomes, and for `before` and `after` | module path and function name |
/// | `timeout = "5s"` | stopped and counted as failed after that; `async fn` only. Units `ms`, `s`, `m`, `h`, `d` | none |
/// | `phase = "after-commit"` | part of a transaction: `before-commit`, `after-commit`, `after-rollback`, `after-completion` | none |
/// | `fallback` | outside of a transaction it runs at once; without this it is skipped there, which the log says once | — |
/// | `durable` | its events survive the process, and failures are repeated; needs `id`, and an event with a name and serde | in this process, once |
/// | `attempts = 20` | durable: how often it is tried before the event is a dead letter | 20 |
/// | `backoff = "1s"` | durable: before the second attempt; each later pause is twice as long, two hours at most | 1 s |
/// | `concurrency = 16` | durable: how many at a time in one process, 1 to 256 | 16 |
/// | `ordered` | durable: one at a time over all processes, in order; one that fails holds up the others | — |
/// | `from = "earliest"` | durable: a new listener begins with what is kept | with what is published from now on |
/// | `on_dead = "stop"` | durable and `ordered`: a dead letter pauses it on every process until somebody resumes it | it goes on with the next |
///
/// `timeout` is 30 s for a durable `async fn` that says nothing; `timeout = "none"` is none.
///
/// ```
/// use sse_tower::{ApplicationEvent, Component, EventMeta, ListenerError, event_listener};
///
/// #[derive(ApplicationEvent)]
/// struct PayCompleted {
///     amount: u64,
/// }
///
/// #[derive(ApplicationEvent)]
/// struct ReceiptSent;
///
/// struct Mailer;
///
/// #[event_listener(order = 10, condition = |event: &PayCompleted| event.amount > 100, timeout = "5s")]
/// async fn send_receipt(
///     event: &PayCompleted,
///     mailer: Component<Mailer>,
///     meta: EventMeta,
/// ) -> Result<ReceiptSent, ListenerError> {
///     let _cents: u32 = event.amount.try_into()?; // this line is in the outcome if it fails
///     Ok(ReceiptSent)
/// }
/// ```
#[proc_macro_attribute]
pub fn event_listener(attribute: TokenStream, item: TokenStream) -> TokenStream {
    event_listener::event_listener(attribute.into(), item.into()).into()
}

/// Makes a function run by the clock.
///
/// Goes on a `fn` or `async fn`, free or a method of an impl block under [`macro@component`]. Every context of
/// `ApplicationContext::builder()` runs it, from `build()` until the drain; one of `bare()` does where it is named:
/// `.listener(report::LISTENER)`. All parameters are injected, as a listener's are after its event; so is what it
/// returns taken: events are published, an `Err` is a failure.
///
/// ```standalone_crate
/// use sse_tower::{ApplicationContext, Component, scheduled};
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// #[derive(Default)]
/// struct Reports(AtomicU32);
///
/// #[scheduled(every = "5s", initial_delay = "1s")]
/// async fn report(reports: Component<Reports>) {
///     reports.0.fetch_add(1, Ordering::Relaxed);
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = ApplicationContext::builder().component(Reports::default()).build()?;
/// # Ok(())
/// # }
/// ```
///
/// A run never overlaps the one before. What falls into a run that takes too long is left out, which the log says. A
/// failure or a panic is logged, and the next run comes.
///
/// # Options
///
/// | option | meaning | default |
/// |---|---|---|
/// | `every = "5s"` | at once, and then each time that so much has passed since the first run began | one of |
/// | `fixed_delay = "5s"` | at once, and then always so long after the last run ended | the three |
/// | `cron = "0/5 * * * * *"` | at these times: second, minute, hour, day, month, weekday, as in Spring; feature `cron` | is needed |
/// | `zone = "Asia/Shanghai"` | the time zone of `cron`, by its name in the IANA database | UTC |
/// | `initial_delay = "10s"` | no run before that | none |
/// | `once = "report"` | with a backplane, one process at a time runs it: of those that have a function of this name | every process |
/// | `id = "report"` | its name in the log, in the graph and in failures | module path and function name |
/// | `timeout = "30s"` | stopped and counted as failed after that; `async fn` only | none |
///
/// Durations are whole numbers with a unit, `ms`, `s`, `m`, `h` or `d`: `"500ms"`, `"1m30s"`.
///
/// With `once`, who has the turn keeps it while it lives. When that process drains, another goes on at once; when it dies,
/// within some fifteen seconds. Who takes over begins as a context begins: at once, where it says `every`. It needs the
/// feature `json`, which is on by default.
#[proc_macro_attribute]
pub fn scheduled(attribute: TokenStream, item: TokenStream) -> TokenStream {
    scheduled::scheduled(attribute.into(), item.into()).into()
}

/// Makes a handler an event stream, with the stream's options written beside it.
///
/// A plain axum handler that returns an `SseEmitter` needs none of this. It is for stream options beside the
/// handler (`timeout`, `keep_alive`, `retry`), for endpoints that are collected by their `path` instead of routed
/// by hand, and for a handler that takes its emitter and writes the events itself.
///
/// The function stays an ordinary axum handler, for `get(push)`. It returns `SseEmitter` or
/// `Result<SseEmitter, impl IntoResponse>`:
///
/// ```
/// use axum::{Router, extract::Path, routing::get};
/// use sse_tower::{Component, Emitters, LastEventId, SseEmitter, sse_endpoint};
///
/// #[sse_endpoint(timeout = "60s", keep_alive = "15s")]
/// async fn push(Path(id): Path<u64>, last: LastEventId, emitters: Component<Emitters<u64>>) -> SseEmitter {
///     emitters.connect(id, last)
/// }
///
/// let app: Router = Router::new().route("/push/{id}", get(push));
/// ```
///
/// Or it takes an `SseEmitter`. Its body then runs beside the response, and is cancelled at its next `.await`
/// when the client leaves. `()` or `Ok(())` completes the stream, `Err` ends it with an error for the callbacks:
///
/// ```
/// use axum::{Router, routing::get};
/// use sse_tower::{SendError, SseEmitter, sse_endpoint};
///
/// #[sse_endpoint]
/// async fn count(emitter: SseEmitter) -> Result<(), SendError> {
///     for n in 1..=10 {
///         emitter.send(n.to_string()).await?;
///     }
///     Ok(())
/// }
///
/// let app: Router = Router::new().route("/count", get(count));
/// ```
///
/// Taking the emitter is the one case in which the attribute changes the function's type: it then returns
/// `SseEmitter`, which is the response.
///
/// # Options
///
/// | option | meaning | default |
/// |---|---|---|
/// | `timeout = "60s"` | how long the stream lives | the emitter's own |
/// | `keep_alive = "15s"` | how long the wire may be silent before a comment is written | the emitter's own |
/// | `retry = "3s"` | how long a client waits before it dials again | the emitter's own |
/// | `path = "/push/{id}"` | collects the endpoint for `sse_tower::endpoints(&context)` | routed by hand |
/// | `method = "GET"` | with `path`: `GET`, `POST`, `PUT`, `PATCH` or `DELETE`. An `EventSource` sends `GET` only | `GET` |
/// | `state = AppState` | with `path`: the router's state, where extractors want parts of it by `FromRef` | the `State<..>` parameters |
///
/// Durations are whole numbers with a unit, `ms`, `s`, `m`, `h` or `d`: `"500ms"`, `"1m30s"`.
///
/// A collected endpoint takes its states out of the context: `State<T>` is a clone of the component `T`.
#[proc_macro_attribute]
pub fn sse_endpoint(attribute: TokenStream, item: TokenStream) -> TokenStream {
    sse_endpoint::sse_endpoint(attribute.into(), item.into()).into()
}

/// The program of the README compiles as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
