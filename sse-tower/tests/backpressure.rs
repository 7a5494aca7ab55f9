//! What waits in the server for a client that does not read, under `axum::serve` with the listener for streams.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{
    convert::Infallible,
    future::IntoFuture,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    middleware::map_response,
    response::{Response, Sse, sse},
    routing::get,
    serve::Listener,
};
use common::{PATIENCE, Wire};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use sse_tower::{Emitters, LastEventId, SocketOptions, SseLayer, StreamListener, StreamSocket};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpListener,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// 4 MB, more than the kernels take at either side.
const EVENTS: usize = 500;
const TEXT: usize = 8 * 1024;
/// What may wait between the body and the kernel.
const BOUND: u64 = 256 * 1024;

/// Bytes that came out of bodies, and those that the kernel took.
#[derive(Clone, Default)]
struct Bytes {
    given: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
}

impl Bytes {
    fn given(&self) -> u64 {
        self.given.load(Ordering::SeqCst)
    }

    /// Waits until the body gives no more; what is between it and the kernel then.
    async fn at_standstill(&self) -> u64 {
        let wait = async {
            loop {
                let before = self.given();
                sleep(Duration::from_millis(100)).await;
                if before == self.given() && before > 0 {
                    return before.saturating_sub(self.sent.load(Ordering::SeqCst));
                }
            }
        };
        timeout(PATIENCE, wait).await.expect("a body that is not read stands still")
    }
}

/// The listener, with sockets that count.
struct Counting(StreamListener, Bytes);

struct Counted(StreamSocket, Bytes);

impl Listener for Counting {
    type Io = Counted;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Counted, SocketAddr) {
        let (socket, peer) = self.0.accept().await;
        (Counted(socket, self.1.clone()), peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.0).poll_write(cx, bytes);
        if let Poll::Ready(Ok(sent)) = &written {
            self.1.sent.fetch_add(*sent as u64, Ordering::SeqCst);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

struct Server {
    address: SocketAddr,
    emitters: Emitters<u8>,
    bytes: Bytes,
    task: JoinHandle<io::Result<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn text(number: usize) -> String {
    format!("number {number} {}.", "x".repeat(TEXT))
}

async fn server() -> Server {
    let emitters = Emitters::<u8>::builder().backlog(EVENTS, 64 * 1024 * 1024).build();
    let (all, bytes) = (emitters.clone(), Bytes::default());
    let given = Arc::clone(&bytes.given);
    let count = move |response: Response| {
        let given = Arc::clone(&given);
        async move {
            response.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                    given.fetch_add(bytes, Ordering::SeqCst);
                    frame
                }))
            })
        }
    };
    let foreign = async || {
        let events = (0..EVENTS).map(|number| sse::Event::default().data(text(number)));
        Sse::new(stream::iter(events).chain(stream::pending()).map(Ok::<_, Infallible>))
    };
    let app = Router::new()
        .route("/own", get(async move |last: LastEventId| all.connect(1, last)))
        .route("/foreign", get(foreign))
        .layer(SseLayer::new(common::context()))
        .layer(map_response(count));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = Counting(SocketOptions::new().listen(listener).unwrap(), bytes.clone());
    let served = axum::serve(listener, app.into_make_service()).into_future();
    Server { address, emitters, bytes, task: tokio::spawn(served) }
}

/// A client that reads nothing for a while, then everything.
async fn waits_and_reads(server: &Server, mut client: Wire) {
    let waiting = server.bytes.at_standstill().await;
    let all = (EVENTS * TEXT) as u64;
    assert!(server.bytes.given() < all, "the kernels took everything: nothing was shown");
    assert!(waiting <= BOUND, "{waiting} bytes wait outside of the log");

    let got = client.until(&format!("number {} ", EVENTS - 1)).await;
    let numbers = got.lines().filter_map(|line| {
        let (_, rest) = line.split_once("number ")?;
        rest.split(' ').next()?.parse::<usize>().ok()
    });
    assert!(numbers.eq(0..EVENTS));
}

#[tokio::test]
async fn what_a_client_does_not_read_waits_in_the_log() {
    let server = server().await;
    let mut client = Wire::event_source(server.address, "/own").await;
    client.until("\r\n\r\n").await;
    for number in 0..EVENTS {
        server.emitters.send(&1, text(number)).await.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    waits_and_reads(&server, client).await;
}

#[tokio::test]
async fn a_stream_of_others_is_not_asked_for_what_the_client_does_not_read() {
    let server = server().await;
    let client = Wire::event_source(server.address, "/foreign").await;
    waits_and_reads(&server, client).await;
}
