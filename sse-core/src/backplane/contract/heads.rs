//! Rules of heads and marks: what a store knows of a topic besides its events.

use super::{Harness, KEEP, Node, event, node::stored, topic};
use crate::backplane::{Answer, Change, FeedItem, Head, Keep, Position};

/// After a completion: no event and no second one, on any node, until the topic is forgotten.
pub async fn a_completed_topic_takes_no_event_until_it_is_forgotten<H: Harness>(harness: H) {
    let topic = topic("completed");
    let a = Node::following(&harness, std::slice::from_ref(&topic)).await;
    let b = Node::join(&harness).await;
    let event_at = a.send(&topic, "last").await;
    let completed = a.change(&topic, Change::Complete).await;
    let answers =
        b.store([(topic.clone(), event("late")), (topic.clone(), Change::Complete)]).await;
    assert_eq!(answers, [Answer::Closed, Answer::Closed]);
    let head = b.load(&topic).await.head.unwrap();
    assert_eq!((head.completed, head.newest, head.last), (Some(completed), event_at, completed));

    let forgotten = b.change(&topic, Change::Forget).await;
    let loaded = a.load(&topic).await;
    let head = loaded.head.unwrap();
    assert_eq!((head.completed, head.newest, head.last), (None, event_at, forgotten));
    assert_eq!(loaded.records, []);
    let next = a.send(&topic, "again").await;

    a.barrier().await;
    let heard = a.records(&topic);
    let heard: Vec<_> = heard.iter().map(|r| (r.position, r.previous, &r.change)).collect();
    let (first, last) = (event("last"), event("again"));
    let expected = [
        (event_at, Position::ZERO, &first),
        (completed, event_at, &Change::Complete),
        (forgotten, event_at, &Change::Forget),
        (next, event_at, &last),
    ];
    assert_eq!(heard, expected, "changes of the head come through the feed");
}

/// Of two claims the later one is in the head; a disconnect is its newest position. A completed topic takes both.
pub async fn a_head_tells_the_newest_disconnect_and_claim<H: Harness>(harness: H) {
    let topic = topic("head");
    let a = Node::following(&harness, std::slice::from_ref(&topic)).await;
    let b = Node::join(&harness).await;
    let one = a.begin([(topic.clone(), Change::Claim { holder: u64::MAX })]);
    let two = b.begin([(topic.clone(), Change::Claim { holder: 7 })]);
    let (one, two) = (stored(one.await.unwrap()[0]), stored(two.await.unwrap()[0]));
    let later = if one > two { (one, u64::MAX) } else { (two, 7) };
    assert_eq!(a.load(&topic).await.head.unwrap().claimed, Some(later));
    let disconnected = b.change(&topic, Change::Disconnect).await;
    let completed = a.change(&topic, Change::Complete).await;
    let claimed = b.change(&topic, Change::Claim { holder: 0 }).await;
    let expected = Head {
        last: claimed,
        newest: Position::ZERO,
        completed: Some(completed),
        disconnected,
        claimed: Some((claimed, 0)),
    };
    assert_eq!(b.load(&topic).await.head, Some(expected));
    a.change(&topic, Change::Disconnect).await;
    a.barrier().await;
    assert_eq!(a.records(&topic).len(), 6);
    assert!(a.records(&topic).iter().all(|record| record.previous == Position::ZERO));
    // A forgotten topic still knows whom it threw out.
    let forgotten = a.change(&topic, Change::Forget).await;
    let head = b.load(&topic).await.head.unwrap();
    assert!(head.disconnected > disconnected && head.disconnected < forgotten);
    assert_eq!((head.claimed, head.completed), (Some((claimed, 0)), None));
}

/// Claims and disconnects are no events: as many as you like leave the history as it is.
pub async fn changes_of_a_head_push_no_event_out<H: Harness>(harness: H) {
    let keep = Keep { events: 3, ..KEEP };
    let node = Node::join(&harness).await;
    let topic = topic("pushed");
    let events = node.batch((0..3_u8).map(|body| (topic.clone(), event([body]))), keep);
    node.engine.append(events).await.unwrap();
    for holder in 0..60 {
        let change = [Change::Claim { holder }, Change::Disconnect];
        let changes = change.map(|change| (topic.clone(), change));
        node.engine.append(node.batch(changes, keep)).await.unwrap();
    }
    let loaded = node.load(&topic).await;
    assert_eq!(loaded.records.len(), 3);
    assert_eq!(loaded.records[2].position, loaded.head.unwrap().newest);
    assert!(loaded.head.unwrap().last > loaded.head.unwrap().newest);
}

/// What a store never heard of it does not know; loads come in the order of their wants, one topic twice too.
pub async fn an_unknown_topic_has_no_head<H: Harness>(harness: H) {
    let node = Node::join(&harness).await;
    assert_eq!(node.engine.mark().await.unwrap().position, Position::ZERO, "nothing was given");
    let known = topic("known");
    let at = node.send(&known, "x").await;
    let unknown = topic("unknown");
    let wants = [&unknown, &known, &unknown, &known].map(|topic| crate::backplane::Want {
        topic: topic.clone(),
        after: Position::ZERO,
        events: 9,
        bytes: 9,
    });
    let loaded = node.engine.load(wants.to_vec()).await.unwrap();
    let found: Vec<_> =
        loaded.iter().map(|l| (&l.topic, l.head.map(|head| head.last), l.records.len())).collect();
    let (none, some) = ((&unknown, None, 0), (&known, Some(at), 1));
    assert_eq!(found, [none, some, none, some]);
    assert!(node.engine.load(Vec::new()).await.unwrap().is_empty());
}

/// When a mark came through the feed, everything before it did, on every node, for its own topics.
pub async fn a_mark_is_a_barrier<H: Harness>(harness: H) {
    let topics: Vec<_> = (0..3).map(|index| topic(&format!("mark{index}"))).collect();
    let writer = Node::join(&harness).await;
    let readers =
        [Node::following(&harness, &topics).await, Node::following(&harness, &topics[..1]).await];
    for round in 1..=50 {
        let answers = writer.store(topics.iter().map(|topic| (topic.clone(), event("x")))).await;
        let newest = answers.into_iter().map(stored).max().unwrap();
        for (reader, follows) in readers.iter().zip([&topics[..], &topics[..1]]) {
            let mark = reader.barrier().await;
            assert!(mark.position >= newest);
            for topic in follows {
                assert_eq!(reader.records(topic).len(), round, "{topic:?}");
            }
        }
    }
}

/// Marks, loads and records of all nodes name one epoch, which is not zero and has 48 bits.
pub async fn the_epoch_is_the_same_everywhere<H: Harness>(harness: H) {
    let topic = topic("epoch");
    let a = Node::following(&harness, std::slice::from_ref(&topic)).await;
    let epoch = a.engine.mark().await.unwrap().epoch;
    assert!(epoch.get() > 0 && epoch.get() < 1 << 48);
    let b = Node::join(&harness).await;
    b.send(&topic, "x").await;
    assert_eq!(b.barrier().await.epoch, epoch);
    assert_eq!(b.load(&topic).await.epoch, epoch);
    a.barrier().await;
    for item in a.items(0) {
        match item {
            FeedItem::Records { epoch: of, .. } => assert_eq!(of, epoch),
            FeedItem::Mark(mark) => assert_eq!(mark.epoch, epoch),
            _ => {}
        }
    }
}
