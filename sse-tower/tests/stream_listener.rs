//! Streams under `axum::serve` with the listener that suits them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::future::IntoFuture;

use axum::{Router, routing::get};
use common::{PATIENCE, Wire};
use sse_tower::{ApplicationContext, Emitters, LastEventId, SocketOptions, SseLayer};
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// More than a connection is asked for something to read before it is remembered that it has nothing.
const MANY: usize = 30;

struct Server {
    address: std::net::SocketAddr,
    context: ApplicationContext,
    emitters: Emitters<u8>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn server() -> Server {
    let (context, all_of_it) = (common::context(), 64 * 1024 * 1024);
    let emitters = Emitters::<u8>::builder().backlog(MANY, all_of_it).build();
    let all = emitters.clone();
    let push = async move |last: LastEventId| all.connect(1, last);
    let app = Router::new()
        .route("/push", get(push))
        .route("/plain", get(async || "plain"))
        .layer(SseLayer::new(context.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = SocketOptions::new().listen(listener).unwrap();
    let served = axum::serve(listener, app.into_make_service()).into_future();
    Server { address, context, emitters, task: tokio::spawn(served) }
}

/// A client that has got many events, one at a time.
async fn listening(server: &Server) -> Wire {
    let mut client = Wire::event_source(server.address, "/push").await;
    client.until("\r\n\r\n").await;
    common::open(&server.context, 1).await;
    for number in 0..MANY {
        server.emitters.send(&1, format!("number {number}.")).await.unwrap();
        client.until(&format!("data:number {number}.\n")).await;
    }
    client
}

#[tokio::test]
async fn a_client_that_leaves_is_gone_without_a_write() {
    let server = server().await;
    for reset in [false, true] {
        let client = listening(&server).await;
        if reset {
            client.reset();
        } else {
            drop(client);
        }
        common::open(&server.context, 0).await;
    }
}

#[tokio::test]
async fn a_connection_goes_on_after_its_stream_whatever_came_meanwhile() {
    let server = server().await;
    let mut client = listening(&server).await;
    client.say(b"GET /plain HTTP/1.1\r\nHost: test\r\n\r\n").await;
    server.emitters.send(&1, "last").await.unwrap();
    client.until("data:last\n").await;
    server.emitters.complete(&1);
    client.until("\r\n0\r\n\r\nHTTP/1.1 200").await;
    client.until("plain").await;
    for _ in 0..3 {
        sleep(std::time::Duration::from_millis(20)).await;
        client.again("GET /plain HTTP/1.1\r\nHost: test\r\n\r\n").await;
        client.until("\r\n\r\nplain").await;
    }
}

#[tokio::test]
async fn a_client_that_reads_late_gets_all_of_it_in_order() {
    let server = server().await;
    let mut client = listening(&server).await;
    let text = "x".repeat(200_000);
    for number in 0..MANY {
        server.emitters.send(&1, format!("late {number} {text}.")).await.unwrap();
        sleep(std::time::Duration::from_millis(2)).await;
    }
    let got = timeout(PATIENCE, client.until(&format!("late {} ", MANY - 1))).await.unwrap();
    let places: Vec<_> = (0..MANY).map(|number| got.find(&format!("late {number} "))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted());
}
