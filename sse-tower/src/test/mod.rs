//! Testing what a program pushes, in the test's own process: without sockets, and on paused time if
//! you like.
//!
//! A [`TestClient`] asks a tower service or `Router` as a browser would; a [`Recorder`] sees what
//! is published in one context; [`publish`] says what one event leads to. Every wait has a
//! deadline, and fails with what did come.
//!
//! # A first test
//!
//! A program without a context, shorter than the one on the crate page, and its test:
//!
//! ```standalone_crate
//! use axum::{Router, extract::Path, routing::{get, post}};
//! use sse_tower::{Emitters, LastEventId, test::TestClient};
//!
//! fn app(users: Emitters<String>) -> Router {
//!     let sender = users.clone();
//!     let push = async move |Path(user): Path<String>, last: LastEventId| users.connect(user, last);
//!     let notify = async move |Path(user): Path<String>, text: String| drop(sender.send(&user, text));
//!     Router::new().route("/push/{user}", get(push)).route("/notify/{user}", post(notify))
//! }
//!
//! # /*
//! #[tokio::test]
//! async fn alice_is_notified() {
//! # */
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//!     let client = TestClient::new(app(Emitters::new()));
//!     let mut alice = client.open("/push/alice").await;
//!     assert_eq!(client.post("/notify/alice", "hello").await.status(), 200);
//!     assert_eq!(alice.next_event().await.data, "hello");
//! }
//! ```
//!
//! In `Cargo.toml`, beside what the program needs, the kit is for tests alone; tokio's `test-util` is what
//! pauses time:
//!
//! ```toml
//! [dependencies]
//! axum = "0.8"
//! sse-tower = "0.1"
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//!
//! [dev-dependencies]
//! sse-tower = { version = "0.1", features = ["test-util"] }
//! tokio = { version = "1", features = ["test-util"] }
//! ```
//!
//! # What to say, and how
//!
//! | a test wants | it says |
//! |---|---|
//! | the next event | [`stream.next_event().await`](TestStream::next_event) |
//! | no event for others | [`stream.silent_for(time).await`](TestStream::silent_for) |
//! | the end, why, and no event before it | [`stream.ended().await`](TestStream::ended) |
//! | all events up to the end | [`stream.rest().await`](TestStream::rest) |
//! | a client that drops and comes back | [`disconnect`](TestStream::disconnect), [`reconnect`](TestStream::reconnect) |
//! | a client that does not read | [`stop_reading`](TestStream::stop_reading) |
//! | a refusal, a 204 | [`.result()`](Wait::result) of what would open a stream, then [`Unmet::status`] |
//! | a keep-alive | [`next_comment`](TestStream::next_comment) |
//! | a header or cookies for all requests | [`client.header(name, value)`](TestClient::header), [`client.cookie_jar()`](TestClient::cookie_jar) |
//! | a request that a function makes | [`TestRequest`]; for the next dial of a stream, [`stream.header(name, value)`](TestStream::header) |
//! | a callback, any other request | [`client.get(path)`](TestClient::get), [`post`](TestClient::post), [`send`](TestClient::send) |
//! | what was published | [`Recorder`]; [`publish(..).then_expect::<X>()`](publish) |
//! | that durable listeners have, retries and all | [`settle_durable(&context).await`](settle_durable) |
//! | that listeners have run | [`context.settled().await`](crate::ApplicationContext::settled) |
//!
//! # Time
//!
//! Deadlines are on tokio's clock: under `#[tokio::test(start_paused = true)]` a keep-alive of 15 s
//! or a timeout of an hour takes no time, and what never comes fails at once. A paused clock is not
//! for tests with sockets: it runs ahead of them.

mod came;
mod client;
mod event;
mod parser;
mod publish;
mod recorder;
mod refusals;
mod service;
mod session;
mod standstill;
mod stream;
mod unmet;
mod wait;

pub use came::SHOWN_EVENTS;
pub use client::{TestClient, TestRequest};
pub use event::ReceivedEvent;
pub use publish::{Published, publish, settle_durable};
pub use recorder::{MAX_RECORDED_EVENTS, Recorder};
pub use refusals::SHOWN_REFUSALS;
pub use session::MAX_COOKIES;
pub use standstill::MAX_STANDSTILL;
pub use stream::{MAX_COMMENTS, Stalled, TestStream};
pub use unmet::{Cause, MAX_UNREAD, Unmet};
pub use wait::{DEFAULT_DEADLINE, Wait};
