//! The library's own streams under the layer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body, response::Response, routing::get};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use sse_tower::{
    ApplicationContext, CloseReason, Drain, Emitters, LastEventId, Limits, SseEmitter, SseLayer,
};
use tokio::time::Instant;
use tower::ServiceExt;

/// What a handler leaves for its test.
type Shared<T> = Arc<Mutex<Option<T>>>;

/// An app whose `/push` opens one emitter, a place where it is found, and how it ended.
fn app(layer: SseLayer) -> (Router, Shared<SseEmitter>, Shared<CloseReason>) {
    let (kept, ended) = (Arc::<Mutex<Option<SseEmitter>>>::default(), Arc::default());
    let (keep, end) = (kept.clone(), Arc::<Mutex<Option<CloseReason>>>::clone(&ended));
    let push = move || {
        let (keep, end) = (keep.clone(), end.clone());
        async move {
            let emitter = SseEmitter::new();
            emitter.try_send("hello").unwrap();
            emitter.on_completion(move |reason| *end.lock().unwrap() = Some(reason));
            *keep.lock().unwrap() = Some(emitter.clone());
            emitter
        }
    };
    (Router::new().route("/push", get(push)).layer(layer), kept, ended)
}

async fn ask(app: &Router, method: Method) -> Response {
    let request = Request::builder().method(method).uri("/push").body(Body::empty());
    app.clone().oneshot(request.unwrap()).await.unwrap()
}

fn layer(context: &ApplicationContext) -> SseLayer {
    SseLayer::new(context.clone()).keep_alive(Duration::from_secs(10))
}

#[tokio::test(start_paused = true)]
async fn an_emitter_is_kept_alive_as_the_layer_says() {
    let context = common::context();
    let (app, ..) = app(layer(&context));
    let response = ask(&app, Method::GET).await;
    let cache: Vec<_> = response.headers().get_all(header::CACHE_CONTROL).iter().collect();
    assert_eq!(cache, ["no-cache, no-transform"]);
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    for _ in 0..3 {
        let start = Instant::now();
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(frame, ":\n\n");
        assert!(start.elapsed() <= Duration::from_secs(11), "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_is_freed_however_an_emitter_ends() {
    let context = common::context();
    let (app, emitter, ended) = app(layer(&context).limit(Limits::new().total(1)));
    let opened = ask(&app, Method::GET).await;
    assert_eq!(context.streams().len(), 1);
    drop(opened);
    assert_eq!(*ended.lock().unwrap(), Some(CloseReason::ClientGone));
    assert!(context.streams().is_empty());

    let opened = ask(&app, Method::GET).await;
    emitter.lock().unwrap().as_ref().unwrap().complete();
    assert_eq!(common::text(opened.into_body()).await, "data:hello\n\n");
    assert!(context.streams().is_empty());
    assert_eq!(ask(&app, Method::GET).await.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn an_emitter_that_is_refused_hears_of_it() {
    let context = common::context();
    let (app, emitter, ended) = app(layer(&context).limit(Limits::new().total(0)));
    let refused = ask(&app, Method::GET).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(*ended.lock().unwrap(), Some(CloseReason::Refused));
    assert!(emitter.lock().unwrap().as_ref().unwrap().is_closed());
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_is_written_before_the_goodbye() {
    let context = common::context();
    let (app, emitter, ended) = app(layer(&context));
    let opened = ask(&app, Method::GET).await;
    for number in 0..50 {
        emitter.lock().unwrap().as_ref().unwrap().try_send(number.to_string()).unwrap();
    }
    let drain = tokio::spawn(context.drain().with(Drain::new()));
    context.streams().reached(sse_tower::DrainPhase::Draining).await;
    let text = common::text(opened.into_body()).await;
    drain.await.unwrap();
    let data: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data:")).collect();
    let mut expected = vec!["hello".to_owned()];
    expected.extend((0..50).map(|number| number.to_string()));
    expected.push(r#"{"reason":"drained"}"#.to_owned());
    assert_eq!(data, expected);
    assert_eq!(*ended.lock().unwrap(), Some(CloseReason::Drained));
}

#[tokio::test(start_paused = true)]
async fn head_leaves_no_stream_behind() {
    let context = common::context();
    let (app, _, ended) = app(layer(&context));
    let response = ask(&app, Method::HEAD).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    drop(response);
    assert!(context.streams().is_empty());
    assert_eq!(*ended.lock().unwrap(), Some(CloseReason::ClientGone));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_seen_everything_gets_204_also_from_a_full_server() {
    let context = common::context();
    let emitters = Emitters::<u8>::new();
    let last = emitters.send(&1, "only").await.unwrap().id;
    emitters.complete(&1);
    let push = move || {
        let (emitters, last) = (emitters.clone(), last.clone());
        async move { emitters.connect(1, LastEventId::from(last)) }
    };
    let app = Router::new()
        .route("/push", get(push))
        .layer(layer(&context).limit(Limits::new().total(0)));
    let response = ask(&app, Method::GET).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert!(!response.headers().contains_key("x-accel-buffering"));
    assert!(context.streams().is_empty());
}
