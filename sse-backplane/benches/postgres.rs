//! PostgreSQL through the engine, beside what the same driver does bare:
//! `cargo bench -p sse-tower-backplane --features postgres --bench postgres`.
//!
//! Both sides of a pair run in turns in one process on one server, since a machine is never as quick as it was; the figure is
//! the median of the rounds' ratios. Each commit waits for the disk.

#![allow(clippy::expect_used, reason = "it is a bench")]

mod measure;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use engine_servers::Postgres as Server;
use measure::{median, report, rounds};
use sse_tower_backplane::postgres::Postgres;
use sse_tower_core::backplane::{
    Batch, Change, Engine, Entry, Feed, FeedItem, Keep, NodeId, Topic,
};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::{Client, NoTls};

const ROUNDS: usize = 7;
const IN_FLIGHT: usize = 64;
const SENDS: usize = 12_800;
/// Connections of the bare side: more were not quicker.
const CONNECTIONS: usize = 32;
const BARE_SENDS: usize = 3_200;
const HOPS: usize = 300;
const TOPICS: usize = 1_000;
const BODY: usize = 256;
/// So many records one batch takes.
const BATCH: usize = 128;
const KEEP: Keep = Keep { events: 116, bytes: 1 << 20, age: Duration::from_secs(3_600) };

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let rounds = rounds(ROUNDS);
    let server = Server::start().map_err(|error| error.to_string())?;
    let sql = connect(&server).await?;
    sql.batch_execute(
        "create table topic (name text primary key, last bigint not null);
         create table log (topic text, pos bigint, body bytea, primary key (topic, pos));
         create table plain (n bigint generated always as identity primary key, body bytea)",
    )
    .await?;
    let mut rates = Vec::new();
    for _ in 0..rounds {
        rates.push((grouped(&server).await?, counters(&server).await?));
    }
    report(
        "sends/s, 64 in flight: engine, a transaction each with a counter row for each key",
        &rates,
    );
    let mut hops = Vec::new();
    for _ in 0..rounds {
        hops.push((through_feed(&server).await?, insert(&sql).await?));
    }
    report("microseconds from append to another node's feed, one committed insert (p50)", &hops);
    Ok(())
}

async fn connect(server: &Server) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn entry(index: usize) -> Entry {
    let topic = Topic::new(format!("topic {}", index % TOPICS)).expect("a name");
    let body = vec![b'x'; BODY].into();
    Entry { topic, change: Change::Event { body, once: None }, keep: KEEP }
}

/// Sends that wait together are stored together, as a node does it.
async fn grouped(server: &Server) -> Result<f64> {
    let engine = Postgres::new(&server.url(), "bench")?;
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
            // Whoever was answered has its turn to send again; else two halves would alternate.
            tokio::task::yield_now().await;
        }
        let _ = engine.close().await;
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

/// What is done without a log of one's own: each send a transaction that counts up its key's row and inserts, in one
/// statement and so in one round trip.
async fn counters(server: &Server) -> Result<f64> {
    let mut tasks = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let client = connect(server).await?;
        let statement = client
            .prepare(
                "with c as (insert into topic values ($1, 1) on conflict (name) do update set last = greatest( \
                 topic.last + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint) returning last) \
                 insert into log select $1, c.last, $2 from c",
            )
            .await?;
        clients.push((Arc::new(client), statement));
    }
    let begun = Instant::now();
    for sender in 0..IN_FLIGHT {
        let (client, statement) = clients[sender % CONNECTIONS].clone();
        tasks.push(tokio::spawn(async move {
            let body = vec![b'x'; BODY];
            for index in 0..BARE_SENDS / IN_FLIGHT {
                let topic = format!("topic {}", (sender + index * IN_FLIGHT) % TOPICS);
                client.execute(&statement, &[&topic, &body]).await?;
            }
            Ok::<_, tokio_postgres::Error>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(BARE_SENDS as f64 / begun.elapsed().as_secs_f64())
}

/// From the call of `append` on one node to the feed of another.
async fn through_feed(server: &Server) -> Result<f64> {
    let (put, mut came) = mpsc::unbounded_channel();
    let (a, b) = (Postgres::new(&server.url(), "hop")?, Postgres::new(&server.url(), "hop")?);
    a.start(Feed::new(|_| {})).await?;
    let heard = Feed::new(move |item| {
        if matches!(item, FeedItem::Records { .. }) {
            let _ = put.send(Instant::now());
        }
    });
    b.start(heard).await?;
    b.follow(vec![entry(0).topic]).await?;
    let node = NodeId::random();
    let mut times = Vec::new();
    for number in 1..=HOPS as u64 {
        let batch = Batch { node, number, entries: [entry(0)].into() };
        let begun = Instant::now();
        a.append(batch).await?;
        let heard = came.recv().await.ok_or("the feed ended")?;
        times.push(heard.saturating_duration_since(begun).as_secs_f64() * 1e6);
    }
    a.close().await?;
    b.close().await?;
    Ok(median(times))
}

async fn insert(client: &Client) -> Result<f64> {
    let statement = client.prepare("insert into plain (body) values ($1)").await?;
    let body = vec![b'x'; BODY];
    let mut times = Vec::new();
    for _ in 0..HOPS {
        let begun = Instant::now();
        client.execute(&statement, &[&body]).await?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(times))
}
