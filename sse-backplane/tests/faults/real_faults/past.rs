//! What happens to what a store knows.

use sse_tower_core::backplane::{Position, Topic, Want};

use super::store::Store;
use crate::oracle::{HEALED, Reader, Stored, Writer, topics};

/// Nobody is told by the store that it lost its tail. The node that knows more finds out, whoever writes first.
async fn lost_tail<S: Store>(others_write_first: bool) {
    let mut store = S::start().await;
    let topics = topics(1);
    let mut writer = Writer::start(S::engine(store.address()).await).await;
    let events = |from, to| -> Vec<_> {
        (from..to).map(|index| (topics[0].clone(), format!("event {index}"))).collect()
    };
    writer.store(&events(0, 10)).await;
    let past = store.remember().await;
    let reader = Reader::start(S::engine(store.address()).await, &topics).await;
    let gone = writer.store(&events(10, 20)).await;
    reader.until("all of them", HEALED, |known| known.events.values().any(|e| e.len() == 20)).await;
    store.go_back(past).await;
    let mut stranger = None;
    if others_write_first {
        let mut writer = Writer::start(S::engine(store.address()).await).await;
        writer.store(&events(20, 21)).await;
        stranger = Some(writer);
    }
    reader.until("a new epoch", HEALED, |known| known.resets == 1).await;
    let again = writer.store(&events(30, 40)).await;
    assert!(again[0] > gone[9], "no position is given twice");
    let mut rest = if S::KEEPS_WHAT_IS_LEFT { events(0, 10) } else { Vec::new() };
    if S::KEEPS_WHAT_IS_LEFT && stranger.is_some() {
        rest.extend(events(20, 21));
    }
    rest.extend(events(30, 40));
    let rest: Vec<_> = rest.into_iter().map(|(_, body)| body).collect();
    reader
        .until("what the store has", HEALED, |known| {
            known.events.values().any(|events| events.iter().map(|(_, body)| body).eq(rest.iter()))
        })
        .await;
    assert_eq!(reader.known.borrow().wrong, [""; 0]);
}

pub(crate) async fn a_lost_tail_is_a_new_epoch<S: Store>() {
    lost_tail::<S>(false).await;
}

pub(crate) async fn a_lost_tail_is_a_new_epoch_although_others_wrote_meanwhile<S: Store>() {
    lost_tail::<S>(true).await;
}

pub(crate) async fn a_store_that_forgot_everything_is_a_new_epoch_with_the_next_event<S: Store>() {
    let mut store = S::start().await;
    let topics = topics(2);
    let mut writer = Writer::start(S::engine(store.address()).await).await;
    let reader = Reader::start(S::engine(store.address()).await, &topics).await;
    let before = writer.store(&[(topics[0].clone(), "before".into())]).await[0];
    reader.until("the first event", HEALED, |known| !known.events.is_empty()).await;
    store.forget_everything().await;
    let after = writer.store(&[(topics[0].clone(), "after".into())]).await[0];
    assert!(after > before, "no position is given again");
    reader
        .until("the event of the new epoch", HEALED, |known| {
            known.resets >= 1
                && known.events.get(&topics[0]).is_some_and(|events| {
                    events.iter().map(|(_, body)| body.as_str()).eq(["after"])
                })
        })
        .await;
    let known = reader.known.borrow().clone();
    assert_eq!(known.events[&topics[0]], [(after, "after".to_owned())]);
    assert_eq!(known.wrong, [""; 0]);
}

pub(crate) async fn positions_rise_while_the_clock_is_behind<S: Store>() {
    let store = S::start().await;
    let topics = topics(3);
    let reader = Reader::start(S::engine(store.address()).await, &topics).await;
    let mut writer = Writer::start(S::engine(store.address()).await).await;
    let first = writer.store(&[(topics[0].clone(), "before".into())]).await[0];
    // The clock is set back by an hour: what was stored is an hour ahead of it.
    let ahead = first.get() + 3_600_000_000;
    if !store.be_ahead(Position::new(ahead)).await {
        return;
    }
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
