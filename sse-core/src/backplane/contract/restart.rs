//! Rules of restarts: a store that is ended and started again.

use super::{Harness, KEEP, Node, event, node::error, node::stored, topic};
use crate::backplane::{Answer, Change, EngineErrorKind};

/// After a restart there are the same events, heads, answers to batches, `once` keys and epoch, and positions go on.
pub async fn a_restarted_store_knows_everything<H: Harness>(mut harness: H) {
    let node = Node::join(&harness).await;
    let (open, done) = (topic("open"), topic("done"));
    let once = Change::Event { body: "once".into(), once: Some("key".into()) };
    let mut numbered = Vec::new();
    for index in 0..20_u8 {
        let changes = [(open.clone(), event([index])), (done.clone(), event([index]))];
        numbered.push(node.batch(changes, KEEP));
        node.engine.append(numbered.last().unwrap().clone()).await.unwrap();
    }
    let first = stored(node.store([(open.clone(), once.clone())]).await[0]);
    node.change(&open, Change::Claim { holder: u64::MAX - 1 }).await;
    node.change(&open, Change::Disconnect).await;
    let last = node.batch([(done.clone(), Change::Complete), (done.clone(), event("late"))], KEEP);
    let answers = node.engine.append(last.clone()).await.unwrap();
    let before = [node.load(&open).await, node.load(&done).await];
    let mark = node.engine.mark().await.unwrap();
    node.close().await;
    if !harness.restart().await {
        return;
    }
    let node = Node::following(&harness, &[open.clone(), done.clone()]).await;
    assert_eq!(node.barrier().await, mark);
    for (before, topic) in before.iter().zip([&open, &done]) {
        let after = node.load(topic).await;
        assert_eq!((after.head, after.epoch), (before.head, before.epoch));
        assert_eq!(after.records, before.records);
        assert_eq!(after.forgotten, before.forgotten);
    }
    assert_eq!(node.engine.append(last).await.unwrap(), answers, "the newest batch again");
    let superseded = error(node.engine.append(numbered.pop().unwrap()).await);
    assert_eq!(superseded.kind(), EngineErrorKind::Superseded);
    assert_eq!(node.store([(open.clone(), once)]).await, [Answer::Repeated(first)]);
    assert_eq!(node.store([(done.clone(), event("closed"))]).await, [Answer::Closed]);
    let next = node.send(&open, "next").await;
    assert!(next > mark.position);
    node.barrier().await;
    let heard = node.records(&open);
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].previous, before[0].head.unwrap().newest);
    // Twice, so that what the first one wrote is read.
    let loaded = node.load(&open).await;
    node.close().await;
    assert!(harness.restart().await);
    let node = Node::join(&harness).await;
    assert_eq!(node.load(&open).await.records, loaded.records);
    assert!(node.send(&open, "last").await > next);
}
