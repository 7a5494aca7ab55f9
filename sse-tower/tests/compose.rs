//! Among the layers that services have anyway, in both orders.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use axum::{Router, extract::Extension, response::Response, routing::get};
use bytes::Bytes;
use http::{HeaderName, Method, Request, StatusCode, header};
use http_body_util::Full;
use sse_tower::{ApplicationContext, SseLayer, test::TestClient};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    cors::CorsLayer,
    timeout::{ResponseBodyTimeoutLayer, TimeoutLayer},
    trace::TraceLayer,
};

fn routes() -> Router {
    Router::new()
        .route("/push", get(common::hello))
        .route("/panic", get(async || panic_now()))
        .route("/text", get(|| async { "x".repeat(4000) }))
        .route("/slow", get(std::future::pending::<()>))
        .route(
            "/context",
            get(|context: Option<Extension<ApplicationContext>>| async move {
                context.is_some().to_string()
            }),
        )
}

fn panic_now() -> Response {
    panic!("on purpose")
}

fn request(path: &str) -> Request<Full<Bytes>> {
    let request = Request::get(path).header("accept-encoding", "gzip");
    request.header("origin", "http://elsewhere.test").body(Full::default()).unwrap()
}

/// One app with the layer inside of `$layer`, one with it outside.
macro_rules! both_orders {
    ($context:expr, $layer:expr) => {{
        let sse = || SseLayer::new($context.clone()).keep_alive(Duration::from_secs(1));
        let apps = [
            ("outside", routes().layer(ServiceBuilder::new().layer(sse()).layer($layer))),
            ("inside", routes().layer(ServiceBuilder::new().layer($layer).layer(sse()))),
        ];
        apps.map(|(order, app)| (order, TestClient::new(app)))
    }};
}

/// The stream opens, has its event at once, is kept alive, is registered, and is drained.
async fn streams(context: &ApplicationContext, order: &str, client: &TestClient) {
    let mut stream = client.open_with(request("/push")).await;
    assert_eq!(stream.headers()["x-accel-buffering"], "no", "{order}");
    assert_eq!(stream.headers().get(header::CONTENT_ENCODING), None, "{order}");
    assert_eq!(context.streams().len(), 1, "{order}");
    assert_eq!(stream.next_event().await.data, "hello", "{order}");
    for _ in 0..2 {
        assert_eq!(stream.next_comment().await, "", "{order}");
    }
    drop(stream);
    assert!(context.streams().is_empty(), "{order}");
    assert_eq!(client.get("/context").await.body(), "true", "{order}");
}

#[tokio::test(start_paused = true)]
async fn cors_in_both_orders() {
    let context = common::context();
    let cors = CorsLayer::permissive().expose_headers([HeaderName::from_static("x-own")]);
    for (order, client) in both_orders!(context, cors.clone()) {
        streams(&context, order, &client).await;
        let stream = client.open_with(request("/push")).await;
        assert_eq!(stream.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*", "{order}");
        let preflight = Request::builder()
            .method(Method::OPTIONS)
            .uri("/push")
            .header("origin", "http://elsewhere.test")
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "last-event-id");
        let response = client.send(preflight.body(Full::default()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::OK, "{order}");
    }
}

/// One app with CORS inside of a layer that refuses, one with it outside.
fn refusing(layer: &SseLayer) -> [(&'static str, TestClient); 2] {
    let cors = || {
        let origin = http::HeaderValue::from_static("http://elsewhere.test");
        CorsLayer::new().allow_origin(origin).allow_credentials(true)
    };
    let apps = [
        ("outside", routes().layer(ServiceBuilder::new().layer(layer.clone()).layer(cors()))),
        ("inside", routes().layer(ServiceBuilder::new().layer(cors()).layer(layer.clone()))),
    ];
    apps.map(|(order, app)| (order, TestClient::new(app)))
}

/// A browser at another origin, with its cookies, may read this answer.
fn is_readable(headers: &http::HeaderMap, what: &str) {
    let all = |name| headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(all(header::ACCESS_CONTROL_ALLOW_ORIGIN), ["http://elsewhere.test"], "{what}");
    assert_eq!(all(header::ACCESS_CONTROL_ALLOW_CREDENTIALS), ["true"], "{what}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_can_be_read_by_a_page_of_another_origin_in_both_orders() {
    let full = SseLayer::new(common::context()).limit(sse_tower::Limits::new().total(0));
    let draining = common::context();
    draining.drain().await;
    for layer in [full, SseLayer::new(draining)] {
        for (order, client) in refusing(&layer) {
            // A browser, which is refused before the handler.
            let refused = client.open_with(request("/push")).await;
            is_readable(refused.headers(), order);
            assert_eq!(refused.headers()[header::VARY], "origin", "{order}");
            // A script, which is refused after it.
            let mut script = request("/push");
            script.headers_mut().insert(header::ACCEPT, http::HeaderValue::from_static("*/*"));
            let refused = client.send(script).await;
            assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "{order}");
            is_readable(refused.headers(), order);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_nothing_of_origins_where_nobody_asked() {
    let full = SseLayer::new(common::context()).limit(sse_tower::Limits::new().total(0));
    let client = TestClient::new(routes().layer(full));
    let refused = client.open("/push").await;
    assert!(!refused.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    assert!(!refused.headers().contains_key(header::VARY));
}

#[tokio::test(start_paused = true)]
async fn trace_in_both_orders() {
    let context = common::context();
    for (order, client) in both_orders!(context, TraceLayer::new_for_http()) {
        streams(&context, order, &client).await;
    }
}

#[tokio::test(start_paused = true)]
async fn compression_in_both_orders_leaves_streams_alone_and_does_its_work_elsewhere() {
    let context = common::context();
    for (order, client) in both_orders!(context, CompressionLayer::new()) {
        streams(&context, order, &client).await;
        let text = client.send(request("/text")).await;
        assert_eq!(text.headers()[header::CONTENT_ENCODING], "gzip", "{order}");
    }
}

#[tokio::test(start_paused = true)]
async fn pain_22_a_timeout_layer_limits_the_time_to_the_headers_and_cuts_no_stream() {
    let context = common::context();
    let timeout =
        TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_millis(100));
    for (order, client) in both_orders!(context, timeout) {
        // Two keep-alives, each a second apart: twenty times the timeout.
        streams(&context, order, &client).await;
        assert_eq!(client.get("/slow").await.status(), StatusCode::GATEWAY_TIMEOUT, "{order}");
    }
}

#[tokio::test(start_paused = true)]
async fn pain_22_a_body_timeout_counts_from_frame_to_frame_and_keep_alives_feed_it() {
    let context = common::context();
    let limit = ResponseBodyTimeoutLayer::new(Duration::from_secs(3));
    let app = routes().layer(
        ServiceBuilder::new()
            .layer(limit)
            .layer(SseLayer::new(context.clone()).keep_alive(Duration::from_secs(1))),
    );
    let mut stream = TestClient::new(app).open("/push").await;
    for _ in 0..10 {
        stream.next_comment().await;
    }
}

#[tokio::test(start_paused = true)]
async fn catch_panic_in_both_orders() {
    let context = common::context();
    for (order, client) in both_orders!(context, CatchPanicLayer::new()) {
        streams(&context, order, &client).await;
        let response = client.get("/panic").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{order}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_of_them_together_on_a_plain_tower_service() {
    let context = common::context();
    let service = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(CatchPanicLayer::new())
        .layer(CorsLayer::permissive())
        .layer(CompressionLayer::new())
        .layer(SseLayer::new(context.clone()))
        .load_shed()
        .concurrency_limit(10)
        .service_fn(|_: Request<Full<Bytes>>| async {
            Ok::<_, std::convert::Infallible>(common::hello().await)
        });
    let stream = TestClient::new(service).open("/").await;
    assert_eq!(stream.headers()["x-accel-buffering"], "no");
    assert_eq!(context.streams().len(), 1);
    drop(stream);
    assert!(context.streams().is_empty());
}
