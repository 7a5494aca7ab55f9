//! Rules of joining a topic: follow, then load, then join, so that nothing is lost. And a test of that test.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use super::{Harness, Node, event, node::eventually, topic};
use crate::backplane::{Position, Topic};

/// In which order a node begins with a topic.
#[derive(Clone, Copy, PartialEq)]
enum Begin {
    FollowThenLoad,
    LoadThenFollow,
}

/// 400 times, while events are appended: follow, load, join what the feed brought after the end of the load. Nothing is
/// missing up to the mark.
pub async fn follow_then_load_loses_nothing<H: Harness>(harness: H) {
    let topics: Vec<_> = (0..8).map(|index| topic(&format!("join{index}"))).collect();
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let writer = tokio::spawn({
        let node = Node::join(&harness).await;
        let (topics, stop, sent) = (topics.clone(), stop.clone(), sent.clone());
        async move {
            while !stop.load(Ordering::Relaxed) {
                let body = sent.load(Ordering::Relaxed).to_be_bytes();
                node.store(topics.iter().map(|topic| (topic.clone(), event(body)))).await;
                sent.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        }
    });
    let node = Node::join(&harness).await;
    for round in 0..400 {
        if round % 20 == 0 {
            // It is under load: however this machine shares its time.
            let before = sent.load(Ordering::Relaxed);
            eventually("more is sent", async || {
                (sent.load(Ordering::Relaxed) > before).then_some(())
            })
            .await;
        }
        let topic = &topics[round % topics.len()];
        node.engine.unfollow(vec![topic.clone()]);
        let missing = missing(&node, topic, Begin::FollowThenLoad, async || {}).await;
        assert_eq!(missing, [], "round {round}");
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
}

/// The reverse order loses what is stored between load and follow: the rule above would see it.
pub async fn load_then_follow_loses<H: Harness>(harness: H) {
    let (node, other) = (Node::join(&harness).await, Node::join(&harness).await);
    let (wrong, right) = (topic("wrong"), topic("right"));
    let mut between = Position::ZERO;
    let lost = missing(&node, &wrong, Begin::LoadThenFollow, async || {
        between = other.send(&wrong, "between").await;
    })
    .await;
    assert_eq!(lost, [between], "what was stored between load and follow");
    let lost = missing(&node, &right, Begin::FollowThenLoad, async || {
        other.send(&right, "between").await;
    })
    .await;
    assert_eq!(lost, []);
}

/// Begins with a topic, does something between the two steps, and says which events up to the mark were neither loaded
/// nor brought by the feed.
async fn missing(
    node: &Node,
    topic: &Topic,
    begin: Begin,
    between: impl AsyncFnOnce(),
) -> Vec<Position> {
    let from = node.heard();
    let follow = || node.engine.follow(vec![topic.clone()]);
    let newest = Position::new(node.engine.mark().await.unwrap().position.get().saturating_sub(1));
    let loaded = match begin {
        Begin::FollowThenLoad => {
            follow().await.unwrap();
            between().await;
            node.load_after(topic, newest).await
        }
        Begin::LoadThenFollow => {
            let loaded = node.load_after(topic, newest).await;
            between().await;
            // The feed is past it, however far it was behind.
            node.barrier().await;
            follow().await.unwrap();
            loaded
        }
    };
    let mark = node.barrier().await;
    let all = node.load_after(topic, newest).await;
    let end = loaded.head.map_or(Position::ZERO, |head| head.newest);
    let heard: Vec<_> = node
        .records_from(from, topic)
        .into_iter()
        .map(|record| record.position)
        .filter(|position| *position > end)
        .collect();
    let has = |position: &Position| {
        heard.contains(position) || loaded.records.iter().any(|record| record.position == *position)
    };
    let stored = all.records.iter().map(|record| record.position);
    stored.filter(|position| *position <= mark.position && !has(position)).collect()
}
