//! Rules of `once` keys: an event is stored once, however often it is sent.

use std::sync::Arc;

use bytes::Bytes;

use super::{Harness, KEEP, Node, event, node::stored, topic};
use crate::backplane::{Answer, Change, Keep};

fn once(key: &str) -> Change {
    Change::Event { body: Bytes::from_static(b"once"), once: Some(Arc::from(key)) }
}

/// The second one with a key is answered with the position of the first: in one batch, on another node, at the same
/// moment. Keys are each topic's own.
pub async fn a_once_key_is_stored_once<H: Harness>(harness: H) {
    let (a, b) = (Node::join(&harness).await, Node::join(&harness).await);
    let (topic, other) = (topic("once"), topic("another"));
    let changes = ["k", "k", "K"].map(|key| (topic.clone(), once(key)));
    let answers = a.store(changes).await;
    let first = stored(answers[0]);
    assert_eq!(answers[1], Answer::Repeated(first));
    stored(answers[2]);
    assert_eq!(b.store([(topic.clone(), once("k"))]).await, [Answer::Repeated(first)]);
    stored(b.store([(other.clone(), once("k"))]).await[0]);
    for key in (0..20).map(|key| format!("at once {key}: * \0 ü")) {
        let one = a.begin([(other.clone(), once(&key))]);
        let two = b.begin([(other.clone(), once(&key))]);
        let (one, two) = (one.await.unwrap(), two.await.unwrap());
        let position = match (one[0], two[0]) {
            (Answer::Stored(at), Answer::Repeated(of))
            | (Answer::Repeated(of), Answer::Stored(at)) => {
                assert_eq!(at, of);
                at
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(b.load(&other).await.head.unwrap().newest, position);
    }
    assert_eq!(a.load(&topic).await.records.len(), 2);
    assert_eq!(a.load(&other).await.records.len(), 21);
}

/// A key is known after its event left the log: trimmed, or deleted with its topic.
pub async fn a_once_key_outlives_its_event<H: Harness>(harness: H) {
    let keep = Keep { events: 1, ..KEEP };
    let node = Node::join(&harness).await;
    let topic = topic("outlived");
    let batch = node.batch([(topic.clone(), once("k"))], keep);
    let first = stored(node.engine.append(batch).await.unwrap()[0]);
    for _ in 0..20 {
        let batch = node.batch((0..100).map(|_| (topic.clone(), event("x"))), keep);
        node.engine.append(batch).await.unwrap();
    }
    let again = node.engine.append(node.batch([(topic.clone(), once("k"))], keep)).await.unwrap();
    assert_eq!(again, [Answer::Repeated(first)]);
    node.change(&topic, Change::Forget).await;
    assert_eq!(node.store([(topic.clone(), once("k"))]).await, [Answer::Repeated(first)]);
}
