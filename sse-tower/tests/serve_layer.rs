//! The layer that `serve` puts around what it serves, beside one of the program's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use axum::{Router, routing::get};
use common::Wire;
use sse_tower::{ApplicationContext, Emitters, LastEventId, Limits, SseLayer};

#[tokio::test]
async fn what_no_layer_of_the_program_has_taken_on_is_taken_on_by_the_server() {
    let context = common::context();
    let app = Router::new()
        .route("/foreign", get(common::hello))
        .route("/context", get(async |_: ApplicationContext| "known"));
    let mut server = common::serve(app, context.clone()).await;
    let mut known = Wire::get(server.address, "/context", "").await;
    known.until("known").await;
    let mut foreign = Wire::event_source(server.address, "/foreign").await;
    let head = foreign.until("data:hello\n\n").await;
    assert!(head.contains("x-accel-buffering: no\r\n"), "{head}");
    common::open(&context, 1).await;
    server.leave();
    foreign.until("event:stream-bye\n").await;
    server.over().await;
}

#[tokio::test]
async fn a_stream_under_the_programs_own_layer_is_counted_once() {
    let context = common::context();
    let layer = SseLayer::new(context.clone()).limit(Limits::new().total(1));
    let pages = Emitters::<u8>::new();
    pages.send(&1, "hello").await.unwrap();
    let ours = async move || pages.connect(1, LastEventId::default());
    let app = Router::new().route("/ours", get(ours)).route("/foreign", get(common::hello));
    let app = app.layer(layer);
    let server = common::serve(app, context.clone()).await;
    for path in ["/ours", "/foreign"] {
        let mut stream = Wire::event_source(server.address, path).await;
        stream.until("data:hello\n").await;
        common::open(&context, 1).await;
        let mut second = Wire::event_source(server.address, path).await;
        second.until("event:stream-bye\ndata:{\"reason\":\"refused\"}\n\n").await;
        drop((stream, second));
        common::open(&context, 0).await;
    }
}
