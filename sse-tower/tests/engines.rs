//! Two processes, as two contexts, at each engine on a real server: what is sent at one arrives at the other, in one order,
//! and a client that moves loses nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{pin::pin, time::Duration};

use engine_servers::{Nats, Postgres, Redis, wanted};
use futures_util::StreamExt as _;
use sse_tower::{
    Emitters, EventStream, LastEventId, SendError,
    backplane::{Backplane, open},
};
use tokio::time::timeout;

/// Keys that would mean something to a store.
const KEYS: [&str; 6] = ["plain", "a.b", "*", ">", "with blank: and *", "支付/成功"];

async fn emitters(url: &str) -> (Backplane, Emitters<String>) {
    let backplane = open(url).await.unwrap();
    let emitters = Emitters::builder().backplane(&backplane, "pages").build();
    (backplane, emitters)
}

/// The text that a stream brings, until it contains `end`.
async fn read(stream: EventStream, end: &str) -> String {
    let mut stream = pin!(stream);
    let mut text = String::new();
    while !text.contains(end) {
        let next = timeout(Duration::from_secs(10), stream.next()).await;
        let piece = next.unwrap_or_else(|_| panic!("{end:?} does not come, but {text:?}"));
        let Some(piece) = piece else { panic!("the stream ended: {text:?}") };
        text.push_str(std::str::from_utf8(&piece).unwrap());
    }
    text
}

fn data(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("data:")).collect()
}

fn last_id(text: &str) -> LastEventId {
    let id = text.lines().filter_map(|line| line.strip_prefix("id:")).next_back().unwrap();
    LastEventId::from(sse_tower::EventId::try_from(id).unwrap())
}

async fn two_processes(url: &str) {
    let (a, sending) = emitters(url).await;
    let (b, holding) = emitters(url).await;
    for key in KEYS {
        let page = holding.connect(key.to_owned(), LastEventId::default()).into_stream();
        let first = sending.send(key, "first").await.unwrap();
        sending.send(key, "second").await.unwrap();
        let text = read(page, "second").await;
        assert_eq!(data(&text), ["first", "second"], "{key:?}");
        assert!(text.contains(&format!("id:{}", first.id)), "the id that the sender was told");

        // Its client comes back elsewhere, after something was sent at the process that it left.
        sending.send(key, "third").await.unwrap();
        let (c, fresh) = emitters(url).await;
        let page = fresh.connect(key.to_owned(), last_id(&text)).into_stream();
        let text = read(page, "third").await;
        assert_eq!(data(&text), ["third"], "{key:?}");

        // The end is everybody's.
        fresh.complete(key);
        let closed = timeout(Duration::from_secs(10), async {
            loop {
                match sending.send(key, "too late").await {
                    Err(SendError::Closed { .. }) => return,
                    other => drop(other),
                }
            }
        });
        closed.await.unwrap();
        c.close().await;
    }
    let all = holding.connect("everyone".to_owned(), LastEventId::default()).into_stream();
    sending.send_all("to all").await.unwrap();
    sending.send("everyone", "to one").await.unwrap();
    assert_eq!(data(&read(all, "to one").await), ["to all", "to one"]);
    a.close().await;
    b.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_redis_two_processes_are_one() {
    if wanted("redis") {
        let server = Redis::start().unwrap();
        two_processes(&server.url()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_two_processes_are_one() {
    if wanted("postgres") {
        let server = Postgres::start().unwrap();
        two_processes(&server.url()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_nats_two_processes_are_one() {
    if wanted("nats") {
        let server = Nats::start().await.unwrap();
        two_processes(&server.url()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_outlives_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("redb:{}", folder.path().join("events.redb").display());
    let (before, emitters_before) = emitters(&url).await;
    let page = emitters_before.connect("order".to_owned(), LastEventId::default()).into_stream();
    emitters_before.send("order", "paid").await.unwrap();
    let text = read(page, "paid").await;
    emitters_before.send("order", "shipped").await.unwrap();
    emitters_before.complete("gone");
    before.close().await;
    drop((emitters_before, before));

    let (_after, emitters_after) = emitters(&url).await;
    let page = emitters_after.connect("order".to_owned(), last_id(&text)).into_stream();
    let text = read(page, "shipped").await;
    assert_eq!(data(&text), ["shipped"]);
    assert!(!text.contains("stream-reset"), "{text}");
    assert!(matches!(emitters_after.send("gone", "x").await, Err(SendError::Closed { .. })));
}
