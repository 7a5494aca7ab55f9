//! Signals go to the whole process, so this test has a program to itself.

mod common;

use std::{future::IntoFuture, process::Command, time::Duration};

use axum::{Router, response::sse::Sse, routing::get};
use sse_tower::SseLayer;
use tokio::{net::TcpListener, time::timeout};

type Events = futures_util::stream::Pending<Result<axum::response::sse::Event, std::io::Error>>;

fn silent() -> Sse<Events> {
    Sse::new(futures_util::stream::pending())
}

#[tokio::test]
async fn pain_1_sigterm_ends_serve_at_once_with_a_stream_open() {
    let context = common::context();
    let app = Router::new()
        .route("/push", get(|| async { silent() }))
        .layer(SseLayer::new(context.clone()).keep_alive(Duration::from_millis(50)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(sse_tower::serve(listener, app, context).into_future());

    let mut client = common::Wire::event_source(address, "/push").await;
    client.until("\r\n:\n\n").await;

    let pid = std::process::id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    client.to_end().await;
    assert!(client.got.contains("event:stream-bye\ndata:{\"reason\":\"drained\"}\n\n"));
    assert!(client.got.ends_with("\r\n0\r\n\r\n"), "the body is complete: {:?}", client.got);
    timeout(common::PATIENCE, server).await.expect("serve returns").unwrap().unwrap();
}
