//! Redis through the engine, beside what the same crate does bare: `cargo bench -p sse-tower-backplane --features redis --bench redis`.
//!
//! Both sides of a pair run in turns in one process on one server, since a machine is never as quick as it was; the figure is
//! the median of the rounds' ratios.

#![allow(clippy::expect_used, reason = "it is a bench")]

mod measure;

use std::time::{Duration, Instant};

use engine_servers::Redis;
use futures_util::StreamExt;
use measure::{median, report, rounds};
use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};
use sse_tower_backplane::redis::RedisEngine;
use sse_tower_core::backplane::{
    Batch, Change, Engine, Entry, Feed, FeedItem, Keep, NodeId, Topic,
};
use tokio::sync::{mpsc, oneshot};

const ROUNDS: usize = 7;
const IN_FLIGHT: usize = 64;
const SENDS: usize = 60_000;
const HOPS: usize = 3_000;
const TOPICS: usize = 1_000;
const BODY: usize = 256;
/// So many records one batch takes.
const BATCH: usize = 128;
const KEEP: Keep = Keep { events: 116, bytes: 1 << 20, age: Duration::from_secs(3_600) };

/// The least that gives a position, stores an event within its history and tells others.
const BARE: &str = "
    local time = redis.call('TIME')
    local last = tonumber(redis.call('GET', KEYS[1]) or 0)
    local position = string.format('%.0f', math.max(last + 1, time[1] * 1000000 + time[2]))
    redis.call('SET', KEYS[1], position)
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], position, 'b', ARGV[2])
    redis.call('PUBLISH', KEYS[2], ARGV[2])
    return position";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rounds = rounds(ROUNDS);
    let server = Redis::start().map_err(|error| error.to_string())?;
    let client = Client::open(server.url())?;
    let mut rates = Vec::new();
    for _ in 0..rounds {
        rates.push((grouped(&server).await?, bare(&client).await?));
    }
    report("sends/s, 64 in flight: engine, bare script", &rates);
    let (mut hops, mut stored_hops) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let feed = through_feed(&server).await?;
        hops.push((feed, bare_hop(&client, false).await?));
        stored_hops.push((feed, bare_hop(&client, true).await?));
    }
    report("microseconds from append to feed, PUBLISH to SUBSCRIBE (p50)", &hops);
    report("the same, bare script to SUBSCRIBE (p50)", &stored_hops);
    Ok(())
}

fn topic(index: usize) -> Topic {
    Topic::new(format!("topic {}", index % TOPICS)).expect("a name")
}

fn entry(index: usize) -> Entry {
    let body = vec![b'x'; BODY].into();
    Entry { topic: topic(index), change: Change::Event { body, once: None }, keep: KEEP }
}

/// Sends that wait together are stored together, as a node does it.
async fn grouped(server: &Redis) -> Result<f64, Box<dyn std::error::Error>> {
    let engine = RedisEngine::new(&server.url(), "bench")?;
    engine.start(Feed::new(|_| {})).await?;
    let (queue, mut queued) = mpsc::unbounded_channel::<(Entry, oneshot::Sender<()>)>();
    let writer = tokio::spawn(async move {
        let (node, mut number, mut waiting) = (NodeId::random(), 0, Vec::new());
        while queued.recv_many(&mut waiting, BATCH).await > 0 {
            number += 1;
            let (entries, answers): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
            let batch = Batch { node, number, entries: entries.into() };
            if engine.append(batch).await.is_err() {
                return;
            }
            for answer in answers {
                let _ = answer.send(());
            }
        }
    });
    let begun = Instant::now();
    let senders = (0..IN_FLIGHT).map(|sender| {
        let queue = queue.clone();
        tokio::spawn(async move {
            for index in 0..SENDS / IN_FLIGHT {
                let (answer, answered) = oneshot::channel();
                let _ = queue.send((entry(sender + index * IN_FLIGHT), answer));
                if answered.await.is_err() {
                    return;
                }
            }
        })
    });
    futures_util::future::try_join_all(senders.collect::<Vec<_>>()).await?;
    let rate = SENDS as f64 / begun.elapsed().as_secs_f64();
    drop(queue);
    writer.await?;
    Ok(rate)
}

async fn connect(client: &Client) -> redis::RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&config).await
}

async fn bare(client: &Client) -> Result<f64, Box<dyn std::error::Error>> {
    let mut connection = connect(client).await?;
    let name: String =
        redis::cmd("SCRIPT").arg("LOAD").arg(BARE).query_async(&mut connection).await?;
    let begun = Instant::now();
    let senders = (0..IN_FLIGHT).map(|sender| {
        let (mut connection, name) = (connection.clone(), name.clone());
        tokio::spawn(async move {
            let body = vec![b'x'; BODY];
            for index in 0..SENDS / IN_FLIGHT {
                let mut call = redis::cmd("EVALSHA");
                let topic = format!("{{bare}}:{}", (sender + index * IN_FLIGHT) % TOPICS);
                call.arg(&name).arg(2).arg("{bare}:last").arg(topic).arg(KEEP.events).arg(&body);
                let stored: redis::RedisResult<String> = call.query_async(&mut connection).await;
                if stored.is_err() {
                    return;
                }
            }
        })
    });
    futures_util::future::try_join_all(senders.collect::<Vec<_>>()).await?;
    Ok(SENDS as f64 / begun.elapsed().as_secs_f64())
}

/// From the call of `append` on one node to the feed of another.
async fn through_feed(server: &Redis) -> Result<f64, Box<dyn std::error::Error>> {
    let (put, mut came) = mpsc::unbounded_channel();
    let reader = RedisEngine::new(&server.url(), "bench")?;
    let feed = Feed::new(move |item| {
        if let FeedItem::Records { .. } = item {
            let _ = put.send(Instant::now());
        }
    });
    reader.start(feed).await?;
    reader.follow(vec![topic(0)]).await?;
    let writer = RedisEngine::new(&server.url(), "bench")?;
    writer.start(Feed::new(|_| {})).await?;
    let (node, mut took) = (NodeId::random(), Vec::new());
    for number in 1..=HOPS as u64 {
        let begun = Instant::now();
        let batch = Batch { node, number, entries: [entry(0)].into() };
        let (stored, heard) = tokio::join!(writer.append(batch), came.recv());
        stored?;
        took.push(heard.ok_or("no feed")?.duration_since(begun).as_secs_f64() * 1e6);
    }
    Ok(median(took))
}

/// From `PUBLISH`, or from the bare script, to a subscriber.
async fn bare_hop(client: &Client, stored: bool) -> Result<f64, Box<dyn std::error::Error>> {
    let (mut sink, mut stream) = client.get_async_pubsub().await?.split();
    sink.subscribe("{bare}:hop").await?;
    let (put, mut came) = mpsc::unbounded_channel::<Instant>();
    let reader = tokio::spawn(async move {
        while let Some(message) = stream.next().await {
            let _ = put.send(Instant::now());
            drop(message);
        }
    });
    let mut connection = connect(client).await?;
    let name: String =
        redis::cmd("SCRIPT").arg("LOAD").arg(BARE).query_async(&mut connection).await?;
    let (body, mut took) = (vec![b'x'; BODY], Vec::new());
    for _ in 0..HOPS {
        let begun = Instant::now();
        let mut publish = redis::cmd(if stored { "EVALSHA" } else { "PUBLISH" });
        if stored {
            publish.arg(&name).arg(2).arg("{bare}:last").arg("{bare}:hop").arg(KEEP.events);
        } else {
            publish.arg("{bare}:hop");
        }
        publish.arg(&body);
        let (sent, heard) = tokio::join!(publish.query_async::<i64>(&mut connection), came.recv());
        sent?;
        took.push(heard.ok_or("no hop")?.duration_since(begun).as_secs_f64() * 1e6);
    }
    reader.abort();
    Ok(median(took))
}
