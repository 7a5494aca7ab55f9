//! A server that cannot be run.

use std::future::IntoFuture as _;
use std::io;

use axum::Router;
use futures_util::FutureExt as _;
use sse_tower::{ApplicationContext, SocketListener, serve};
use tokio::io::DuplexStream;

use crate::heard::panic_of;

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

#[test]
fn a_drain_without_a_runtime() {
    let context = ApplicationContext::bare().build().unwrap();
    assert_eq!(
        panic_of(|| context.drain().now_or_never()),
        "there is no reactor running, must be called from the context of a Tokio 1.x runtime"
    );
}
