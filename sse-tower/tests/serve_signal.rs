//! Signals go to the whole process, so this test has a program to itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{
    future::{Future, IntoFuture},
    task::Poll,
    time::Duration,
};

use axum::{Router, response::sse::Sse, routing::get};
use rustix::process::{Signal, getpid, kill_process};
use sse_tower::{Drain, SseLayer};
use tokio::{net::TcpListener, time::timeout};

/// Sends a signal to this process.
fn signal(signal: Signal) {
    kill_process(getpid(), signal).unwrap();
}

type Events = futures_util::stream::Pending<Result<axum::response::sse::Event, std::io::Error>>;

fn silent() -> Sse<Events> {
    Sse::new(futures_util::stream::pending())
}

#[tokio::test]
async fn signals_end_serve() {
    pain_1_sigterm_ends_serve_at_once_with_a_stream_open().await;
    a_second_signal_ends_serve_though_a_response_is_in_flight().await;
    another_server_hears_both_signals().await;
}

async fn another_server_hears_both_signals() {
    for which in [Signal::INT, Signal::TERM] {
        let (context, waits) = (common::context(), sse_tower::shutdown_signal());
        let mut drain = std::pin::pin!(context.drain_on(waits));
        // It listens from the first poll on.
        let first = std::future::poll_fn(|cx| Poll::Ready(drain.as_mut().poll(cx)));
        assert!(first.await.is_pending());
        signal(which);
        timeout(common::PATIENCE, drain).await.expect("the signal is heard");
        assert!(!context.is_ready());
    }
}

async fn a_second_signal_ends_serve_though_a_response_is_in_flight() {
    let context = common::context();
    let app = Router::new().route("/hangs", get(std::future::pending::<()>));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let hour = Drain::new().deadline(Duration::from_secs(3600));
    let server = sse_tower::serve(listener, app, context.clone()).drain(hour);
    let server = tokio::spawn(server.into_future());
    let mut hanging = common::Wire::get(address, "/hangs", "").await;
    // The server listens for signals once it has accepted.
    let mut other = common::Wire::get(address, "/nothing", "").await;
    other.until("404").await;
    signal(Signal::INT);
    other.at_end().await;
    assert!(!server.is_finished());
    signal(Signal::INT);
    timeout(common::PATIENCE, server).await.expect("serve returns").unwrap().unwrap();
    assert_eq!(hanging.at_end().await, "");
}

async fn pain_1_sigterm_ends_serve_at_once_with_a_stream_open() {
    let context = common::context();
    let app = Router::new()
        .route("/push", get(async || silent()))
        .layer(SseLayer::new(context.clone()).keep_alive(Duration::from_millis(50)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(sse_tower::serve(listener, app, context).into_future());

    let mut client = common::Wire::event_source(address, "/push").await;
    client.until("\r\n:\n\r\n").await;

    signal(Signal::TERM);
    client.at_end().await;
    assert!(client.got.contains("event:stream-bye\ndata:{\"reason\":\"drained\"}\n"));
    assert!(client.got.ends_with("\r\n0\r\n\r\n"), "the body is complete: {:?}", client.got);
    timeout(common::PATIENCE, server).await.expect("serve returns").unwrap().unwrap();
}
