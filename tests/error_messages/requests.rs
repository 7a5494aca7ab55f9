//! A request whose handler asks for what is not there.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::IntoResponse;
use axum::routing::get;
use http_body_util::BodyExt as _;
use sse_tower::{
    ApplicationContext, ApplicationEvent, Component, Emitters, Limits, Listener, Publisher,
    SseEmitter, SseLayer,
};
use tower::ServiceExt as _;

use crate::heard::{listen, logged};

#[derive(ApplicationEvent)]
struct Paid;

#[derive(Debug)]
struct Till;

/// Status and body of `GET /push`.
async fn ask(app: Router) -> String {
    let request = Request::get("/push").body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    format!("{status} {}", String::from_utf8(body.to_vec()).unwrap())
}

/// The same under `SseLayer`.
async fn ask_with<F, R>(context: ApplicationContext, handler: F) -> String
where
    F: Fn(ApplicationContext) -> R + Clone + Send + Sync + 'static,
    R: Future<Output: IntoResponse> + Send,
{
    ask(Router::new().route("/push", get(handler)).layer(SseLayer::new(context))).await
}

/// What a client is told: nothing of the program.
const NOT_SET_UP: &str = "500 this server is not set up for this request; \
                          its log says what is missing, with the feature `tracing` of sse-tower";

#[tokio::test]
async fn a_router_without_the_layer() {
    let app = |handler| Router::new().route("/push", handler);
    listen();
    assert_eq!(ask(app(get(|_: ApplicationContext| async {}))).await, NOT_SET_UP);
    assert_eq!(
        logged(),
        "ERROR request is answered 500 method=GET path=\"/push\" \
         error=this request has no application context; \
         add `.layer(SseLayer::new(context))` to the router, after its routes"
    );
    assert_eq!(ask(app(get(|_: Component<Till>| async {}))).await, NOT_SET_UP);
    assert_eq!(ask(app(get(|_: Publisher<Paid>| async {}))).await, NOT_SET_UP);
}

#[tokio::test]
async fn a_component_that_the_context_does_not_have() {
    let app = |context| {
        Router::new()
            .route("/push", get(|_: Component<Till>| async {}))
            .layer(SseLayer::new(context))
    };
    listen();
    let without = ApplicationContext::bare().build().unwrap();
    assert_eq!(ask(app(without)).await, NOT_SET_UP);
    assert_eq!(
        logged(),
        "ERROR request is answered 500 method=GET path=\"/push\" \
         error=the application context has no component `error_messages::requests::Till`; \
         add `.component(..)` where it is built"
    );
    let in_arc = ApplicationContext::bare().component(Arc::new(Till)).build().unwrap();
    assert_eq!(ask(app(in_arc)).await, NOT_SET_UP);
    assert!(logged().ends_with(
        "error=the application context has no component `error_messages::requests::Till`, \
         but an `Arc<error_messages::requests::Till>`; add it by `.shared_component(..)`"
    ));
    let app = Router::new().route("/push", get(|_: Component<Emitters<u64>>| async {}));
    let others = ApplicationContext::bare().component(Emitters::<u32>::new()).build().unwrap();
    assert_eq!(ask(app.layer(SseLayer::new(others))).await, NOT_SET_UP);
    assert!(logged().ends_with(
        "error=the application context has no component `Emitters<u64>`, but `Emitters<u32>`; \
         take that one, or add the other by `.component(..)`"
    ));
}

#[tokio::test]
async fn one_emitter_for_two_requests() {
    let emitter = SseEmitter::new();
    let shared = emitter.clone();
    let app = Router::new().route("/push", get(move || async move { shared }));
    let request = Request::get("/push").body(Body::empty()).unwrap();
    let first = app.clone().oneshot(request).await.unwrap();
    assert_eq!(first.status(), 200);
    listen();
    assert_eq!(
        ask(app).await,
        "500 this server made a mistake with this stream; \
         its log says which, with the feature `tracing` of sse-tower"
    );
    assert_eq!(
        logged(),
        "ERROR this emitter is a response already; make one for each request, \
         and send to several through `Emitters`"
    );
    emitter.try_send("the first goes on").unwrap();
}

#[tokio::test]
async fn a_failed_listener_is_for_the_log_and_not_for_the_client() {
    let fails = Listener::on(|_: &Paid| Err::<(), _>("no more paper"));
    let context = ApplicationContext::bare().listener(fails).build().unwrap();
    let said =
        ask_with(context, |context| async move { context.publish_event(Paid).await.map(drop) });
    assert_eq!(
        said.await,
        "500 an event listener failed; \
         the server's log says which, with the feature `tracing` of sse-tower"
    );
}

#[tokio::test]
async fn a_stream_for_which_there_is_no_room() {
    let context = ApplicationContext::bare().build().unwrap();
    let full = SseLayer::new(context.clone()).limit(Limits::new().total(0));
    let app = Router::new().route("/push", get(|| async { SseEmitter::new() }));
    assert_eq!(ask(app.clone().layer(full)).await, "503 too many streams are open; dial later\n");
    context.drain().await;
    assert_eq!(
        ask(app.layer(SseLayer::new(context))).await,
        "503 this server is leaving; dial again\n"
    );
}
