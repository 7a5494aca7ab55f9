//! Rules of batches: stored once, whole, or not at all.

use super::{
    Harness, KEEP, Node, event,
    node::{error, stored},
    topic,
};
use crate::backplane::{Answer, Batch, Change, EngineErrorKind};

/// A repeated batch is answered as it was, with everything that happened since, and is not stored again.
pub async fn a_repeated_batch_has_its_first_answers<H: Harness>(harness: H) {
    let (node, other) = (Node::join(&harness).await, Node::join(&harness).await);
    let topic = topic("repeated");
    let changes = [
        (topic.clone(), event("a")),
        (topic.clone(), Change::Complete),
        (topic.clone(), event("b")),
        (topic.clone(), Change::Complete),
    ];
    let batch = node.batch(changes, KEEP);
    let first = node.engine.append(batch.clone()).await.unwrap();
    assert!(matches!(
        first[..],
        [Answer::Stored(_), Answer::Stored(_), Answer::Closed, Answer::Closed]
    ));
    other.change(&topic, Change::Forget).await;
    other.send(&topic, "later").await;
    let before = node.load(&topic).await;
    assert_eq!(node.engine.append(batch.clone()).await.unwrap(), first);
    // Another connection of the same node, as after a failure of the first.
    assert_eq!(other.engine.append(batch).await.unwrap(), first);
    let after = node.load(&topic).await;
    assert_eq!((after.head, after.records), (before.head, before.records));
}

/// A batch that two connections of a node bring at once is stored once, and both hear the same.
pub async fn a_batch_in_flight_twice_is_stored_once<H: Harness>(harness: H) {
    let (node, again) = (Node::join(&harness).await, Node::join(&harness).await);
    let topic = topic("twice");
    for round in 0..50_u8 {
        let batch = node.batch((0..5).map(|_| (topic.clone(), event([round]))), KEEP);
        let first = node.engine.append(batch.clone());
        let second = tokio::spawn({
            let engine = again.engine.clone();
            async move { engine.append(batch).await.unwrap() }
        });
        assert_eq!(first.await.unwrap(), second.await.unwrap());
    }
    assert_eq!(node.load(&topic).await.records.len(), 250);
}

/// A batch that comes after a newer one of its node is refused.
pub async fn a_lower_batch_number_is_superseded<H: Harness>(harness: H) {
    let (node, other) = (Node::join(&harness).await, Node::join(&harness).await);
    let topic = topic("late");
    let first = node.batch([(topic.clone(), event("first"))], KEEP);
    let late = node.batch([(topic.clone(), event("late"))], KEEP);
    let newest = node.batch([(topic.clone(), event("newest"))], KEEP);
    node.engine.append(first.clone()).await.unwrap();
    let answers = node.engine.append(newest.clone()).await.unwrap();
    for lower in [first, late] {
        let error = error(node.engine.append(lower).await);
        assert_eq!(error.kind(), EngineErrorKind::Superseded, "{error}");
    }
    // Numbers are each node's own.
    other.send(&topic, "of another node").await;
    assert_eq!(node.engine.append(newest).await.unwrap(), answers);
    assert_eq!(node.load(&topic).await.records.len(), 3);
}

/// One entry that cannot be stored: nothing of its batch is, and its number is free.
pub async fn a_batch_is_stored_whole_or_not_at_all<H: Harness>(harness: H) {
    let node = Node::join(&harness).await;
    let (topic, other) = (topic("whole"), topic("other"));
    let large = event(vec![0; harness.max_body() + 1]);
    let batch = node.batch([(topic.clone(), event("a")), (other.clone(), large)], KEEP);
    let (id, number) = (batch.node, batch.number);
    let error = error(node.engine.append(batch).await);
    assert_eq!(error.kind(), EngineErrorKind::Refused, "{error}");
    for topic in [&topic, &other] {
        let loaded = node.load(topic).await;
        assert_eq!((loaded.head, loaded.records.len()), (None, 0));
    }
    let entries = node.batch([(topic.clone(), event("b"))], KEEP).entries;
    let answers = node.engine.append(Batch { node: id, number, entries }).await.unwrap();
    assert_eq!(node.load(&topic).await.records[0].position, stored(answers[0]));
}

/// 512 entries and 4 MB are one batch.
pub async fn a_large_batch_is_one_batch<H: Harness>(harness: H) {
    let topics = [topic("large0"), topic("large1"), topic("large2")];
    let node = Node::following(&harness, &topics).await;
    let changes = (0..512_usize).map(|i| (topics[i % 3].clone(), event(vec![i as u8; 8_192])));
    let answers = node.store(changes.collect::<Vec<_>>()).await;
    assert_eq!(answers.len(), 512);
    assert!(answers.iter().map(|answer| stored(*answer)).is_sorted_by(|a, b| a < b));
    node.barrier().await;
    for topic in &topics {
        assert_eq!(node.records(topic), node.load(topic).await.records);
    }
}
