//! A backplane under HTTP: when a client is answered with 204, and when a server takes no streams.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use axum::{Router, extract::Path, routing::get};
use http::{Request, StatusCode, header::CONTENT_TYPE};
use http_body_util::BodyExt as _;
use sse_tower::{
    ApplicationContext, Component, Emitters, EventId, LastEventId, SseEmitter, SseLayer,
    backplane::{Backplane, MemoryStore, memory::NodeFaults},
    sse_endpoint,
};
use tokio::time::{Instant, sleep};
use tower::ServiceExt as _;

/// A server at a store, and what makes its store fail.
struct Server {
    app: Router,
    context: ApplicationContext,
    pages: Emitters<u64>,
    faults: NodeFaults,
}

async fn push(
    Path(order): Path<u64>,
    last: LastEventId,
    pages: Component<Emitters<u64>>,
) -> SseEmitter {
    pages.connect(order, last)
}

#[sse_endpoint]
async fn endpoint(
    Path(order): Path<u64>,
    last: LastEventId,
    pages: Component<Emitters<u64>>,
) -> SseEmitter {
    pages.connect(order, last)
}

fn server(store: &MemoryStore) -> Server {
    let engine = store.engine();
    let faults = engine.faults();
    let backplane = Backplane::new(engine);
    let pages: Emitters<u64> = Emitters::builder().backplane(&backplane, "pages").build();
    let context =
        ApplicationContext::bare().backplane(&backplane).component(pages.clone()).build().unwrap();
    let bare =
        Router::new().route("/push/{order}", get(push)).route("/endpoint/{order}", get(endpoint));
    let layered = bare.clone().layer(SseLayer::new(context.clone()));
    let bare = bare.layer(axum::Extension(context.clone()));
    let app = Router::new().nest("/layer", layered).nest("/bare", bare);
    Server { app, context, pages, faults }
}

/// One server with an order that is through, and the id of what was said last; and another, where its client comes back.
async fn completed() -> (Server, EventId) {
    let store = MemoryStore::new();
    let (one, other) = (server(&store), server(&store));
    let last = one.pages.send(&7, "delivered").await.unwrap().id;
    one.pages.complete(&7);
    sleep(Duration::from_millis(10)).await;
    (other, last)
}

async fn ask(server: &Server, path: &str, last: &EventId) -> http::Response<axum::body::Body> {
    let request = Request::get(path)
        .header("accept", "text/event-stream")
        .header("last-event-id", last.as_str())
        .body(axum::body::Body::empty())
        .unwrap();
    server.app.clone().oneshot(request).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_seen_everything_is_answered_without_content_by_another_process() {
    for path in ["/layer/push/7", "/bare/endpoint/7", "/layer/endpoint/7"] {
        let (server, last) = completed().await;
        server.faults.slow_loads(Duration::from_millis(700));
        let response = ask(&server, path, &last).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT, "{path}");
        assert!(!response.headers().contains_key(CONTENT_TYPE), "{path}");
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
        assert!(server.pages.is_empty() && server.context.streams().is_empty(), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_head_waits_for_a_second_at_most_and_then_the_client_is_told_to_stay_away() {
    for path in ["/layer/push/7", "/bare/endpoint/7", "/bare/push/7"] {
        let (server, last) = completed().await;
        server.faults.slow_loads(Duration::from_secs(3));
        let began = Instant::now();
        let response = ask(&server, path, &last).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert!(began.elapsed() <= Duration::from_secs(1), "{path}");
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(text.contains("retry:86400000\nevent:stream-bye\n"), "{path}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_has_not_seen_everything_gets_it() {
    let store = MemoryStore::new();
    let (one, other) = (server(&store), server(&store));
    let seen = one.pages.send(&7, "packed").await.unwrap().id;
    one.pages.send(&7, "delivered").await.unwrap();
    one.pages.complete(&7);
    sleep(Duration::from_millis(10)).await;
    let response = ask(&other, "/layer/push/7", &seen).await;
    assert_eq!(response.status(), StatusCode::OK);
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert!(std::str::from_utf8(&bytes).unwrap().contains("data:delivered\n"));
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_store_is_down_takes_no_streams_and_says_so() {
    let store = MemoryStore::new();
    let server = server(&store);
    sleep(Duration::from_millis(10)).await;
    assert!(server.context.is_ready());
    server.faults.away();
    drop(server.pages.send(&7, "x"));
    sleep(Duration::from_secs(6)).await;
    assert!(!server.context.is_ready() && !server.context.is_draining());
    let response = ask(&server, "/layer/push/7", &EventId::from_static("1")).await;
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&bytes).unwrap();
    assert!(text.contains("retry:") && text.contains("refused"), "{text}");
    server.faults.back();
    sleep(Duration::from_secs(4)).await;
    assert!(server.context.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_when_the_last_words_are_stored() {
    let store = MemoryStore::new();
    let (one, other) = (server(&store), server(&store));
    let pages = one.pages.clone();
    let last = move |_: &sse_tower::ContextClosed| drop(pages.send(&7, "the last word"));
    one.context.on(last).forever();
    one.context.drain().await;
    let rest = other.pages.connect(7, LastEventId::default()).into_stream();
    sleep(Duration::from_millis(10)).await;
    other.pages.complete(&7);
    let bytes = rest.collect().await.unwrap().to_bytes();
    assert!(std::str::from_utf8(&bytes).unwrap().contains("data:the last word\n"));
}
