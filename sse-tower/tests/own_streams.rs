//! The library's own streams under the layer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, routing::get};
use http::{Request, StatusCode, header};
use sse_tower::{
    ApplicationContext, CloseReason, Drain, Emitters, LastEventId, Limits, SseEmitter, SseLayer,
    test::TestClient,
};

/// What a handler leaves for its test.
type Shared<T> = Arc<Mutex<Option<T>>>;

/// A client of an app whose `/push` opens one emitter, and a place where that is found.
fn client(layer: SseLayer) -> (TestClient, Shared<SseEmitter>) {
    let kept = Shared::<SseEmitter>::default();
    let keep = kept.clone();
    let push = async move || {
        let emitter = SseEmitter::new();
        emitter.try_send("hello").unwrap();
        *keep.lock().unwrap() = Some(emitter.clone());
        emitter
    };
    (TestClient::new(Router::new().route("/push", get(push)).layer(layer)), kept)
}

fn take(kept: &Shared<SseEmitter>) -> SseEmitter {
    kept.lock().unwrap().take().unwrap()
}

fn layer(context: &ApplicationContext) -> SseLayer {
    SseLayer::new(context.clone()).keep_alive(Duration::from_secs(10))
}

#[tokio::test(start_paused = true)]
async fn an_emitter_is_kept_alive_as_the_layer_says() {
    let (client, _kept) = client(layer(&common::context()));
    let mut stream = client.open("/push").await;
    let cache: Vec<_> = stream.headers().get_all(header::CACHE_CONTROL).iter().collect();
    assert_eq!(cache, ["no-cache, no-transform"]);
    assert_eq!(stream.next_event().await.data, "hello");
    for _ in 0..3 {
        assert_eq!(stream.next_comment().within(Duration::from_secs(11)).await, "");
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_is_freed_however_an_emitter_ends() {
    let context = common::context();
    let (client, kept) = client(layer(&context).limit(Limits::new().total(1)));
    let stream = client.open("/push").await;
    assert_eq!(context.streams().len(), 1);
    drop(stream);
    assert_eq!(take(&kept).closed().await, CloseReason::ClientGone);
    assert!(context.streams().is_empty());

    let mut stream = client.open("/push").await;
    take(&kept).complete();
    assert_eq!(stream.next_event().await.data, "hello");
    assert_eq!(stream.ended().await, Some(CloseReason::Completed));
    assert!(context.streams().is_empty());
    assert_eq!(client.open("/push").await.next_event().await.data, "hello");
}

#[tokio::test(start_paused = true)]
async fn an_emitter_that_is_refused_hears_of_it() {
    let (client, kept) = client(layer(&common::context()).limit(Limits::new().total(0)));
    assert_eq!(client.get("/push").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(take(&kept).closed().await, CloseReason::Refused);
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_is_written_before_the_goodbye() {
    let context = common::context();
    let (client, kept) = client(layer(&context));
    let mut stream = client.open("/push").await;
    let emitter = take(&kept);
    let mut expected = vec!["hello".to_owned()];
    for number in 0..50 {
        emitter.try_send(number.to_string()).unwrap();
        expected.push(number.to_string());
    }
    let drain = tokio::spawn(context.drain().with(Drain::new()));
    context.streams().reached(sse_tower::DrainPhase::Draining).await;
    let data: Vec<_> = stream.rest().await.into_iter().map(|event| event.data).collect();
    drain.await.unwrap();
    expected.push(r#"{"reason":"drained"}"#.to_owned());
    assert_eq!(data, expected);
    assert_eq!(stream.ended().await, Some(CloseReason::Drained));
}

#[tokio::test(start_paused = true)]
async fn head_leaves_no_stream_behind() {
    let context = common::context();
    let (client, kept) = client(layer(&context));
    let response = client.send(Request::head("/push").body("".into()).unwrap()).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    assert!(context.streams().is_empty());
    assert_eq!(take(&kept).closed().await, CloseReason::ClientGone);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_seen_everything_gets_204_also_from_a_full_server() {
    let context = common::context();
    let emitters = Emitters::<u8>::new();
    let last = emitters.send(&1, "only").await.unwrap().id;
    emitters.complete(&1);
    let push = async move || emitters.connect(1, LastEventId::from(last));
    let app = Router::new()
        .route("/push", get(push))
        .layer(layer(&context).limit(Limits::new().total(0)));
    let response = TestClient::new(app).get("/push").await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert!(!response.headers().contains_key("x-accel-buffering"));
    assert!(context.streams().is_empty());
}
