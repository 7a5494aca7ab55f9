//! Among the layers that services have anyway, in both orders.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    extract::{Extension, Request},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderName, Method, StatusCode, header};
use http_body_util::BodyExt;
use sse_tower::{ApplicationContext, SseLayer};
use tower::{ServiceBuilder, ServiceExt};
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

async fn ask(app: &Router, path: &str) -> Response {
    let request = Request::builder()
        .uri(path)
        .header("accept", "text/event-stream")
        .header("accept-encoding", "gzip")
        .header("origin", "http://elsewhere.test")
        .body(Body::empty());
    app.clone().oneshot(request.unwrap()).await.unwrap()
}

/// One app with the layer inside of `$layer`, one with it outside.
macro_rules! both_orders {
    ($context:expr, $layer:expr) => {{
        let sse = || SseLayer::new($context.clone()).keep_alive(Duration::from_secs(1));
        [
            ("outside", routes().layer(ServiceBuilder::new().layer(sse()).layer($layer))),
            ("inside", routes().layer(ServiceBuilder::new().layer($layer).layer(sse()))),
        ]
    }};
}

/// The stream opens, has its event at once, is kept alive, is registered, and is drained.
async fn streams(context: &ApplicationContext, order: &str, app: &Router) {
    let response = ask(app, "/push").await;
    assert_eq!(response.status(), StatusCode::OK, "{order}");
    assert_eq!(response.headers()["x-accel-buffering"], "no", "{order}");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream", "{order}");
    assert_eq!(response.headers().get(header::CONTENT_ENCODING), None, "{order}");
    assert_eq!(context.streams().len(), 1, "{order}");
    let mut body = response.into_body();
    for expected in ["data:hello\n\n", ":\n\n", ":\n\n"] {
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), expected, "{order}");
    }
    drop(body);
    assert!(context.streams().is_empty(), "{order}");
    assert_eq!(common::text(ask(app, "/context").await.into_body()).await, "true");
}

#[tokio::test(start_paused = true)]
async fn cors_in_both_orders() {
    let context = common::context();
    let cors = CorsLayer::permissive().expose_headers([HeaderName::from_static("x-own")]);
    for (order, app) in both_orders!(context, cors.clone()) {
        streams(&context, order, &app).await;
        let response = ask(&app, "/push").await;
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*", "{order}");
        let preflight = Request::builder()
            .method(Method::OPTIONS)
            .uri("/push")
            .header("origin", "http://elsewhere.test")
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "last-event-id");
        let response = app.clone().oneshot(preflight.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{order}");
    }
}

#[tokio::test(start_paused = true)]
async fn trace_in_both_orders() {
    let context = common::context();
    for (order, app) in both_orders!(context, TraceLayer::new_for_http()) {
        streams(&context, order, &app).await;
    }
}

#[tokio::test(start_paused = true)]
async fn compression_in_both_orders_leaves_streams_alone_and_does_its_work_elsewhere() {
    let context = common::context();
    for (order, app) in both_orders!(context, CompressionLayer::new()) {
        streams(&context, order, &app).await;
        let text = ask(&app, "/text").await;
        assert_eq!(text.headers()[header::CONTENT_ENCODING], "gzip", "{order}");
    }
}

#[tokio::test(start_paused = true)]
async fn pain_22_a_timeout_layer_limits_the_time_to_the_headers_and_cuts_no_stream() {
    let context = common::context();
    let timeout =
        TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_millis(100));
    for (order, app) in both_orders!(context, timeout) {
        // Two keep-alives, each a second apart: twenty times the timeout.
        streams(&context, order, &app).await;
        assert_eq!(ask(&app, "/slow").await.status(), StatusCode::GATEWAY_TIMEOUT, "{order}");
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
    let mut body = ask(&app, "/push").await.into_body();
    for _ in 0..10 {
        body.frame().await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn catch_panic_in_both_orders() {
    let context = common::context();
    for (order, app) in both_orders!(context, CatchPanicLayer::new()) {
        streams(&context, order, &app).await;
        let response = ask(&app, "/panic").await;
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
        .service_fn(|_: http::Request<Body>| async {
            Ok::<_, std::convert::Infallible>(common::hello().await)
        });
    let response = service.oneshot(Request::new(Body::empty())).await.unwrap();
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert_eq!(context.streams().len(), 1);
    drop(response.into_response());
    assert!(context.streams().is_empty());
}
