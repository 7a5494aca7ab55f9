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
    body::Body,
    extract::Request,
    response::Response,
    routing::{get, post},
};
use http::{Method, StatusCode, header};
use sse_tower::{ApplicationContext, AtLimit, Drain, Limits, Refusal, SseLayer};
use tower::ServiceExt;

fn app(context: &ApplicationContext, limits: Limits) -> Router {
    app_with(context, |layer| layer.limit(limits))
}

fn app_with(context: &ApplicationContext, with: impl FnOnce(SseLayer) -> SseLayer) -> Router {
    Router::new()
        .route("/push", get(common::hello))
        .route("/other", get(common::hello))
        .route("/plain", get(|| async { "plain" }))
        .route("/mcp", post(|| async { axum::Json(serde_json::json!({"ok": true})) }))
        .layer(with(SseLayer::new(context.clone())))
}

/// A request as `EventSource` sends it, for this path and user.
async fn event_source(app: &Router, path: &str, user: &str) -> Response {
    ask(app, Method::GET, path, user, "text/event-stream").await
}

async fn ask(app: &Router, method: Method, path: &str, user: &str, accept: &str) -> Response {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("accept", accept)
        .header("x-user", user)
        .body(Body::empty())
        .unwrap();
    app.clone().oneshot(request).await.unwrap()
}

fn user(request: &http::Request<()>) -> Option<String> {
    request.headers().get("x-user")?.to_str().ok().map(str::to_owned)
}

/// Whether a response is a stream that was taken on; a refusal has its whole text at once.
fn taken(response: &Response) -> bool {
    http_body::Body::size_hint(response.body()).exact().is_none()
}

#[tokio::test]
async fn pain_11_a_full_server_answers_event_source_200_and_says_when_to_come_back() {
    let context = common::context();
    let app = app(&context, Limits::new().total(1));
    let first = event_source(&app, "/push", "a").await;
    assert!(taken(&first));
    let refused = event_source(&app, "/push", "b").await;
    assert_eq!(refused.status(), StatusCode::OK);
    assert_eq!(refused.headers()[header::CONTENT_TYPE], "text/event-stream");
    assert_eq!(refused.headers()["x-accel-buffering"], "no");
    assert_eq!(refused.headers()[header::CACHE_CONTROL], "no-cache, no-transform");
    let text = common::text(refused.into_body()).await;
    let (retry, rest) = text.strip_prefix("retry:").unwrap().split_once('\n').unwrap();
    assert!((2000..=10_000).contains(&retry.parse::<u64>().unwrap()), "{retry}");
    assert_eq!(rest, "event:stream-bye\ndata:{\"reason\":\"refused\"}\n\n");
}

#[tokio::test]
async fn a_full_server_answers_others_503_with_retry_after() {
    let context = common::context();
    let app = app(&context, Limits::new().total(1));
    let _first = event_source(&app, "/push", "a").await;
    for accept in ["*/*", "application/json, text/event-stream"] {
        let refused = ask(&app, Method::GET, "/push", "b", accept).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        let after: u64 = refused.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert!((2..=10).contains(&after), "{after}");
        assert!(!refused.headers().contains_key("x-accel-buffering"));
    }
    assert_eq!(context.streams().len(), 1);
}

#[tokio::test]
async fn pain_7_refused_clients_come_back_each_at_a_moment_of_its_own() {
    let app = app(&common::context(), Limits::new().total(0));
    let mut retries = HashSet::new();
    for _ in 0..100 {
        let text = common::text(event_source(&app, "/push", "a").await.into_body()).await;
        retries.insert(text.lines().next().unwrap().to_owned());
    }
    assert!(retries.len() > 80, "{retries:?}");
}

#[tokio::test]
async fn the_handler_of_a_refused_event_source_does_not_run() {
    let ran = Arc::new(AtomicUsize::new(0));
    let context = common::context();
    let counted = ran.clone();
    let app = Router::new()
        .route(
            "/push",
            get(move || {
                counted.fetch_add(1, Ordering::Relaxed);
                common::hello()
            }),
        )
        .layer(SseLayer::new(context).limit(Limits::new().total(0)));
    event_source(&app, "/push", "a").await;
    assert_eq!(ran.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn responses_that_are_no_streams_pass_a_full_and_a_leaving_server() {
    let context = common::context();
    let app = app(&context, Limits::new().total(0));
    for _ in 0..2 {
        let accept = "application/json, text/event-stream";
        for (method, path) in [(Method::GET, "/plain"), (Method::POST, "/mcp")] {
            assert_eq!(ask(&app, method, path, "a", accept).await.status(), StatusCode::OK);
        }
        context.drain().await;
    }
}

#[tokio::test]
async fn how_event_source_is_told_from_others_can_be_replaced() {
    let refusal = Refusal::new()
        .retry(Duration::from_secs(7)..=Duration::from_secs(7))
        .event_source(|request| request.headers().contains_key("x-mine"));
    let app = app_with(&common::context(), |l| l.limit(Limits::new().total(0)).refusal(refusal));
    let refused = event_source(&app, "/push", "a").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "7");
    let request = Request::builder().uri("/push").header("x-mine", "1").body(Body::empty());
    let polite = app.clone().oneshot(request.unwrap()).await.unwrap();
    assert_eq!(polite.status(), StatusCode::OK);
    assert!(common::text(polite.into_body()).await.starts_with("retry:7000\n"));
}

#[tokio::test]
async fn pain_20_a_place_is_freed_by_drop_alone() {
    let context = common::context();
    let app = app(&context, Limits::new().total(2).per_key(2, |_| Some("k")));
    let (first, second) =
        (event_source(&app, "/push", "a").await, event_source(&app, "/push", "a").await);
    assert!(taken(&first) && taken(&second));
    assert!(!taken(&event_source(&app, "/push", "a").await));
    drop(first);
    let third = event_source(&app, "/push", "a").await;
    assert!(taken(&third));
    drop((second, third));
    assert!(context.streams().is_empty());
}

#[tokio::test]
async fn pain_20_one_principal_cannot_take_the_places_of_others() {
    let app = app(&common::context(), Limits::new().total(10).per_principal(2, user));
    let _greedy = [event_source(&app, "/push", "a").await, event_source(&app, "/push", "a").await];
    assert!(!taken(&event_source(&app, "/other", "a").await));
    assert!(taken(&event_source(&app, "/push", "b").await));
}

#[tokio::test]
async fn keys_are_counted_apart_and_all_routes_of_a_layer_share_the_count() {
    let limits = Limits::new().per_key(1, |request| Some(request.uri().path().to_owned()));
    let app = app(&common::context(), limits.total(2));
    let _push = event_source(&app, "/push", "a").await;
    assert!(!taken(&event_source(&app, "/push", "a").await));
    let other = event_source(&app, "/other", "a").await;
    assert!(taken(&other));
    drop(other);
    assert!(taken(&event_source(&app, "/other", "a").await));
}

#[tokio::test]
async fn a_request_without_a_principal_is_not_counted_under_it() {
    let none = |_: &http::Request<()>| None::<String>;
    let app = app(&common::context(), Limits::new().per_principal(0, none));
    assert!(taken(&event_source(&app, "/push", "a").await));
}

#[tokio::test]
async fn the_oldest_stream_of_a_principal_is_ended_for_the_new_one_where_asked_for() {
    let context = common::context();
    let limits = Limits::new().per_principal(2, user).at_limit(AtLimit::EndOldest);
    let app = app(&context, limits);
    let oldest = event_source(&app, "/push", "a").await;
    let older = event_source(&app, "/push", "a").await;
    let stranger = event_source(&app, "/push", "b").await;
    let newest = event_source(&app, "/push", "a").await;
    assert!(taken(&newest) && taken(&older) && taken(&stranger));
    // It is told to stay away for a day, or two tabs would put each other out for ever.
    assert_eq!(
        common::text(oldest.into_body()).await,
        "data:hello\n\nretry:86400000\nevent:stream-bye\ndata:{\"reason\":\"replaced\"}\n\n"
    );
    assert_eq!(context.streams().len(), 3);
}

#[tokio::test]
async fn the_total_refuses_the_new_one_whatever_is_asked_for_keys() {
    let context = common::context();
    let app = app(&context, Limits::new().total(1).at_limit(AtLimit::EndOldest));
    let _first = event_source(&app, "/push", "a").await;
    assert!(!taken(&event_source(&app, "/push", "b").await));
    assert_eq!(context.streams().len(), 1);
}

#[tokio::test]
async fn a_leaving_server_refuses_politely_and_is_not_ready() {
    let context = common::context();
    let app = app(&context, Limits::new());
    context.drain().with(Drain::new()).await;
    assert!(!context.is_ready());
    let refused = event_source(&app, "/push", "a").await;
    assert_eq!(refused.status(), StatusCode::OK);
    assert!(common::text(refused.into_body()).await.contains("event:stream-bye\n"));
    let other = ask(&app, Method::GET, "/push", "a", "*/*").await;
    assert_eq!(other.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn limits_hold_when_many_come_at_once() {
    let context = common::context();
    let app = app(&context, Limits::new().total(50));
    let asking: Vec<_> = (0..400)
        .map(|n| {
            let app = app.clone();
            let accept = if n % 2 == 0 { "*/*" } else { "text/event-stream" };
            tokio::spawn(async move { ask(&app, Method::GET, "/push", "a", accept).await })
        })
        .collect();
    let mut responses = Vec::new();
    for asked in asking {
        responses.push(asked.await.unwrap());
    }
    assert_eq!(responses.iter().filter(|response| taken(response)).count(), 50);
}
