//! Limits, and how "not now" is said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    routing::{get, post},
};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use sse_tower::{
    ApplicationContext, AtLimit, Drain, Limits, Refusal, STREAM_BYE, SseLayer,
    test::{TestClient, TestStream},
};

fn client(context: &ApplicationContext, limits: Limits) -> TestClient {
    client_with(context, |layer| layer.limit(limits))
}

fn client_with(
    context: &ApplicationContext,
    with: impl FnOnce(SseLayer) -> SseLayer,
) -> TestClient {
    let app = Router::new()
        .route("/push", get(common::hello))
        .route("/other", get(common::hello))
        .route("/plain", get(|| async { "plain" }))
        .route("/mcp", post(|| async { axum::Json(serde_json::json!({"ok": true})) }));
    TestClient::new(app.layer(with(SseLayer::new(context.clone()))))
}

/// Opens a stream as `EventSource` does; `None` where the server says not now.
async fn open(client: &TestClient, path: &str, user: &str) -> Option<TestStream> {
    let request = Request::get(path).header("x-user", user).body(Full::default()).unwrap();
    let mut stream = client.open_with(request).await;
    if stream.next_event().await.name == STREAM_BYE.as_str() {
        assert_eq!(stream.ended().await, None);
        return None;
    }
    Some(stream)
}

/// The whole response to a request that opens no stream.
async fn ask(client: &TestClient, method: Method, path: &str, accept: &str) -> Response<String> {
    let request = Request::builder().method(method).uri(path).header("accept", accept);
    client.send(request.body(Full::default()).unwrap()).await
}

fn user(request: &Request<()>) -> Option<String> {
    request.headers().get("x-user")?.to_str().ok().map(str::to_owned)
}

#[tokio::test]
async fn pain_11_a_full_server_answers_event_source_200_and_says_when_to_come_back() {
    let client = client(&common::context(), Limits::new().total(1));
    let _first = open(&client, "/push", "a").await.unwrap();
    let refused = ask(&client, Method::GET, "/push", "text/event-stream").await;
    assert_eq!(refused.status(), StatusCode::OK);
    assert_eq!(refused.headers()[header::CONTENT_TYPE], "text/event-stream");
    assert_eq!(refused.headers()["x-accel-buffering"], "no");
    assert_eq!(refused.headers()[header::CACHE_CONTROL], "no-cache, no-transform");
    let (retry, rest) = refused.body().strip_prefix("retry:").unwrap().split_once('\n').unwrap();
    assert!((2000..=10_000).contains(&retry.parse::<u64>().unwrap()), "{retry}");
    assert_eq!(rest, "event:stream-bye\ndata:{\"reason\":\"refused\"}\n\n");
}

#[tokio::test]
async fn a_full_server_answers_others_503_with_retry_after() {
    let context = common::context();
    let client = client(&context, Limits::new().total(1));
    let _first = open(&client, "/push", "a").await.unwrap();
    for accept in ["*/*", "application/json, text/event-stream"] {
        let refused = ask(&client, Method::GET, "/push", accept).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        let after: u64 = refused.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert!((2..=10).contains(&after), "{after}");
        assert!(!refused.headers().contains_key("x-accel-buffering"));
    }
    assert_eq!(context.streams().len(), 1);
}

#[tokio::test]
async fn pain_7_refused_clients_come_back_each_at_a_moment_of_its_own() {
    let client = client(&common::context(), Limits::new().total(0));
    let mut retries = HashSet::new();
    for _ in 0..100 {
        retries.insert(client.open("/push").await.next_event().await.retry.unwrap());
    }
    assert!(retries.len() > 80, "{retries:?}");
}

#[tokio::test]
async fn the_handler_of_a_refused_event_source_does_not_run() {
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = ran.clone();
    let push = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        common::hello()
    };
    let layer = SseLayer::new(common::context()).limit(Limits::new().total(0));
    let client = TestClient::new(Router::new().route("/push", get(push)).layer(layer));
    assert!(open(&client, "/push", "a").await.is_none());
    assert_eq!(ran.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn responses_that_are_no_streams_pass_a_full_and_a_leaving_server() {
    let context = common::context();
    let client = client(&context, Limits::new().total(0));
    for _ in 0..2 {
        let accept = "application/json, text/event-stream";
        for (method, path) in [(Method::GET, "/plain"), (Method::POST, "/mcp")] {
            assert_eq!(ask(&client, method, path, accept).await.status(), StatusCode::OK);
        }
        context.drain().await;
    }
}

#[tokio::test]
async fn how_event_source_is_told_from_others_can_be_replaced() {
    let refusal = Refusal::new()
        .retry(Duration::from_secs(7)..=Duration::from_secs(7))
        .event_source(|request| request.headers().contains_key("x-mine"));
    let full = |layer: SseLayer| layer.limit(Limits::new().total(0)).refusal(refusal);
    let client = client_with(&common::context(), full);
    let refused = ask(&client, Method::GET, "/push", "text/event-stream").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "7");
    let mine = Request::get("/push").header("x-mine", "1").body(Full::default()).unwrap();
    let polite = client.open_with(mine).await.next_event().await;
    assert_eq!(polite.retry, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn pain_20_a_place_is_freed_by_drop_alone() {
    let context = common::context();
    let client = client(&context, Limits::new().total(2).per_key(2, |_| Some("k")));
    let first = open(&client, "/push", "a").await.unwrap();
    let second = open(&client, "/push", "a").await.unwrap();
    assert!(open(&client, "/push", "a").await.is_none());
    drop(first);
    assert!(open(&client, "/push", "a").await.is_some());
    drop(second);
    assert!(context.streams().is_empty());
}

#[tokio::test]
async fn pain_20_one_principal_cannot_take_the_places_of_others() {
    let client = client(&common::context(), Limits::new().total(10).per_principal(2, user));
    let _greedy = [open(&client, "/push", "a").await, open(&client, "/push", "a").await];
    assert!(open(&client, "/other", "a").await.is_none());
    assert!(open(&client, "/push", "b").await.is_some());
}

#[tokio::test]
async fn keys_are_counted_apart_and_all_routes_of_a_layer_share_the_count() {
    let limits = Limits::new().per_key(1, |request| Some(request.uri().path().to_owned()));
    let client = client(&common::context(), limits.total(2));
    let _push = open(&client, "/push", "a").await.unwrap();
    assert!(open(&client, "/push", "a").await.is_none());
    let other = open(&client, "/other", "a").await;
    assert!(other.is_some());
    drop(other);
    assert!(open(&client, "/other", "a").await.is_some());
}

#[tokio::test]
async fn a_request_without_a_principal_is_not_counted_under_it() {
    let none = |_: &Request<()>| None::<String>;
    let client = client(&common::context(), Limits::new().per_principal(0, none));
    assert!(open(&client, "/push", "a").await.is_some());
}

#[tokio::test]
async fn the_oldest_stream_of_a_principal_is_ended_for_the_new_one_where_asked_for() {
    let context = common::context();
    let limits = Limits::new().per_principal(2, user).at_limit(AtLimit::EndOldest);
    let client = client(&context, limits);
    let mut oldest = open(&client, "/push", "a").await.unwrap();
    let _older = open(&client, "/push", "a").await.unwrap();
    let _stranger = open(&client, "/push", "b").await.unwrap();
    let _newest = open(&client, "/push", "a").await.unwrap();
    // It is told to stay away for a day, or two tabs would put each other out for ever.
    let bye = oldest.next_event().await;
    assert_eq!((bye.name.as_str(), bye.data.as_str()), ("stream-bye", r#"{"reason":"replaced"}"#));
    assert_eq!(bye.retry, Some(Duration::from_secs(86_400)));
    oldest.ended().await;
    assert_eq!(context.streams().len(), 3);
}

#[tokio::test]
async fn the_total_refuses_the_new_one_whatever_is_asked_for_keys() {
    let context = common::context();
    let client = client(&context, Limits::new().total(1).at_limit(AtLimit::EndOldest));
    let _first = open(&client, "/push", "a").await.unwrap();
    assert!(open(&client, "/push", "b").await.is_none());
    assert_eq!(context.streams().len(), 1);
}

#[tokio::test]
async fn a_leaving_server_refuses_politely_and_is_not_ready() {
    let context = common::context();
    let client = client(&context, Limits::new());
    context.drain().with(Drain::new()).await;
    assert!(!context.is_ready());
    assert!(open(&client, "/push", "a").await.is_none());
    let other = ask(&client, Method::GET, "/push", "*/*").await;
    assert_eq!(other.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn limits_hold_when_many_come_at_once() {
    let context = common::context();
    let client = client(&context, Limits::new().total(50));
    let asking: Vec<_> = (0..400)
        .map(|n| {
            let client = client.clone();
            let accept = if n % 2 == 0 { "*/*" } else { "text/event-stream" };
            let request = Request::get("/push").header("accept", accept).body(Full::default());
            tokio::spawn(async move {
                let mut stream = client.open_with(request.unwrap()).result().await.ok()?;
                (stream.next_event().await.data == "hello").then_some(stream)
            })
        })
        .collect();
    let mut opened = Vec::new();
    for asked in asking {
        opened.extend(asked.await.unwrap());
    }
    assert_eq!(opened.len(), 50);
}
