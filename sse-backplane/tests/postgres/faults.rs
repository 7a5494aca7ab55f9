//! What only PostgreSQL has: timelines, a sweep, a writer that hangs within a call. What happens to every store is in
//! `../faults/`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use engine_servers::{Postgres as Server, Relay};
use sse_tower_backplane::postgres::Postgres;
use sse_tower_core::backplane::{Engine, Position};
use tokio::time::sleep;

use crate::{
    oracle::{HEALED, Reader, Writer, topics},
    support::{client, server},
};

fn engine(url: &str) -> Arc<dyn Engine> {
    Arc::new(Postgres::new(url, "faults").unwrap())
}

async fn relay(server: &Server) -> (Relay, String) {
    let relay = Relay::start(server.address()).await.unwrap();
    let url = server.url_at(relay.address());
    (relay, url)
}

/// A dump in another server, or a promoted standby: nobody is left who knows more, and still it is another life.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_or_timeline_is_a_new_epoch() {
    engine_servers::only_with!("postgres");
    let server = server();
    let sql = client(&server.url()).await;
    let mut epochs = Vec::new();
    for past in ["system = system", "system = 7", "timeline = '0000000A'", "timeline = timeline"] {
        let engine = engine(&server.url());
        if !epochs.is_empty() {
            let sql = &sql;
            sql.batch_execute(&format!("update \"sse_faults\".meta set {past}")).await.unwrap();
        }
        let heard = sse_tower_core::backplane::Feed::new(|_| {});
        epochs.push(engine.start(heard).await.unwrap().epoch);
        engine.close().await.unwrap();
    }
    assert_ne!(epochs[0], epochs[1]);
    assert_ne!(epochs[1], epochs[2]);
    assert_eq!(epochs[2], epochs[3]);
}

/// A publisher that dies between the commit and the bell: what it stored is found by the sweep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_rang_for_is_swept_up() {
    engine_servers::only_with!("postgres");
    let server = server();
    let topics = topics(1);
    let reader = Reader::start(engine(&server.url()), &topics).await;
    let mut writer = Writer::start(engine(&server.url())).await;
    // Long enough that the reader has slowed down.
    sleep(Duration::from_secs(4)).await;
    let sql = client(&server.url()).await;
    // As the publisher's function does it, without anybody who could ring.
    let first = writer.store(&[(topics[0].clone(), "rung".into())]).await[0];
    reader.until("what was rung for", HEALED, |known| !known.events.is_empty()).await;
    let copy = "insert into \"sse_faults\".log (pos, topic, prev, kind, body) \
                select pos + 1, topic, pos, 0, 'swept' from \"sse_faults\".log; \
                insert into \"sse_faults\".batch (pos, answers) select max(pos), '{}' from \"sse_faults\".log";
    sql.batch_execute(copy).await.unwrap();
    let committed = Instant::now();
    reader
        .until("what was not", Duration::from_millis(2_500), |known| {
            known.events[&topics[0]].len() == 2
        })
        .await;
    let known = reader.known.borrow();
    assert_eq!(known.events[&topics[0]][1], (Position::new(first.get() + 1), "swept".to_owned()));
    assert!(committed.elapsed() < Duration::from_millis(2_500));
}

/// A process that stands still in the middle of a call holds no lock: the call is one statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_hangs_holds_up_nobody() {
    engine_servers::only_with!("postgres");
    let server = server();
    let (relay, url) = relay(&server).await;
    let topics = topics(1);
    let mut frozen = Writer::start(engine(&url)).await;
    let mut writer = Writer::start(engine(&server.url())).await;
    frozen.store(&[(topics[0].clone(), "1".into())]).await;
    relay.silence_all();
    let hanging =
        tokio::spawn(async move { frozen.store(&[(topics[0].clone(), "2".into())]).await });
    for round in 0..20 {
        let begun = Instant::now();
        writer.store(&[(crate::support::topic("other"), round.to_string())]).await;
        assert!(begun.elapsed() < Duration::from_secs(1), "round {round}");
    }
    relay.heal();
    hanging.await.unwrap();
}
