//! Rules of calls that are dropped, come from another runtime, or come after the end.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use bytes::Bytes;

use super::{
    Harness, KEEP, Node, event,
    node::{body, error, eventually, stored},
    topic,
};
use crate::backplane::{
    Beat, Change, Engine, EngineErrorKind, EngineFuture, EventKind, FeedItem, NodeId, Position,
    QueuedEvent, Want,
};

/// Drops a call: at once, or after it was polled once.
async fn begin<T>(mut call: EngineFuture<'_, T>, polled: bool) {
    if polled {
        poll_fn(|_| {
            let mut cx = std::task::Context::from_waker(Waker::noop());
            let _ = call.as_mut().poll(&mut cx);
            Poll::Ready(())
        })
        .await;
    }
}

/// A dropped call has its whole effect, in its place, and harms no other; only its answer is lost.
pub async fn a_dropped_call_is_whole<H: Harness>(harness: H) {
    let (node, other) = (Node::join(&harness).await, Node::join(&harness).await);
    let (sent, followed) = (topic("sent"), topic("followed"));
    // When a dropped call to follow has its effect nobody can know; that it harms none, all can.
    node.engine.follow(vec![followed.clone()]).await.expect("a topic is followed");
    for round in 0..40_u8 {
        let polled = round % 2 == 0;
        begin(node.engine.mark(), polled).await;
        begin(node.engine.follow(vec![followed.clone()]), polled).await;
        let want = Want { topic: sent.clone(), after: Position::ZERO, events: 1_000, bytes: 9_999 };
        begin(node.engine.load(vec![want]), polled).await;
        begin(node.engine.changed(Position::ZERO, 9), polled).await;
        let changes = [(sent.clone(), event([round])), (followed.clone(), event([round]))];
        let batch = node.batch(changes, KEEP);
        begin(node.engine.append(batch.clone()), polled).await;
        let answers = node.engine.append(batch).await.expect("the same batch again");
        assert_eq!(node.load(&sent).await.head.unwrap().newest, stored(answers[0]));
    }
    node.barrier().await;
    let expected: Vec<_> = (0..40_u8).map(|round| vec![round]).collect();
    let bodies = |records: &[_]| records.iter().map(|r| body(r).to_vec()).collect::<Vec<_>>();
    assert_eq!(bodies(&other.load(&sent).await.records), expected);
    assert_eq!(bodies(&node.records(&followed)), expected);
}

/// Calls may come from another runtime than the one that `start` was called on, as those of leases do, and in turn with
/// calls from there.
pub async fn a_call_may_come_from_any_runtime<H: Harness>(harness: H) {
    let node = Node::join(&harness).await;
    let topic = topic("elsewhere");
    for round in 0..3_u8 {
        let (engine, want) = (Arc::clone(&node.engine), topic.clone());
        let batch = node.batch([(topic.clone(), event([round]))], KEEP);
        let elsewhere = std::thread::spawn(move || {
            let own = tokio::runtime::Builder::new_current_thread().enable_all().build();
            own.unwrap().block_on(async {
                let stored = stored(engine.append(batch).await.unwrap()[0]);
                let want = Want { topic: want, after: Position::ZERO, events: 9, bytes: 9_999 };
                let loaded = engine.load(vec![want]).await.unwrap().remove(0);
                assert_eq!(loaded.head.unwrap().newest, stored);
                if let Some(queue) = engine.queue() {
                    let life = NodeId::random();
                    let lease = Duration::from_secs(10);
                    assert_eq!(queue.beat(life, lease).await.unwrap(), Beat::Alive);
                    queue.leave(life).await.unwrap();
                }
                stored
            })
        });
        let stored = tokio::task::spawn_blocking(|| elsewhere.join()).await.unwrap().unwrap();
        // The runtime over there is gone: what it had begun harms no call from here.
        assert_eq!(node.load(&topic).await.head.unwrap().newest, stored);
    }
    assert_eq!(node.load(&topic).await.records.len(), 3);
}

/// An append that was begun before the close is stored.
pub async fn what_was_begun_is_done_before_the_close<H: Harness>(harness: H) {
    let (node, other) = (Node::join(&harness).await, Node::join(&harness).await);
    let topic = topic("begun");
    let batch = node.batch([(topic.clone(), event("x"))], KEEP);
    drop(node.engine.append(batch));
    node.close().await;
    eventually("it is stored", async || {
        (other.load(&topic).await.records.len() == 1).then_some(())
    })
    .await;
}

/// After the close every call says so, and the feed is silent.
pub async fn a_closed_engine_says_so_and_is_silent<H: Harness>(harness: H) {
    let topic = topic("closed");
    let topics = std::slice::from_ref(&topic);
    let (node, other) = (Node::following(&harness, topics).await, Node::join(&harness).await);
    node.engine.close().await.unwrap();
    let heard = node.heard();
    other.send(&topic, "x").await;
    let want = Want { topic: topic.clone(), after: Position::ZERO, events: 1, bytes: 1 };
    let batch = node.batch([(topic.clone(), event("y"))], KEEP);
    let engine = &node.engine;
    let kinds = [
        error(engine.append(batch).await).kind(),
        error(engine.load(vec![want]).await).kind(),
        error(engine.follow(vec![topic.clone()]).await).kind(),
        error(engine.mark().await).kind(),
    ];
    assert_eq!(kinds, [EngineErrorKind::Closed; 4]);
    engine.unfollow(vec![topic.clone()]);
    engine.restart_feed();
    other.send(&topic, "z").await;
    other.barrier().await;
    assert_eq!(node.heard(), heard, "{:?}", node.items(heard));
    assert_eq!(other.load(&topic).await.records.len(), 2);
}

/// What changed is listed by its newest change, if this engine lists it at all.
pub async fn changed_topics_are_listed<H: Harness>(harness: H) {
    let node = Node::join(&harness).await;
    let topics: Vec<_> = (0..5).map(|index| topic(&format!("changed{index}"))).collect();
    for topic in topics.iter().chain(&topics[..2]) {
        node.send(topic, "x").await;
    }
    node.change(&topics[3], Change::Disconnect).await;
    let order = [2, 4, 0, 1, 3].map(|index| topics[index].clone());
    let all = node.engine.changed(Position::ZERO, 100).await.unwrap();
    if all.is_empty() {
        return; // Its feed loses nothing without saying so.
    }
    assert_eq!(all.iter().map(|(topic, _)| topic.clone()).collect::<Vec<_>>(), order);
    assert!(all.is_sorted_by(|a, b| a.1 < b.1));
    for (topic, last) in &all {
        assert_eq!(node.load(topic).await.head.unwrap().last, *last);
    }
    let later = node.engine.changed(all[1].1, 2).await.unwrap();
    assert_eq!(later, all[2..4]);
    assert_eq!(node.engine.changed(all[4].1, 9).await.unwrap(), []);
}

/// An engine without a queue refuses what belongs there, and stores nothing of its batch.
pub async fn without_a_queue_nothing_is_queued<H: Harness>(harness: H) {
    let node = Node::join(&harness).await;
    let engine: &Arc<dyn Engine> = &node.engine;
    if engine.queue().is_some() {
        return;
    }
    let topic = topic("queued");
    let event_of = QueuedEvent {
        kind: EventKind { name: "order.paid".into(), version: 1 },
        id: 7,
        head: Bytes::new(),
        body: Bytes::new(),
    };
    let changes = [(topic.clone(), event("x")), (topic.clone(), Change::Enqueue(event_of))];
    let error = error(engine.append(node.batch(changes, KEEP)).await);
    assert_eq!(error.kind(), EngineErrorKind::Unsupported, "{error}");
    assert_eq!(node.load(&topic).await.head, None);
    assert!(!node.items(0).iter().any(|item| matches!(item, FeedItem::Records { .. })));
}
