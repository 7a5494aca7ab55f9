//! What only NATS has: a stream that is cut, since every node has a copy of what it says. What happens to every store is in
//! `faults/`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

mod oracle;

use std::{
    fmt::Display,
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::jetstream::stream::{Config, DiscardPolicy};
use engine_servers::Nats;
use oracle::{HEALED, KEEP, topics};
use sse_tower_backplane::nats::{NatsEngine, connect};
use sse_tower_core::backplane::{
    Answer, Batch, Engine, EngineErrorKind, Entry, Feed, MAX_RECORD_BYTES, NodeId, Position, Want,
};
use tokio::time::sleep;

async fn engine(address: impl Display) -> Arc<dyn Engine> {
    Arc::new(connect(&format!("nats://{address}"), "faults").await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_is_cut_and_who_comes_later_begins_with_a_copy() {
    engine_servers::only_with!("nats");
    let server = Nats::start().await.unwrap();
    let engine_a = engine(server.address()).await;
    engine_a.start(Feed::new(|_| {})).await.unwrap();
    let topics = topics(3);
    let node = NodeId::random();
    // One message each.
    for number in 1..=40_100_u64 {
        let entry = Entry {
            topic: topics[(number % 3) as usize].clone(),
            change: oracle::event(&number.to_string()),
            keep: sse_tower_core::backplane::Keep { events: 50, ..KEEP },
        };
        let entries = Arc::new([entry]);
        let answers = engine_a.append(Batch { node, number, entries }).await.unwrap();
        assert!(matches!(answers[..], [Answer::Stored(_)]));
    }
    let client = async_nats::connect(server.url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let cut = Instant::now();
    loop {
        let info = context.get_stream("sse_faults").await.unwrap().get_info().await.unwrap();
        if info.state.first_sequence > 40_000 {
            break;
        }
        assert!(cut.elapsed() < HEALED, "the stream begins at {}", info.state.first_sequence);
        sleep(Duration::from_millis(20)).await;
    }
    let engine_b = engine(server.address()).await;
    let mark = engine_b.start(Feed::new(|_| {})).await.unwrap();
    assert_eq!(mark, engine_a.mark().await.unwrap());
    let wants: Vec<_> = topics
        .iter()
        .map(|topic| Want {
            topic: topic.clone(),
            after: Position::ZERO,
            events: 100,
            bytes: 1 << 20,
        })
        .collect();
    let (a, b) = (engine_a.load(wants.clone()).await.unwrap(), engine_b.load(wants).await.unwrap());
    for (a, b) in a.iter().zip(&b) {
        assert_eq!(a.records.len(), 50);
        assert_eq!((&a.records, a.head, a.epoch), (&b.records, b.head, b.epoch));
    }
}

/// Stores `count` events of `bytes` each, of which two are kept, as a node does: again until it is done. Gives how many
/// calls failed.
async fn fill(engine: &NatsEngine, count: u64, bytes: usize) -> usize {
    let (node, body) = (NodeId::random(), "x".repeat(bytes));
    let (topic, keep) =
        (topics(1).remove(0), sse_tower_core::backplane::Keep { events: 2, ..KEEP });
    let mut failed = 0;
    for number in 1..=count {
        let entry = Entry { topic: topic.clone(), change: oracle::event(&body), keep };
        let batch = Batch { node, number, entries: Arc::new([entry]) };
        let begun = Instant::now();
        while let Err(error) = engine.append(batch.clone()).await {
            assert_eq!(error.kind(), EngineErrorKind::Unavailable, "{error:?}");
            assert!(begun.elapsed() < HEALED, "{number}: {error:?}");
            failed += 1;
            sleep(Duration::from_millis(20)).await;
        }
    }
    failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_events_fill_no_stream() {
    engine_servers::only_with!("nats");
    let server = Nats::start().await.unwrap();
    let engine = connect(&server.url(), "faults").await.unwrap();
    engine.start(Feed::new(|_| {})).await.unwrap();
    assert_eq!(fill(&engine, 540, 250_000).await, 0);
    let context = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let begun = Instant::now();
    loop {
        let info = context.get_stream("sse_faults").await.unwrap().get_info().await.unwrap();
        if info.state.first_sequence > 500 {
            break;
        }
        assert!(begun.elapsed() < HEALED, "{:?}", info.state);
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_full_is_cut_and_goes_on() {
    engine_servers::only_with!("nats");
    let server = Nats::start().await.unwrap();
    let context = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let small = Config {
        name: "sse_faults".into(),
        subjects: vec!["sse.faults.log".into()],
        discard: DiscardPolicy::New,
        max_bytes: 4 << 20,
        ..Config::default()
    };
    context.create_stream(small).await.unwrap();
    let engine = connect(&server.url(), "faults").await.unwrap();
    engine.start(Feed::new(|_| {})).await.unwrap();
    let failed = fill(&engine, 40, 250_000).await;
    assert!(failed > 0, "it was full");
    // Who comes now has everything.
    let other = connect(&server.url(), "faults").await.unwrap();
    assert_eq!(other.start(Feed::new(|_| {})).await.unwrap(), engine.mark().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_take_small_messages_only() {
    engine_servers::only_with!("nats");
    let settings = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(settings.path(), "max_payload: 16384").unwrap();
    let path = settings.path().display().to_string();
    let server = Nats::start_with(&["-c", &path]).await.unwrap();
    let engine = connect(&server.url(), "faults").await.unwrap();
    engine.start(Feed::new(|_| {})).await.unwrap();
    assert_eq!(fill(&engine, 3, MAX_RECORD_BYTES).await, 0);
}
