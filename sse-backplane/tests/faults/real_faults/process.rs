//! What happens to processes: the store's, and a publisher's.

use std::time::{Duration, Instant};

use engine_servers::Signal;
use sse_tower_core::backplane::{Change, Position, Want};
use tokio::time::sleep;

use super::store::{Store, hears_again, relay, two};
use crate::oracle::{HEALED, Load, Reader, Stored, Writer, topics};

pub(crate) async fn a_store_that_is_killed_three_times_loses_and_doubles_nothing<S: Store>() {
    let mut store = S::start().await;
    let topics = topics(4);
    let reader = Reader::start(S::engine(store.address()).await, &topics).await;
    let load = Load::start(two::<S>(store.address()).await, &topics, 100).await;
    for _ in 0..3 {
        sleep(Duration::from_millis(400)).await;
        store.kill();
        sleep(Duration::from_millis(300)).await;
        store.restart().await;
        hears_again(&reader, Instant::now()).await;
    }
    reader.has(&load.stop().await, HEALED).await;
    let known = reader.known.borrow();
    assert_eq!((known.resets, known.broke), (0, 3));
}

pub(crate) async fn a_store_that_stood_still_for_four_seconds_loses_and_doubles_nothing<
    S: Store,
>() {
    let store = S::start().await;
    let topics = topics(4);
    let reader = Reader::start(S::engine(store.address()).await, &topics).await;
    let load = Load::start(two::<S>(store.address()).await, &topics, 100).await;
    sleep(Duration::from_millis(300)).await;
    store.signal(Signal::STOP);
    sleep(Duration::from_secs(4)).await;
    store.signal(Signal::CONT);
    hears_again(&reader, Instant::now()).await;
    reader.has(&load.stop().await, HEALED).await;
    assert_eq!(reader.known.borrow().resets, 0);
}

/// Between the commit and the bell, where there is one: the store has it, and who stored it neither knows nor rings.
pub(crate) async fn a_publisher_that_dies_before_it_is_told_is_heard_all_the_same<S: Store>() {
    let store = S::start().await;
    let relay = relay(&store).await;
    let topics = topics(1);
    let reader = Reader::start(S::engine(store.address()).await, &topics).await;
    let mut stored = Stored::new();
    for round in 0.. {
        let mut publisher = Writer::start(S::engine(relay.address()).await).await;
        // Its connections are there, and what they have to agree on before a call.
        let first = publisher.store(&[(topics[0].clone(), format!("told {round}"))]).await[0];
        stored.entry(topics[0].clone()).or_default().insert(first, format!("told {round}"));
        // The store's answer ends everything that the publisher has.
        relay.cut_after(0);
        let (topic, text) = (topics[0].clone(), format!("untold {round}"));
        let event = (topic.clone(), text.clone());
        let dying = tokio::spawn(async move { publisher.store(&[event]).await });
        while relay.will_cut() {
            sleep(Duration::from_millis(1)).await;
        }
        relay.refuse();
        dying.abort();
        let _ = dying.await;
        relay.heal();
        // What the store still does for a publisher that is dead is over by then; nobody can say when.
        sleep(Duration::from_millis(300)).await;
        let want = Want { topic: topic.clone(), after: Position::ZERO, events: 99, bytes: 9999 };
        let loaded = reader.engine.load(vec![want]).await.unwrap().remove(0);
        for record in loaded.records {
            let Change::Event { body, .. } = record.change else { continue };
            let body = String::from_utf8(body.to_vec()).unwrap();
            stored.entry(topic.clone()).or_default().insert(record.position, body);
        }
        if stored[&topic].values().any(|body| *body == text) {
            break;
        }
        // The answer to something else came first, and it was never stored: once more.
        assert!(round < 5, "nothing is stored");
    }
    reader.has(&stored, HEALED).await;
    assert_eq!(reader.known.borrow().resets, 0);
}

pub(crate) async fn ten_thousand_topics_over_one_connection_are_followed_again_after_a_restart<
    S: Store,
>() {
    let mut store = S::start().await;
    let relay = relay(&store).await;
    let few = Reader::start(S::engine(relay.address()).await, &topics(1)).await;
    let connections = relay.accepted();
    drop(few);
    let topics = topics(10_000);
    let reader = Reader::start(S::engine(relay.address()).await, &topics).await;
    assert_eq!(relay.accepted(), 2 * connections, "no more than for one topic");
    let mut writer = Writer::start(S::engine(store.address()).await).await;
    store.restart().await;
    reader.until("the feed broke", HEALED, |known| known.broke == 1).await;
    let mut stored = Stored::new();
    for part in topics.chunks(500) {
        let events: Vec<_> = part.iter().map(|topic| (topic.clone(), "x".to_owned())).collect();
        for (at, (topic, body)) in writer.store(&events).await.into_iter().zip(events) {
            stored.entry(topic).or_default().insert(at, body);
        }
    }
    assert!(stored.values().flat_map(|events| events.keys()).all(|at| *at > Position::ZERO));
    reader.has(&stored, HEALED).await;
}
