//! A server that is killed, frozen, cut off, set back and robbed of what it knew: nothing that was stored is lost, doubled or
//! out of order, or a new epoch says so; and it is over in less than six seconds.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use engine_servers::{Postgres as Server, Relay, Signal};
use sse_tower_backplane::postgres::Postgres;
use sse_tower_core::backplane::{Engine, Position, Topic, Want};
use tokio::time::sleep;

use crate::{
    oracle::{HEALED, Load, Reader, Stored, Writer, topics},
    support::{client, server},
};

fn engine(url: &str) -> Arc<dyn Engine> {
    Arc::new(Postgres::new(url, "faults").unwrap())
}

fn engines(url: &str) -> Vec<Arc<dyn Engine>> {
    vec![engine(url), engine(url)]
}

async fn relay(server: &Server) -> (Relay, String) {
    let relay = Relay::start(server.address()).await.unwrap();
    let url = server.url_at(relay.address());
    (relay, url)
}

/// Waits until an event comes that came after `since`.
async fn hears_again(reader: &Reader, since: Instant, within: Duration) {
    reader.until("an event after the fault", within, |known| known.newest > Some(since)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_three_times_loses_and_doubles_nothing() {
    let mut server = Server::start().unwrap();
    let topics = topics(4);
    let reader = Reader::start(engine(&server.url()), &topics).await;
    let load = Load::start(engines(&server.url()), &topics, 100).await;
    for _ in 0..3 {
        sleep(Duration::from_millis(400)).await;
        server.kill();
        sleep(Duration::from_millis(300)).await;
        server.restart().unwrap();
        hears_again(&reader, Instant::now(), HEALED).await;
    }
    reader.has(&load.stop().await, HEALED).await;
    let known = reader.known.borrow();
    assert_eq!((known.resets, known.broke), (0, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stood_still_for_four_seconds_loses_and_doubles_nothing() {
    let server = server();
    let topics = topics(4);
    let reader = Reader::start(engine(&server.url()), &topics).await;
    let load = Load::start(engines(&server.url()), &topics, 100).await;
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
    let server = server();
    let (relay, url) = relay(&server).await;
    let topics = topics(4);
    let reader = Reader::start(engine(&url), &topics).await;
    let load = Load::start(engines(&server.url()), &topics, 100).await;
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
    let server = server();
    let (relay, url) = relay(&server).await;
    let topics = topics(4);
    let reader = Reader::start(engine(&server.url()), &topics).await;
    let load = Load::start(engines(&url), &topics, 100).await;
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
    let server = server();
    let ((reads, reads_url), (writes, writes_url)) = (relay(&server).await, relay(&server).await);
    let topics = topics(4);
    let reader = Reader::start(engine(&reads_url), &topics).await;
    let load = Load::start(engines(&writes_url), &topics, 3_000).await;
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

/// An older copy of the database is put in its place. The node that knows more than the store finds out, whoever writes first.
async fn lost_tail(others_write_first: bool) {
    let mut server = server();
    let topics = topics(1);
    let mut writer = Writer::start(engine(&server.url())).await;
    let events = |from, to| -> Vec<_> {
        (from..to).map(|index| (topics[0].clone(), format!("event {index}"))).collect()
    };
    writer.store(&events(0, 10)).await;
    let backup = server.backup().unwrap();
    server.restart().unwrap();
    let reader = Reader::start(engine(&server.url()), &topics).await;
    let gone = writer.store(&events(10, 20)).await;
    reader.until("all of them", HEALED, |known| known.events.values().any(|e| e.len() == 20)).await;
    server.restore(&backup).unwrap();
    server.restart().unwrap();
    let mut stranger = None;
    if others_write_first {
        let mut writer = Writer::start(engine(&server.url())).await;
        writer.store(&events(20, 21)).await;
        stranger = Some(writer);
    }
    reader.until("a new epoch", HEALED, |known| known.resets == 1).await;
    let again = writer.store(&events(30, 40)).await;
    assert!(again[0] > gone[9], "no position is given twice");
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
    let known = reader.known.borrow();
    assert_eq!((known.resets, &known.wrong[..]), (1, &[][..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_tail_is_a_new_epoch() {
    lost_tail(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_tail_is_a_new_epoch_although_others_wrote_meanwhile() {
    lost_tail(true).await;
}

/// A dump in another server, or a promoted standby: nobody is left who knows more, and still it is another life.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_or_timeline_is_a_new_epoch() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_was_dropped_is_made_again_as_a_new_epoch() {
    let server = server();
    let topics = topics(2);
    let mut writer = Writer::start(engine(&server.url())).await;
    let reader = Reader::start(engine(&server.url()), &topics).await;
    let before = writer.store(&[(topics[0].clone(), "before".into())]).await[0];
    reader.until("the first event", HEALED, |known| !known.events.is_empty()).await;
    client(&server.url()).await.batch_execute("drop schema \"sse_faults\" cascade").await.unwrap();
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
async fn positions_rise_while_the_clock_is_behind() {
    let server = server();
    let topics = topics(3);
    let reader = Reader::start(engine(&server.url()), &topics).await;
    let mut writer = Writer::start(engine(&server.url())).await;
    let first = writer.store(&[(topics[0].clone(), "before".into())]).await[0];
    // The clock of the server is set back by an hour: the newest position is an hour ahead.
    let ahead = first.get() + 3_600_000_000;
    let sql = format!("insert into \"sse_faults\".batch (pos, answers) values ({ahead}, '{{}}')");
    client(&server.url()).await.batch_execute(&sql).await.unwrap();
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
    let want =
        |topic: &Topic| Want { topic: topic.clone(), after: first, events: 99, bytes: 9_999 };
    assert_eq!(writer.engine.load(vec![want(&topics[0])]).await.unwrap()[0].records.len(), 50);
}

/// A publisher that dies between the commit and the bell: what it stored is found by the sweep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_rang_for_is_swept_up() {
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
