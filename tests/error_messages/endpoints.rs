//! Endpoints that are collected, and cannot be served.

use axum::Router;
use axum::extract::State;
use sse_tower::{ApplicationContext, Component, SseEmitter, endpoints, sse_endpoint};

use crate::heard::{listen, logged, panic_of, says};

#[derive(Clone)]
struct Till;

struct Desk;

#[sse_endpoint(path = "/push")]
async fn push(_till: State<Till>, _desk: Component<Desk>) -> SseEmitter {
    SseEmitter::new()
}

#[test]
fn what_they_take_has_to_be_in_the_context() {
    let context = ApplicationContext::bare().build().unwrap();
    says(
        &endpoints::<()>(&context).unwrap_err(),
        "context is not wired, 2 faults found at endpoints.rs:…:\n  \
         - endpoints.rs:…: `/push` takes `Component<error_messages::endpoints::Desk>`, \
         which is missing; add `.component(..)` to the context\n  \
         - endpoints.rs:…: endpoint `error_messages::endpoints::push` takes the state \
         `error_messages::endpoints::Till`, which is no component of the context; \
         add `.component(..)` with one",
    );
}

#[test]
fn added_twice_they_overlap_as_any_routes_of_axum() {
    let context = ApplicationContext::bare().component(Till).component(Desk).build().unwrap();
    let app = Router::<()>::new().merge(endpoints(&context).unwrap());
    assert_eq!(
        panic_of(|| app.merge(endpoints(&context).unwrap())),
        "Overlapping method route. Handler for `GET /push` already exists"
    );
}

#[sse_endpoint]
async fn panics(_emitter: SseEmitter) {
    panic!("the till is empty");
}

#[tokio::test]
async fn one_whose_body_panics_is_named() {
    listen();
    let emitter = SseEmitter::new();
    drop(panics(emitter.clone()).await);
    emitter.cancellation().cancelled().await;
    assert_eq!(
        logged(),
        "WARN stream was completed with an error error=endpoint `error_messages::endpoints::panics` panicked"
    );
}

#[test]
fn one_whose_body_has_no_runtime_is_named() {
    listen();
    drop(futures_util::FutureExt::now_or_never(panics(SseEmitter::new())));
    assert_eq!(
        logged(),
        "WARN stream was completed with an error error=endpoint `error_messages::endpoints::panics` \
         takes its emitter, so its body needs a tokio runtime; serve it within one"
    );
}
