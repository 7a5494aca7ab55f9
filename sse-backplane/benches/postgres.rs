//! PostgreSQL as a backplane, beside what the same driver does bare:
//! `cargo bench -p sse-tower-backplane --features postgres --bench postgres`.
//!
//! Both sides of a pair run in turns in one process on one server, since a machine is never as quick as it was; the figure is
//! the median of the rounds' ratios. Each commit waits for the disk.

mod measure;
#[path = "measure/nodes.rs"]
mod nodes;

use std::{future::poll_fn, sync::Arc, time::Instant};

use engine_servers::Postgres as Server;
use measure::{median, report, rounds};
use nodes::{IN_FLIGHT, KEY, KEYS, Page, Result, There, hops, rate, sends, text};
use sse_tower_core::Emitters;
use tokio_postgres::{AsyncMessage, Client, NoTls, Statement};

const ROUNDS: usize = 7;
const SENDS: usize = 200 * IN_FLIGHT;
/// Connections of the bare side: as many as were quickest, and as many as a pool has by default.
const CONNECTIONS: [usize; 2] = [32, 10];
const BARE_SENDS: usize = 50 * IN_FLIGHT;
const HOPS: usize = 300;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let rounds = rounds(ROUNDS);
    let server = Server::start()?;
    let url = server.url();
    let sql = connect(&url).await?;
    sql.batch_execute(
        "create table topic (name text primary key, last bigint not null);
         create table log (topic text, pos bigint, body bytea, primary key (topic, pos));
         create table plain (n bigint generated always as identity primary key, body bytea)",
    )
    .await?;
    let (mut rates, mut pools, mut inserts, mut bare) = (vec![], vec![], vec![], vec![]);
    for _ in 0..rounds {
        let stored = sends(&url, SENDS).await?;
        rates.push((stored, counters(&url, CONNECTIONS[0]).await?));
        pools.push((stored, counters(&url, CONNECTIONS[1]).await?));
        let hop = hops(&url, HOPS).await?;
        inserts.push((hop, insert(&sql).await?));
        bare.push((hop, bare_hops(&url).await?));
    }
    report(
        "sends/s, 64 in flight: backplane, a transaction each with a counter row for each key (32 connections)",
        &rates,
    );
    report("the same (10 connections)", &pools);
    report(
        "microseconds from send to another node's socket (p50): backplane, one committed insert",
        &inserts,
    );
    report("the same: backplane, insert with NOTIFY to LISTEN to send", &bare);
    Ok(())
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// What is done without a log of one's own: each send a transaction that counts up its key's row and inserts, in one
/// statement and so in one round trip.
async fn counters(url: &str, connections: usize) -> Result<f64> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        let client = connect(url).await?;
        let statement = client
            .prepare(
                "with c as (insert into topic values ($1, 1) on conflict (name) do update set last = greatest( \
                 topic.last + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint) returning last) \
                 insert into log select $1, c.last, $2 from c",
            )
            .await?;
        clients.push((Arc::new(client), statement));
    }
    let send = |number: usize| {
        let (client, statement) = clients[number % connections].clone();
        async move {
            let (key, body) = (format!("key {}", number as u64 % KEYS), text(number));
            client.execute(&statement, &[&key, &body.as_bytes()]).await?;
            Ok(())
        }
    };
    rate(BARE_SENDS, send).await
}

async fn insert(client: &Client) -> Result<f64> {
    let statement = client.prepare("insert into plain (body) values ($1)").await?;
    let mut times = Vec::new();
    for number in 0..HOPS {
        let begun = Instant::now();
        client.execute(&statement, &[&text(number).as_bytes()]).await?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(times))
}

/// From the insert to the page of whoever listens, and sends what comes.
async fn bare_hops(url: &str) -> Result<f64> {
    let (there, heard) = (There::new()?, url.to_owned());
    let page = there
        .run(async move {
            let (listening, mut connection) = tokio_postgres::connect(&heard, NoTls).await?;
            let emitters = Emitters::new();
            let page = Page::open(&emitters).await?;
            tokio::spawn(async move {
                while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                    if let AsyncMessage::Notification(heard) = message {
                        // Done by the call.
                        drop(emitters.send(&KEY, heard.payload().to_owned()));
                    }
                }
            });
            listening.batch_execute("listen bare").await?;
            // It listens as long as its client is there.
            Ok((page, listening))
        })
        .await?;
    let client = connect(url).await?;
    let statement = client
        .prepare(
            "with stored as (insert into plain (body) values ($1) returning body) \
             select pg_notify('bare', convert_from(body, 'UTF8')) from stored",
        )
        .await?;
    let send = async |number| notify(&client, &statement, number).await;
    page.0.hops(HOPS, send).await
}

async fn notify(client: &Client, statement: &Statement, number: usize) -> Result<()> {
    client.query(statement, &[&text(number).as_bytes()]).await?;
    Ok(())
}
