//! What only Redis has to lose: its counter, its scripts, heads that nobody needs any more. What happens to every store is in
//! `faults/`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

mod oracle;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use engine_servers::Redis;
use oracle::{Writer, topics};
use redis::AsyncCommands;
use sse_tower_backplane::{Backplane, redis::RedisEngine};
use sse_tower_core::{
    Emitters, SendError,
    backplane::{Change, Engine, Feed, FeedItem, Health, Position, Topic, Want},
};
use tokio::time::timeout;

const NAMESPACE: &str = "faults";

fn engine(address: impl std::fmt::Display) -> Arc<dyn Engine> {
    Arc::new(RedisEngine::new(&format!("redis://{address}/"), NAMESPACE).unwrap())
}

/// A connection of somebody else.
async fn other(redis: &Redis) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(redis.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_counter_that_is_lost_alone_goes_on_behind_what_is_there() {
    engine_servers::only_with!("redis");
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
async fn scripts_that_somebody_flushed_are_there_again() {
    engine_servers::only_with!("redis");
    let redis = Redis::start().unwrap();
    let mut writer = Writer::start(engine(redis.address())).await;
    let _: () =
        redis::cmd("SCRIPT").arg("FLUSH").query_async(&mut other(&redis).await).await.unwrap();
    writer.store(&[(topics(1)[0].clone(), "x".into())]).await;
    writer.engine.mark().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_may_be_forgotten_is_and_its_floor_stays() {
    engine_servers::only_with!("redis");
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
    engine_servers::only_with!("redis");
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
    engine_servers::only_with!("redis");
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

/// What somebody does to the server, once.
async fn ask(redis: &Redis, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    let _: redis::Value =
        command.arg(&words[1..]).query_async(&mut other(redis).await).await.unwrap();
}

/// A node of this server, which was up for a moment.
async fn node(redis: &Redis) -> (Backplane, Emitters<u64>) {
    let backplane = Backplane::builder(redis.url()).namespace(NAMESPACE).open().await.unwrap();
    let emitters = Emitters::builder().backplane(&backplane, "keys").build();
    emitters.send(&7, "before").await.unwrap();
    assert_eq!(*backplane.health().borrow(), Health::Up);
    (backplane, emitters)
}

/// It cannot store: it is degraded at once and down for good, and whoever sends is told why.
async fn is_down(backplane: &Backplane, emitters: &Emitters<u64>, why: &str) {
    let mut health = backplane.health();
    let mut is = async |wanted: fn(&Health) -> bool| {
        let found = timeout(Duration::from_secs(8), health.wait_for(wanted)).await;
        found.unwrap().unwrap();
    };
    let sent = emitters.send(&7, "meanwhile");
    is(|health| matches!(health, Health::Degraded { .. })).await;
    is(|health| matches!(health, Health::Down { .. })).await;
    let mut health = backplane.health();
    let other =
        timeout(Duration::from_secs(3), health.wait_for(|it| !matches!(it, Health::Down { .. })));
    assert!(other.await.is_err(), "it stays down");
    let Err(SendError::Backplane { source, .. }) = sent.await else { panic!("it was not stored") };
    let mut said = source.to_string();
    let mut cause = std::error::Error::source(&source);
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    assert!(said.contains(why), "{said}");
}

/// It can store again, and has stored what it was asked for meanwhile once.
async fn is_up_again(backplane: &Backplane, emitters: &Emitters<u64>, redis: &Redis) {
    let mut health = backplane.health();
    let up = timeout(Duration::from_secs(8), health.wait_for(|health| *health == Health::Up)).await;
    up.unwrap().unwrap();
    emitters.send(&7, "after").await.unwrap();
    let mut other = other(redis).await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*:s:*").query_async(&mut other).await.unwrap();
    let stored: usize = redis::cmd("XLEN").arg(&keys[0]).query_async(&mut other).await.unwrap();
    assert_eq!(stored, 3, "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_full_is_down_until_it_has_room() {
    engine_servers::only_with!("redis");
    let redis = Redis::start().unwrap();
    let (backplane, emitters) = node(&redis).await;
    ask(&redis, &["CONFIG", "SET", "maxmemory", "1"]).await;
    is_down(&backplane, &emitters, "has no memory left").await;
    ask(&redis, &["CONFIG", "SET", "maxmemory", "0"]).await;
    is_up_again(&backplane, &emitters, &redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_save_is_down_until_it_can_and_is_heard_all_the_time() {
    engine_servers::only_with!("redis");
    let redis = Redis::start_with(&["--save", "3600 1", "--dbfilename", "saved"]).unwrap();
    let (backplane, emitters) = node(&redis).await;
    let broke = Arc::new(AtomicUsize::new(0));
    let hears = RedisEngine::new(&redis.url(), NAMESPACE).unwrap();
    let count = broke.clone();
    let feed = Feed::new(move |item| {
        count.fetch_add(usize::from(matches!(item, FeedItem::Broke)), Ordering::SeqCst);
    });
    hears.start(feed).await.unwrap();
    // A folder where its file should be.
    let in_the_way = redis.folder().join("saved");
    let _ = fs::remove_file(&in_the_way);
    fs::create_dir(&in_the_way).unwrap();
    ask(&redis, &["BGSAVE"]).await;
    saved(&redis, false).await;
    is_down(&backplane, &emitters, "it cannot save to its disk").await;
    hears.mark().await.unwrap();
    assert_eq!(broke.load(Ordering::SeqCst), 0, "its connection is as good as before");
    fs::remove_dir(&in_the_way).unwrap();
    ask(&redis, &["BGSAVE"]).await;
    saved(&redis, true).await;
    is_up_again(&backplane, &emitters, &redis).await;
}

/// Waits until its last attempt to save ended so.
async fn saved(redis: &Redis, well: bool) {
    let said = format!("rdb_last_bgsave_status:{}", if well { "ok" } else { "err" });
    let saved = async {
        let mut other = other(redis).await;
        loop {
            let info: String =
                redis::cmd("INFO").arg("persistence").query_async(&mut other).await.unwrap();
            if info.contains(&said) && info.contains("rdb_bgsave_in_progress:0") {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(8), saved).await.unwrap();
}
