//! Tests of the tests: a store or a process that does one thing wrong is found by what the others assert.

use std::time::Duration;

use async_nats::jetstream::{
    self,
    stream::{Config, RetentionPolicy},
};
use engine_servers::{Nats, Postgres as Server, wanted};
use sse_tower_backplane::{nats::connect, postgres::Postgres};
use sse_tower_core::backplane::{
    Batch, Change, Engine as _, Entry, EventKind, Feed, Keep, NodeId, QueuedEvent, Registration,
    Since, StoreIn as _, Topic,
};
use tokio_postgres::Client;

use super::rows::client;

const LONG: Duration = Duration::from_secs(60);

/// Writes a function of the store anew, with `from` replaced.
async fn change(url: &str, function: &str, from: &str, to: &str) {
    let find = "select pg_get_functiondef(p.oid) from pg_proc p join pg_namespace n on n.oid = p.pronamespace \
                where n.nspname = 'sse' and p.proname = $1";
    let sql = client(url).await;
    let text: String = sql.query_one(find, &[&function]).await.unwrap().get(0);
    assert!(text.contains(from), "{function} has no {from:?}: {text}");
    sql.batch_execute(&text.replace(from, to)).await.unwrap();
}

/// A store with a listener and so many events, and two workers that have a lease.
async fn queue(url: &str, events: u128) -> [NodeId; 2] {
    let engine = Postgres::new(url, "sse").unwrap();
    engine.start(Feed::new(|_| {})).await.unwrap();
    let (queue, nodes) = (engine.queue().unwrap(), [NodeId::random(), NodeId::random()]);
    let hears = vec!["paid".into()];
    let mail = Registration { listener: "mail".into(), hears, since: Since::Now };
    queue.register(vec![mail]).await.unwrap();
    for node in nodes {
        queue.beat(node, LONG).await.unwrap();
    }
    let entries = (0..events).map(enqueue).collect();
    engine.append(Batch { node: nodes[0], number: 1, entries }).await.unwrap();
    engine.close().await.unwrap();
    nodes
}

fn enqueue(id: u128) -> Entry {
    let kind = EventKind { name: "paid".into(), version: 1 };
    let event = QueuedEvent { kind, id, head: "{}".into(), body: "body".into() };
    let keep = Keep { events: 1_000, bytes: 1 << 20, age: Duration::from_secs(3_600) };
    Entry { topic: Topic::new("unused").unwrap(), change: Change::Enqueue(event), keep }
}

async fn claim(sql: &Client, node: NodeId) -> Result<Vec<i64>, tokio_postgres::Error> {
    let claim = "select pos from sse.claim($1::text::uuid, array['mail'], array[16], array[false], array[1], \
                 array['paid'], array[1::bigint]) where pos is not null";
    let rows = sql.query(claim, &[&node.to_string()]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Two claims at the same time: the second begins while the first is not committed.
async fn two_claims(url: &str, nodes: [NodeId; 2]) -> Result<usize, tokio_postgres::Error> {
    let (one, two) = (client(url).await, client(url).await);
    one.batch_execute("begin").await.unwrap();
    let mut all = claim(&one, nodes[0]).await.unwrap();
    let second = tokio::spawn(async move { claim(&two, nodes[1]).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    one.batch_execute("commit").await.unwrap();
    all.extend(second.await.unwrap()?);
    all.sort_unstable();
    all.dedup();
    Ok(all.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_reads_before_it_has_the_lock_is_found() {
    if !wanted("postgres") {
        return;
    }
    let server = Server::start().unwrap();
    let nodes = queue(&server.url(), 64).await;
    assert_eq!(two_claims(&server.url(), nodes).await.unwrap(), 32, "each has its own");
    let try_lock = "pg_try_advisory_xact_lock(";
    change(&server.url(), "claim", "pg_advisory_xact_lock(", try_lock).await;
    let wrong = two_claims(&server.url(), nodes).await;
    assert!(!matches!(wrong, Ok(32)), "{wrong:?}");
}

/// Moves until nothing more is moved, from one snapshot to the next as an engine does. How many were.
async fn moved(url: &str) -> i32 {
    let sql = client(url).await;
    let (mut seen, mut all) = (None::<String>, 0);
    loop {
        let row =
            sql.query_one("select seen, moved from sse.move($1, 100)", &[&seen]).await.unwrap();
        let moved: i32 = row.get(1);
        if moved == 0 {
            return all;
        }
        all += moved;
        seen = row.get(0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mover_that_keeps_its_snapshot_although_it_did_not_take_all_is_found() {
    if !wanted("postgres") {
        return;
    }
    let server = Server::start().unwrap();
    queue(&server.url(), 1).await;
    let store = async || {
        let mut sql = client(&server.url()).await;
        let mut tx = sql.transaction().await.unwrap();
        let entries: Vec<_> = (0..350).map(enqueue).collect();
        tx.store("sse", &entries).await.unwrap();
        tx.commit().await.unwrap();
    };
    store().await;
    assert_eq!(moved(&server.url()).await, 350);
    store().await;
    let (from, to) = ("case when v_row.n < p_limit then v_row.now else p_seen end", "v_row.now");
    change(&server.url(), "move", from, to).await;
    assert_eq!(moved(&server.url()).await, 100, "the rest is never looked at");
}

/// How many of so many events are there once those have come back who were all away.
async fn left_behind(url: &str, events: u128) -> usize {
    let open = async || {
        let engine = connect(url, "sse").await.unwrap();
        engine.start(Feed::new(|_| {})).await.unwrap();
        engine
    };
    let engine = open().await;
    let hears = vec!["paid".into()];
    let mail = Registration { listener: "mail".into(), hears, since: Since::Now };
    engine.queue().unwrap().register(vec![mail]).await.unwrap();
    let entries = (0..events).map(enqueue).collect();
    engine.append(Batch { node: NodeId::random(), number: 1, entries }).await.unwrap();
    engine.close().await.unwrap();
    let engine = open().await;
    let stats = engine.queue().unwrap().stats().await.unwrap();
    engine.close().await.unwrap();
    stats.iter().map(|it| it.backlog).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_keeps_only_what_somebody_has_yet_to_read_is_found() {
    if !wanted("nats") {
        return;
    }
    let server = Nats::start().await.unwrap();
    assert_eq!(left_behind(&server.url(), 64).await, 64);
    drop(server);
    let server = Nats::start().await.unwrap();
    let client = async_nats::connect(server.url()).await.unwrap();
    let wrong = Config {
        name: "sse_sse".into(),
        subjects: vec!["sse.sse.log".into()],
        retention: RetentionPolicy::Interest,
        ..Config::default()
    };
    jetstream::new(client).create_stream(wrong).await.unwrap();
    assert_ne!(left_behind(&server.url(), 64).await, 64, "nobody was there");
}
