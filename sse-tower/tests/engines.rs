//! Two processes, as two contexts, at each engine on a real server: what is sent at one arrives at the other, in one order,
//! and a client that moves loses nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{pin::pin, time::Duration};

use engine_servers::{Nats, Postgres, Redis, wanted};
use futures_util::{Stream, StreamExt as _};
use sse_tower::{
    Emitters, LastEventId, Second, SendError, SseEvent,
    backplane::{Backplane, open},
};
use tokio::time::timeout;

/// Keys that would mean something to a store, and the longest.
fn keys() -> Vec<String> {
    let longest = "支".repeat(166) + "ab";
    let keys =
        ["plain", "a.b", "a:b", "*", ">", "{x}%", "with blank: and *", "支付/成功", "\0", &longest];
    keys.map(str::to_owned).into()
}

async fn emitters(url: &str) -> (Backplane, Emitters<String>) {
    let backplane = open(url).await.unwrap();
    let emitters = Emitters::builder().backplane(&backplane, "pages").build();
    (backplane, emitters)
}

/// The text that a stream brings, until it contains `end`.
async fn read(stream: impl Stream<Item: AsRef<[u8]>>, end: &str) -> String {
    let mut stream = pin!(stream);
    let mut text = String::new();
    while !text.contains(end) {
        let next = timeout(Duration::from_secs(10), stream.next()).await;
        let piece = next.unwrap_or_else(|_| panic!("{end:?} does not come, but {text:?}"));
        let Some(piece) = piece else { panic!("the stream ended: {text:?}") };
        text.push_str(std::str::from_utf8(piece.as_ref()).unwrap());
    }
    text
}

/// The text that a stream brings until it ends.
async fn whole(stream: impl Stream<Item: AsRef<[u8]>>) -> String {
    let pieces = stream.map(|piece| String::from_utf8_lossy(piece.as_ref()).into_owned());
    timeout(Duration::from_secs(10), pieces.collect()).await.unwrap()
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
    for key in &keys() {
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
    calls_are_for_both(&sending, &holding).await;
    one_connection_of_both(&a, &b).await;
    a.close().await;
    b.close().await;
}

/// What ends, what begins again, and what is sent once: decided at one, and so at the other.
async fn calls_are_for_both(sending: &Emitters<String>, holding: &Emitters<String>) {
    let open = |emitters: &Emitters<String>, key: &str, last| {
        emitters.connect(key.to_owned(), last).into_stream()
    };
    let mut page = Box::pin(open(holding, "calls", LastEventId::default()));
    let once = || SseEvent::builder().once("order-7").data("once");
    let first = sending.send("calls", once()).await.unwrap();
    assert_eq!(holding.send("calls", once()).await.unwrap().id, first.id);
    let text = read(&mut page, "once").await;
    sending.disconnect("calls");
    assert_eq!(data(&whole(page).await).len(), 0, "ended by the other process, and sent once");

    let page = open(holding, "calls", last_id(&text));
    sending.send("calls", "back again").await.unwrap();
    let text = read(page, "back again").await;
    assert_eq!(data(&text), ["back again"]);

    sending.complete("calls");
    sending.send("calls", "too late").await.unwrap_err();
    // What is known when it comes is 204; later, it is told to stay away. Until the other process has heard, it just ends.
    let stays_away = |text: &str| text.is_empty() || text.contains("retry:86400000");
    let last = last_id(&text);
    while !stays_away(&whole(open(holding, "calls", last.clone())).await) {}

    sending.forget("calls");
    sending.send("calls", "anew").await.unwrap();
    loop {
        let mut page = Box::pin(open(holding, "calls", LastEventId::earliest()));
        let first = timeout(Duration::from_secs(10), page.next()).await.unwrap();
        if first.is_some_and(|piece| String::from_utf8_lossy(&piece).contains("data:anew\n")) {
            break;
        }
    }
}

/// Of two connections at a key for one, the later one stays, wherever they are.
async fn one_connection_of_both(a: &Backplane, b: &Backplane) {
    let seats = |backplane: &Backplane| -> Emitters<String> {
        let builder = Emitters::builder().one_per_key(Second::Replaces);
        builder.backplane(backplane, "seats").build()
    };
    let (here, there) = (seats(a), seats(b));
    let mut first = Box::pin(here.connect("seat".to_owned(), LastEventId::default()).into_stream());
    here.send("seat", "taken").await.unwrap();
    read(&mut first, "taken").await;
    let second = there.connect("seat".to_owned(), LastEventId::default()).into_stream();
    let text = whole(first).await;
    assert!(text.contains("event:stream-bye"), "{text}");
    here.send("seat", "yours").await.unwrap();
    assert_eq!(data(&read(second, "yours").await).last(), Some(&"yours"));
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
