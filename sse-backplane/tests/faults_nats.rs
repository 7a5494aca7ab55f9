//! A real NATS server that is killed, frozen, cut off, and robbed of what it knew: nothing that was stored is lost, doubled or
//! out of order, or a new epoch says so; and it is over in less than six seconds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

mod oracle;

use std::{
    fmt::Display,
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use engine_servers::{Nats, Relay, Signal};
use oracle::{HEALED, KEEP, Load, Reader, Writer, topics};
use sse_tower_backplane::nats::connect;
use sse_tower_core::backplane::{Answer, Batch, Engine, Entry, Feed, NodeId, Position, Want};
use tokio::time::sleep;

async fn engine(address: impl Display) -> Arc<dyn Engine> {
    Arc::new(connect(&format!("nats://{address}"), "faults").await.unwrap())
}

async fn engines(address: impl Display + Copy) -> Vec<Arc<dyn Engine>> {
    vec![engine(address).await, engine(address).await]
}

async fn relay(server: &Nats) -> Relay {
    Relay::start(server.address().parse().unwrap()).await.unwrap()
}

/// Waits until an event comes that came after `since`.
async fn hears_again(reader: &Reader, since: Instant, within: Duration) {
    reader.until("an event after the fault", within, |known| known.newest > Some(since)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_three_times_loses_and_doubles_nothing() {
    let mut server = Nats::start().await.unwrap();
    let topics = topics(4);
    let reader = Reader::start(engine(server.address()).await, &topics).await;
    let load = Load::start(engines(&server.address()).await, &topics, 100).await;
    for _ in 0..3 {
        sleep(Duration::from_millis(400)).await;
        server.kill();
        sleep(Duration::from_millis(300)).await;
        server.restart().await.unwrap();
        hears_again(&reader, Instant::now(), HEALED).await;
    }
    reader.has(&load.stop().await, HEALED).await;
    let known = reader.known.borrow();
    assert_eq!((known.resets, known.broke), (0, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stood_still_for_four_seconds_loses_and_doubles_nothing() {
    let server = Nats::start().await.unwrap();
    let topics = topics(4);
    let reader = Reader::start(engine(server.address()).await, &topics).await;
    let load = Load::start(engines(&server.address()).await, &topics, 100).await;
    sleep(Duration::from_millis(300)).await;
    server.signal(Signal::STOP).unwrap();
    sleep(Duration::from_secs(4)).await;
    server.signal(Signal::CONT).unwrap();
    hears_again(&reader, Instant::now(), HEALED).await;
    reader.has(&load.stop().await, HEALED).await;
    assert_eq!(reader.known.borrow().resets, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_that_goes_silent_is_noticed_and_healed() {
    let server = Nats::start().await.unwrap();
    let relay = relay(&server).await;
    let topics = topics(4);
    let reader = Reader::start(engine(relay.address()).await, &topics).await;
    let load = Load::start(engines(&server.address()).await, &topics, 100).await;
    sleep(Duration::from_millis(300)).await;
    relay.silence();
    let silent = Instant::now();
    // What is on its way was heard by now, so what comes next comes by another connection.
    reader.until("the feed says that it broke", HEALED, |known| known.broke >= 1).await;
    hears_again(&reader, Instant::now(), HEALED.saturating_sub(silent.elapsed())).await;
    reader.has(&load.stop().await, HEALED).await;
    assert_eq!(reader.known.borrow().resets, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_whose_connections_go_silent_write_on_and_double_nothing() {
    let server = Nats::start().await.unwrap();
    let relay = relay(&server).await;
    let topics = topics(4);
    let reader = Reader::start(engine(server.address()).await, &topics).await;
    let load = Load::start(engines(relay.address()).await, &topics, 100).await;
    for _ in 0..2 {
        sleep(Duration::from_millis(300)).await;
        relay.silence();
        sleep(Duration::from_millis(50)).await;
        hears_again(&reader, Instant::now(), HEALED).await;
    }
    reader.has(&load.stop().await, HEALED).await;
    let known = reader.known.borrow();
    assert_eq!((known.resets, known.broke), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_within_a_frame_lose_and_double_nothing() {
    let server = Nats::start().await.unwrap();
    let (reads, writes) = (relay(&server).await, relay(&server).await);
    let topics = topics(4);
    let reader = Reader::start(engine(reads.address()).await, &topics).await;
    let load = Load::start(engines(writes.address()).await, &topics, 3_000).await;
    for round in 0..12 {
        let relay = if round % 2 == 0 { &reads } else { &writes };
        relay.cut_after(5_000 + round * 613);
        let cut = Instant::now();
        while relay.will_cut() {
            assert!(cut.elapsed() < HEALED, "round {round}: nothing came that could be cut");
            sleep(Duration::from_millis(5)).await;
        }
        hears_again(&reader, Instant::now(), HEALED).await;
    }
    reader.has(&load.stop().await, HEALED).await;
    let known = reader.known.borrow();
    assert!(known.broke >= 6, "{}", known.broke);
    assert_eq!(known.resets, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_was_deleted_is_a_new_epoch_and_goes_on() {
    let mut server = Nats::start().await.unwrap();
    let topics = topics(1);
    let mut writer = Writer::start(engine(server.address()).await).await;
    let reader = Reader::start(engine(server.address()).await, &topics).await;
    let before = writer.store(&[(topics[0].clone(), "before".to_owned())]).await[0];
    reader.until("the first", HEALED, |known| known.newest.is_some()).await;
    let client = async_nats::connect(server.url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    context.delete_stream("sse_faults").await.unwrap();
    // Everybody is told by the end of its consumer; a restart of the server makes it soon.
    server.restart().await.unwrap();
    let after = writer.store(&[(topics[0].clone(), "after".to_owned())]).await[0];
    assert!(after > before, "no position is given again");
    reader.until("a new epoch", HEALED, |known| known.resets >= 1).await;
    reader
        .until("what came after", HEALED, |known| {
            known
                .events
                .get(&topics[0])
                .is_some_and(|events| events.iter().any(|(_, body)| body == "after"))
        })
        .await;
}

/// Copies a folder as it is.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_lost_its_tail_is_a_new_epoch_and_gives_no_position_again() {
    let mut server = Nats::start().await.unwrap();
    let topics = topics(1);
    let mut writer = Writer::start(engine(server.address()).await).await;
    let reader = Reader::start(engine(server.address()).await, &topics).await;
    let mut newest = Position::ZERO;
    for number in 0..10 {
        newest = writer.store(&[(topics[0].clone(), format!("kept {number}"))]).await[0];
    }
    server.kill();
    let (store, kept) = (server.folder().join("store"), server.folder().join("kept"));
    copy(&store, &kept);
    server.restart().await.unwrap();
    for number in 0..10 {
        newest = writer.store(&[(topics[0].clone(), format!("lost {number}"))]).await[0];
    }
    reader
        .until("all", HEALED, |known| known.events.values().any(|events| events.len() == 20))
        .await;
    server.kill();
    fs::remove_dir_all(&store).unwrap();
    copy(&kept, &store);
    server.restart().await.unwrap();
    let after = writer.store(&[(topics[0].clone(), "after".to_owned())]).await[0];
    assert!(after > newest);
    reader
        .until("a new epoch and what came after", HEALED, |known| {
            known.resets >= 1
                && known
                    .events
                    .get(&topics[0])
                    .is_some_and(|events| events.iter().any(|(_, body)| body == "after"))
        })
        .await;
    assert_eq!(reader.known.borrow().wrong, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_is_cut_and_who_comes_later_begins_with_a_copy() {
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
