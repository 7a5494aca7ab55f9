//! A real Redis that is killed, frozen, cut off, and robbed of what it knew: nothing that was stored is lost, doubled or out of
//! order, or a new epoch says so; and it is over in less than six seconds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

mod oracle;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use engine_servers::{Redis, Relay, Signal};
use oracle::{HEALED, Load, Reader, Stored, Writer, topics};
use redis::AsyncCommands;
use sse_tower_backplane::redis::RedisEngine;
use sse_tower_core::backplane::{Change, Engine, Feed, Position, Topic, Want};
use tokio::time::sleep;

const NAMESPACE: &str = "faults";

fn engine(address: impl std::fmt::Display) -> Arc<dyn Engine> {
    Arc::new(RedisEngine::new(&format!("redis://{address}/"), NAMESPACE).unwrap())
}

fn engines(address: impl std::fmt::Display + Copy) -> Vec<Arc<dyn Engine>> {
    vec![engine(address), engine(address)]
}

/// A connection of somebody else.
async fn other(redis: &Redis) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(redis.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// Waits until an event comes that came after `since`.
async fn hears_again(reader: &Reader, since: Instant, within: Duration) {
    reader.until("an event after the fault", within, |known| known.newest > Some(since)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_three_times_loses_and_doubles_nothing() {
    let mut redis = Redis::start().unwrap();
    let topics = topics(4);
    let reader = Reader::start(engine(redis.address()), &topics).await;
    let load = Load::start(engines(redis.address()), &topics, 100).await;
    for _ in 0..3 {
        sleep(Duration::from_millis(400)).await;
        redis.kill();
        sleep(Duration::from_millis(300)).await;
        redis.restart().unwrap();
        hears_again(&reader, Instant::now(), HEALED).await;
    }
    reader.has(&load.stop().await, HEALED).await;
    let known = reader.known.borrow();
    assert_eq!((known.resets, known.broke), (0, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stood_still_for_four_seconds_loses_and_doubles_nothing() {
    let redis = Redis::start().unwrap();
    let topics = topics(4);
    let reader = Reader::start(engine(redis.address()), &topics).await;
    let load = Load::start(engines(redis.address()), &topics, 100).await;
    sleep(Duration::from_millis(300)).await;
    redis.signal(Signal::STOP).unwrap();
    sleep(Duration::from_secs(4)).await;
    redis.signal(Signal::CONT).unwrap();
    hears_again(&reader, Instant::now(), HEALED).await;
    reader.has(&load.stop().await, HEALED).await;
    assert_eq!(reader.known.borrow().resets, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_that_goes_silent_is_noticed_and_healed() {
    let redis = Redis::start().unwrap();
    let relay = Relay::start(redis.address()).await.unwrap();
    let topics = topics(4);
    let reader = Reader::start(engine(relay.address()), &topics).await;
    let load = Load::start(engines(redis.address()), &topics, 100).await;
    sleep(Duration::from_millis(300)).await;
    relay.silence();
    let silent = Instant::now();
    // What is on its way was heard by now, so what comes next comes by another connection.
    reader.until("the feed says that it broke", HEALED, |known| known.broke == 1).await;
    hears_again(&reader, Instant::now(), HEALED.saturating_sub(silent.elapsed())).await;
    reader.has(&load.stop().await, HEALED).await;
    let known = reader.known.borrow();
    assert_eq!((known.resets, known.broke), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_whose_connections_go_silent_write_on_and_double_nothing() {
    let redis = Redis::start().unwrap();
    let relay = Relay::start(redis.address()).await.unwrap();
    let topics = topics(4);
    let reader = Reader::start(engine(redis.address()), &topics).await;
    let load = Load::start(engines(relay.address()), &topics, 100).await;
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
    let redis = Redis::start().unwrap();
    let (reads, writes) = (
        Relay::start(redis.address()).await.unwrap(),
        Relay::start(redis.address()).await.unwrap(),
    );
    let topics = topics(4);
    let reader = Reader::start(engine(reads.address()), &topics).await;
    let load = Load::start(engines(writes.address()), &topics, 3_000).await;
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

/// Nobody is told by Redis that it lost its tail. The node that knows more than the store finds out, whoever writes first.
async fn lost_tail(others_write_first: bool) {
    let mut redis = Redis::start().unwrap();
    let topics = topics(1);
    let mut writer = Writer::start(engine(redis.address())).await;
    let reader = Reader::start(engine(redis.address()), &topics).await;
    let events = |from, to| -> Vec<_> {
        (from..to).map(|index| (topics[0].clone(), format!("event {index}"))).collect()
    };
    writer.store(&events(0, 10)).await;
    let kept = redis.written().unwrap();
    writer.store(&events(10, 20)).await;
    reader.until("all of them", HEALED, |known| known.events.values().any(|e| e.len() == 20)).await;
    redis.kill();
    // Into the middle of the second batch: it is gone as a whole.
    redis.lose_tail(redis.written().unwrap() - kept - 100).unwrap();
    let mut stranger = None;
    redis.restart().unwrap();
    if others_write_first {
        let mut writer = Writer::start(engine(redis.address())).await;
        writer.store(&events(20, 21)).await;
        stranger = Some(writer);
    }
    reader.until("a new epoch", HEALED, |known| known.resets == 1).await;
    writer.store(&events(30, 40)).await;
    let rest: Vec<_> = events(0, 10)
        .into_iter()
        .chain(stranger.iter().flat_map(|_| events(20, 21)))
        .chain(events(30, 40))
        .map(|(_, body)| body)
        .collect();
    reader
        .until("what the store has", HEALED, |known| {
            known.events.values().any(|events| events.iter().map(|(_, body)| body).eq(rest.iter()))
        })
        .await;
    assert_eq!(reader.known.borrow().wrong, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_tail_is_a_new_epoch() {
    lost_tail(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_tail_is_a_new_epoch_although_others_wrote_meanwhile() {
    lost_tail(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_forgot_everything_is_a_new_epoch_with_the_next_event() {
    let redis = Redis::start().unwrap();
    let topics = topics(2);
    let mut writer = Writer::start(engine(redis.address())).await;
    let reader = Reader::start(engine(redis.address()), &topics).await;
    let before = writer.store(&[(topics[0].clone(), "before".into())]).await[0];
    reader.until("the first event", HEALED, |known| !known.events.is_empty()).await;
    let _: () = redis::cmd("FLUSHALL").query_async(&mut other(&redis).await).await.unwrap();
    let after = writer.store(&[(topics[0].clone(), "after".into())]).await[0];
    assert!(after > before, "the clock did not lose its past");
    reader
        .until("the event of the new epoch", HEALED, |known| {
            known.resets == 1 && known.events.len() == 1
        })
        .await;
    let known = reader.known.borrow().clone();
    assert_eq!(known.events[&topics[0]], [(after, "after".to_owned())]);
    assert_eq!(known.wrong, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_counter_that_is_lost_alone_goes_on_behind_what_is_there() {
    let redis = Redis::start().unwrap();
    let topics = topics(1);
    let mut writer = Writer::start(engine(redis.address())).await;
    let mut other = other(&redis).await;
    // As by a clock that was far ahead, and then lost with the counter.
    let ahead = 1_u64 << 52;
    writer.store(&[(topics[0].clone(), "one".into())]).await;
    let _: () = other.hset("{faults}:meta", "last", ahead).await.unwrap();
    let far = writer.store(&[(topics[0].clone(), "two".into())]).await[0];
    assert_eq!(far, Position::new(ahead + 1));
    let _: () = other.del("{faults}:meta").await.unwrap();
    let next = writer.store(&[(topics[0].clone(), "three".into())]).await[0];
    assert_eq!(next, Position::new(ahead + 2));
    let want = Want { topic: topics[0].clone(), after: far, events: 9, bytes: 99 };
    let loaded = writer.engine.load(vec![want]).await.unwrap();
    assert_eq!(loaded[0].records.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_rise_while_the_clock_is_behind() {
    let redis = Redis::start().unwrap();
    let topics = topics(3);
    let reader = Reader::start(engine(redis.address()), &topics).await;
    let mut writer = Writer::start(engine(redis.address())).await;
    let first = writer.store(&[(topics[0].clone(), "before".into())]).await[0];
    // The clock of the server is set back by an hour: the counter is an hour ahead.
    let ahead = first.get() + 3_600_000_000;
    let _: () = other(&redis).await.hset("{faults}:meta", "last", ahead).await.unwrap();
    let mut stored = Stored::new();
    stored.entry(topics[0].clone()).or_default().insert(first, "before".into());
    for round in 0..50 {
        let events: Vec<_> =
            topics.iter().map(|topic| (topic.clone(), format!("{round}"))).collect();
        for (at, (topic, body)) in writer.store(&events).await.into_iter().zip(events) {
            assert!(at.get() > ahead && at.get() <= ahead + 150);
            stored.entry(topic).or_default().insert(at, body);
        }
    }
    reader.has(&stored, HEALED).await;
    // And what was there is found from any position.
    let want = Want { topic: topics[0].clone(), after: first, events: 99, bytes: 9_999 };
    assert_eq!(writer.engine.load(vec![want]).await.unwrap()[0].records.len(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_topics_over_one_connection_are_followed_again_after_a_restart() {
    let mut redis = Redis::start().unwrap();
    let topics = topics(10_000);
    let reader = Reader::start(engine(redis.address()), &topics).await;
    let mut writer = Writer::start(engine(redis.address())).await;
    let clients: String =
        redis::cmd("CLIENT").arg("LIST").query_async(&mut other(&redis).await).await.unwrap();
    let hearing = clients.lines().filter(|line| line.contains("sub=10002")).count();
    assert_eq!(hearing, 1, "{clients}");
    redis.restart().unwrap();
    reader.until("the feed broke", HEALED, |known| known.broke == 1).await;
    let mut stored = Stored::new();
    for part in topics.chunks(500) {
        let events: Vec<_> = part.iter().map(|topic| (topic.clone(), "x".to_owned())).collect();
        for (at, (topic, body)) in writer.store(&events).await.into_iter().zip(events) {
            stored.entry(topic).or_default().insert(at, body);
        }
    }
    reader.has(&stored, HEALED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_somebody_flushed_are_there_again() {
    let redis = Redis::start().unwrap();
    let mut writer = Writer::start(engine(redis.address())).await;
    let _: () =
        redis::cmd("SCRIPT").arg("FLUSH").query_async(&mut other(&redis).await).await.unwrap();
    writer.store(&[(topics(1)[0].clone(), "x".into())]).await;
    writer.engine.mark().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_may_be_forgotten_is_and_its_floor_stays() {
    let redis = Redis::start().unwrap();
    let mut writer = Writer::start(engine(redis.address())).await;
    let (old, young) = (topics(2)[0].clone(), topics(2)[1].clone());
    let last = writer.store(&[(old.clone(), "x".into())]).await[0];
    writer.store(&[(young.clone(), "x".into())]).await;
    // Its end came, as after hours.
    let _: () = other(&redis).await.zadd("{faults}:ends", old.as_str(), 1).await.unwrap();
    writer.engine.mark().await.unwrap();
    let want =
        |topic: &Topic| Want { topic: topic.clone(), after: Position::ZERO, events: 9, bytes: 99 };
    let loaded = writer.engine.load(vec![want(&old), want(&young)]).await.unwrap();
    assert_eq!((loaded[0].head, loaded[0].records.len(), loaded[0].forgotten), (None, 0, last));
    assert_eq!(loaded[1].records.len(), 1);
    let keys: Vec<String> =
        redis::cmd("KEYS").arg("*:s:*").query_async(&mut other(&redis).await).await.unwrap();
    assert_eq!(keys, [format!("{{faults}}:s:{}", young.as_str())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_of_a_namespace_has_its_hash_tag_and_an_end_or_is_one_of_few() {
    let redis = Redis::start().unwrap();
    let mut writer = Writer::start(engine(redis.address())).await;
    writer.store(&[(topics(1)[0].clone(), "x".into())]).await;
    let mut other = other(&redis).await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut other).await.unwrap();
    for key in &keys {
        assert!(key.starts_with("{faults}:"), "{key}");
        let lives: i64 = other.pttl(key).await.unwrap();
        let few = ["meta", "head", "heads", "ends"].map(|name| format!("{{faults}}:{name}"));
        assert!(lives > 0 || few.contains(key), "{key} stays for ever");
    }
    assert_eq!(keys.len(), 6, "{keys:?}");
}

#[tokio::test]
async fn a_change_of_a_head_alone_leaves_no_stream() {
    let redis = Redis::start().unwrap();
    let engine = engine(redis.address());
    engine.start(Feed::new(|_| {})).await.unwrap();
    let entry = sse_tower_core::backplane::Entry {
        topic: topics(1)[0].clone(),
        change: Change::Disconnect,
        keep: oracle::KEEP,
    };
    let node = sse_tower_core::backplane::NodeId::random();
    let batch = sse_tower_core::backplane::Batch { node, number: 1, entries: [entry].into() };
    engine.append(batch).await.unwrap();
    let keys: Vec<String> =
        redis::cmd("KEYS").arg("*:s:*").query_async(&mut other(&redis).await).await.unwrap();
    assert_eq!(keys, [""; 0]);
}
