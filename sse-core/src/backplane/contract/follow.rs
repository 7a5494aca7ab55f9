//! Rules of following topics.

use super::{Harness, Node, event, topic};
use crate::backplane::FeedItem;

/// Many topics are followed in one call, and the changes of each come.
pub async fn ten_thousand_topics_are_followed_at_once<H: Harness>(harness: H) {
    let topics: Vec<_> = (0..10_000).map(|index| topic(&format!("many:{index}"))).collect();
    let (node, other) = (Node::following(&harness, &topics).await, Node::join(&harness).await);
    let some: Vec<_> = topics.iter().step_by(100).collect();
    other.store(some.iter().map(|topic| ((*topic).clone(), event("x")))).await;
    node.barrier().await;
    for topic in some {
        assert_eq!(node.records(topic).len(), 1, "{topic:?}");
    }
    node.engine.unfollow(topics);
}

/// A topic that is followed twice comes once, and one call ends it.
pub async fn following_twice_is_following_once<H: Harness>(harness: H) {
    let topic = topic("followed");
    let topics = [topic.clone(), topic.clone()];
    let node = Node::following(&harness, &topics).await;
    node.engine.follow(vec![topic.clone()]).await.unwrap();
    node.send(&topic, "x").await;
    node.barrier().await;
    assert_eq!(node.records(&topic).len(), 1);
    node.engine.unfollow(vec![topic.clone()]);
    // What is not followed may still come, but the order is that of the calls: followed again, it comes.
    node.engine.follow(vec![topic.clone()]).await.unwrap();
    let at = node.send(&topic, "y").await;
    node.barrier().await;
    assert_eq!(node.records(&topic).last().map(|record| record.position), Some(at));
}

/// Unfollow and follow keep their order, however quickly they come, also when the future of `follow` is dropped.
pub async fn a_topic_unfollowed_and_followed_is_followed<H: Harness>(harness: H) {
    let (node, other) = (Node::join(&harness).await, Node::join(&harness).await);
    let topics: Vec<_> = (0..20).map(|index| topic(&format!("again{index}"))).collect();
    for round in 0..30 {
        let topic = &topics[round % topics.len()];
        for _ in 0..round % 4 {
            drop(node.engine.follow(vec![topic.clone()]));
            node.engine.unfollow(vec![topic.clone()]);
        }
        node.engine.follow(vec![topic.clone()]).await.unwrap();
        let at = other.send(topic, "x").await;
        node.barrier().await;
        let last = node.records(topic).last().map(|record| record.position);
        assert_eq!(last, Some(at), "round {round}");
        node.engine.unfollow(vec![topic.clone()]);
    }
}

/// A feed that is told to connect anew says that it broke and that it is whole, in this order, and goes on.
pub async fn a_restarted_feed_says_so_and_goes_on<H: Harness>(harness: H) {
    let topics = [topic("restarted0"), topic("restarted1")];
    let (node, other) = (Node::following(&harness, &topics).await, Node::join(&harness).await);
    for round in 0..3 {
        let from = node.heard();
        node.engine.restart_feed();
        node.until("whole after broke", |items| {
            let broke = items[from..].iter().position(|item| matches!(item, FeedItem::Broke));
            broke.is_some_and(|at| {
                items[from + at..].iter().any(|item| matches!(item, FeedItem::Whole))
            })
        })
        .await;
        for topic in &topics {
            let at = other.send(topic, "x").await;
            let from = node.heard();
            let mark = node.barrier().await;
            assert!(mark.position >= at);
            let brought = node.items(0).into_iter().any(|item| {
                matches!(item, FeedItem::Records { records, .. }
                    if records.iter().any(|record| record.position == at && record.topic == *topic))
            });
            assert!(brought, "round {round}, from {from}");
        }
    }
}
