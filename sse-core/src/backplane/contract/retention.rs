//! Rules of retention: a topic keeps no less than it was told, and not without end more.

use std::time::Duration;

use super::{
    Harness, KEEP, Node, event,
    node::{body, eventually},
    topic,
};
use crate::backplane::{Change, Keep, Position, Topic, Want};

/// How many events more than it has to a store may keep of one topic, whatever they weigh.
const MORE: usize = 512;

/// The newest events are kept, as many as were asked for, and in the end not many more.
pub async fn a_topic_keeps_the_events_it_was_told<H: Harness>(harness: H) {
    let keep = Keep { events: 10, ..KEEP };
    let node = Node::join(&harness).await;
    let topic = topic("count");
    for index in 0..20_u8 {
        fill(&node, &topic, keep, 100, &[index; 20]).await;
        let loaded = node.load(&topic).await;
        assert!(loaded.records.len() >= 10);
        assert_eq!(loaded.records.last().map(|last| last.position), loaded.head.map(|h| h.newest));
    }
    bounded(&node, &topic, keep, 10 + MORE).await;
}

/// The newest events within the bytes are kept, and in the end not many more.
pub async fn a_topic_keeps_the_bytes_it_was_told<H: Harness>(harness: H) {
    let keep = Keep { bytes: 10_000, ..KEEP };
    let node = Node::join(&harness).await;
    let topic = topic("bytes");
    for index in 0..30_u8 {
        fill(&node, &topic, keep, 50, &[index; 1_000]).await;
        assert!(node.load(&topic).await.records.len() >= 10);
    }
    bounded(&node, &topic, keep, 10 + MORE).await;
}

/// A load is bounded by bytes, except for its newest event.
pub async fn the_newest_event_is_loaded_whatever_its_size<H: Harness>(harness: H) {
    let node = Node::join(&harness).await;
    let topic = topic("large");
    for size in [10, 20, 1_000] {
        node.send(&topic, vec![7; size]).await;
    }
    let load = async |events, bytes| {
        let want = Want { topic: topic.clone(), after: Position::ZERO, events, bytes };
        let loaded = node.load_one(want).await;
        loaded.records.iter().map(|record| body(record).len()).collect::<Vec<_>>()
    };
    assert_eq!(load(9, 1).await, [1_000]);
    assert_eq!(load(9, 1_019).await, [1_000]);
    assert_eq!(load(9, 1_020).await, [20, 1_000]);
    assert_eq!(load(9, usize::MAX).await, [10, 20, 1_000]);
    assert_eq!(load(2, usize::MAX).await, [20, 1_000]);
    assert_eq!(load(1, 0).await, [1_000]);
    assert_eq!(load(0, usize::MAX).await, [0; 0]);
}

/// What is older than its age goes in the end, and its head stays.
pub async fn events_go_when_they_are_too_old<H: Harness>(harness: H) {
    let keep = Keep { age: Duration::from_secs(1), ..KEEP };
    let node = Node::join(&harness).await;
    let topic = topic("age");
    fill(&node, &topic, keep, 10, b"old").await;
    let old = node.load(&topic).await;
    assert_eq!(old.records.len(), 10, "younger than a second, or this machine stood still");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let newest = old.head.unwrap().newest;
    eventually("old events are gone", async || {
        fill(&node, &topic, keep, 1, b"young").await;
        let loaded = node.load(&topic).await;
        assert!(loaded.head.unwrap().newest > newest);
        assert!(!loaded.records.is_empty());
        loaded.records.iter().all(|record| body(record) == b"young").then_some(())
    })
    .await;
}

async fn fill(node: &Node, topic: &Topic, keep: Keep, events: usize, body: &[u8]) {
    let changes = (0..events).map(|_| (topic.clone(), event(body)));
    let batch = node.batch(changes.collect::<Vec<_>>(), keep);
    node.engine.append(batch).await.expect("the batch is stored");
}

/// Waits until not more than so many events are kept. Claims go on meanwhile, for stores that trim as they append.
async fn bounded(node: &Node, topic: &Topic, keep: Keep, most: usize) {
    eventually("the topic is trimmed", async || {
        let kept = node.load(topic).await.records.len();
        let claim = node.batch([(topic.clone(), Change::Claim { holder: 1 })], keep);
        node.engine.append(claim).await.expect("the claim is stored");
        (kept <= most).then_some(())
    })
    .await;
}
