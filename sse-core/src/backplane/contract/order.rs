//! Rules of order: one for all topics and nodes.

use std::collections::BTreeMap;

use tokio::task::JoinSet;

use super::{
    Harness, Node, event,
    node::{assert_chain, body, stored},
    topic,
};
use crate::backplane::{Position, Topic};

/// Four nodes append at once, to topics that all of them follow: every position is given once, and every node sees all of
/// them in one rising order, each with its predecessor.
pub async fn many_nodes_have_one_order<H: Harness>(harness: H) {
    const NODES: usize = 4;
    const BATCHES: usize = 40;
    let topics: Vec<_> = (0..5).map(|index| topic(&format!("order{index}"))).collect();
    // All of them follow before the first one appends.
    let mut following = Vec::new();
    for _ in 0..NODES {
        following.push(Node::following(&harness, &topics).await);
    }
    let mut nodes = JoinSet::new();
    for (index, node) in following.into_iter().enumerate() {
        let topics = topics.clone();
        nodes.spawn(async move {
            let mut given = BTreeMap::new();
            for batch in 0..BATCHES {
                let events: Vec<_> = (0..=batch % 7)
                    .map(|entry| {
                        let topic = topics[(index + batch + entry) % topics.len()].clone();
                        (topic, format!("{index}.{batch}.{entry}"))
                    })
                    .collect();
                let changes = events.iter().map(|(topic, body)| (topic.clone(), event(body)));
                let answers = node.store(changes).await;
                assert!(answers.iter().map(|answer| stored(*answer)).is_sorted());
                given.extend(answers.iter().map(|answer| stored(*answer)).zip(events));
            }
            (node, given)
        });
    }
    let done = nodes.join_all().await;
    let mut all = BTreeMap::<Position, (Topic, String)>::new();
    for (_, given) in &done {
        for (position, what) in given {
            let twice = all.insert(*position, what.clone());
            assert_eq!(twice, None, "position {position} was given twice");
        }
    }
    for (node, _) in &done {
        let mark = node.barrier().await;
        assert!(Some(&mark.position) >= all.keys().next_back());
        for topic in &topics {
            let heard = node.records(topic);
            let expected = all.iter().filter(|(_, (of, _))| of == topic);
            let expected: Vec<_> =
                expected.map(|(position, (_, body))| (*position, body)).collect();
            assert_eq!(heard.len(), expected.len(), "of {topic:?}");
            for (record, (position, text)) in heard.iter().zip(&expected) {
                assert_eq!((record.position, body(record)), (*position, text.as_bytes()));
            }
            assert_chain(&heard, Position::ZERO);
            assert_eq!(node.load(topic).await.records, heard, "loaded as heard");
        }
    }
}

/// One answer for each entry, rising, and the log has them in that order.
pub async fn answers_are_in_the_order_of_their_batch<H: Harness>(harness: H) {
    let node = Node::join(&harness).await;
    let (a, b) = (topic("a"), topic("b"));
    let order = [&a, &b, &b, &a, &a, &b];
    let changes = order.iter().enumerate().map(|(i, topic)| ((*topic).clone(), event([i as u8])));
    let answers: Vec<_> = node.store(changes).await.into_iter().map(stored).collect();
    assert_eq!(answers.len(), order.len());
    assert!(answers.is_sorted_by(|a, b| a < b), "{answers:?}");
    let bodies: Vec<_> =
        node.load(&b).await.records.iter().map(|record| body(record).to_vec()).collect();
    assert_eq!(bodies, [[1], [2], [5]]);
}

/// What was answered can be read at once, by every node, and no mark is older.
pub async fn what_is_stored_can_be_read_by_all<H: Harness>(harness: H) {
    let (a, b) = (Node::join(&harness).await, Node::join(&harness).await);
    let topic = topic("read");
    for turn in 0..50_u8 {
        let (writer, reader) = if turn % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let position = writer.send(&topic, [turn]).await;
        let loaded = reader.load_after(&topic, Position::new(position.get() - 1)).await;
        assert_eq!(loaded.head.map(|head| head.newest), Some(position));
        assert_eq!(loaded.records.last().map(|record| record.position), Some(position));
        assert!(reader.engine.mark().await.unwrap().position >= position);
    }
}
