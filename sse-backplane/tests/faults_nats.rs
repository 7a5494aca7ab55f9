//! What only NATS has: a stream that is cut, since every node has a copy of what it says. What happens to every store is in
//! `faults/`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

mod oracle;

use std::{
    fmt::Display,
    sync::Arc,
    time::{Duration, Instant},
};

use engine_servers::Nats;
use oracle::{HEALED, KEEP, topics};
use sse_tower_backplane::nats::connect;
use sse_tower_core::backplane::{Answer, Batch, Engine, Entry, Feed, NodeId, Position, Want};
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
