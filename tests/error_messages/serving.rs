//! A server that cannot be run.

use std::future::IntoFuture as _;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use futures_util::FutureExt as _;
use sse_tower::{ApplicationContext, Drain, SocketListener, SseEmitter, SseLayer, serve};
use tokio::io::DuplexStream;
use tower::ServiceExt as _;

use crate::heard::{listen, logged};

/// Connections from nowhere, which need no runtime to be listened for.
struct Nowhere;

impl SocketListener for Nowhere {
    type Io = DuplexStream;
    type Peer = ();

    async fn accept(&mut self) -> io::Result<(DuplexStream, ())> {
        std::future::pending().await
    }
}

#[test]
fn a_server_without_a_runtime() {
    let context = ApplicationContext::bare().build().unwrap();
    let server = serve(Nowhere, Router::<()>::new(), context).into_future();
    let error = server.now_or_never().unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "`serve` needs a tokio runtime; await it in one, such as under `#[tokio::main]`"
    );
}

/// A socket that was given a port, and was not told to listen.
struct Deaf;

impl SocketListener for Deaf {
    type Io = DuplexStream;
    type Peer = ();

    async fn accept(&mut self) -> io::Result<(DuplexStream, ())> {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "Invalid argument"))
    }
}

#[tokio::test]
async fn a_socket_that_does_not_listen() {
    let context = ApplicationContext::bare().build().unwrap();
    let error = serve(Deaf, Router::<()>::new(), context).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot accept connections: Invalid argument; give `serve` a socket that listens"
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_has_no_time_for_its_streams() {
    listen();
    let context = ApplicationContext::bare().build().unwrap();
    let app = Router::new().route("/push", get(|| async { SseEmitter::new() }));
    let app = app.layer(SseLayer::new(context.clone()));
    // Nobody reads it, so it cannot end.
    let _response = app.oneshot(Request::get("/push").body(Body::empty()).unwrap()).await.unwrap();
    context.drain().with(Drain::new().deadline(Duration::from_secs(4))).await;
    assert_eq!(
        logged(),
        "WARN drain reached its deadline with streams open; \
         give it more time with `Drain::deadline` left=1 took=4s"
    );
}
