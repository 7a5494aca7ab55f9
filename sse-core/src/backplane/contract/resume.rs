//! Rules of predecessors, which tell without dense numbers whether something is missing.

use super::{Harness, Node, topic};
use crate::backplane::{Change, Keep, Loaded, Position, Want};

/// What a client that comes back after `seen` can be told.
#[derive(Debug, PartialEq)]
enum Told {
    /// Nothing is missing; so many come.
    Whole(usize),
    /// Something may be missing before what comes.
    Gap,
}

fn told(loaded: &Loaded, seen: Position) -> Told {
    let newest = loaded.head.map_or(loaded.forgotten, |head| head.newest);
    let whole = match loaded.records.first() {
        Some(first) => first.previous <= seen,
        None => newest <= seen,
    };
    if whole { Told::Whole(loaded.records.len()) } else { Told::Gap }
}

/// The cases of a client that comes back: with everything, something, nothing missing; with what it saw trimmed or not.
pub async fn what_is_missing_can_be_told_by_the_predecessors<H: Harness>(harness: H) {
    let node = Node::join(&harness).await;
    let (log, other) = (topic("log"), topic("other"));
    let before = node.send(&other, "before everything").await;
    let mut at = Vec::new();
    for index in 0..10_u8 {
        at.push(node.send(&log, [index]).await);
        node.send(&other, "between").await;
    }
    let end = node.send(&other, "after everything").await;

    let load = async |after: Position| told(&node.load_after(&log, after).await, after);
    assert_eq!(load(Position::ZERO).await, Told::Whole(10), "never here");
    assert_eq!(load(before).await, Told::Whole(10), "here before the first");
    assert_eq!(load(at[0]).await, Told::Whole(9), "saw the first");
    assert_eq!(load(Position::new(at[4].get() + 1)).await, Told::Whole(5), "between two of them");
    assert_eq!(load(at[8]).await, Told::Whole(1), "one missing");
    assert_eq!(load(at[9]).await, Told::Whole(0), "nothing missing");
    assert_eq!(load(end).await, Told::Whole(0), "saw later ones of another topic");

    // A window of the newest three stands for a log that was trimmed: what a store keeps beyond its duty is its own.
    let window = async |after: Position| {
        let want = Want { topic: log.clone(), after, events: 3, bytes: usize::MAX };
        told(&node.load_one(want).await, after)
    };
    assert_eq!(window(at[7]).await, Told::Whole(2), "within the window");
    assert_eq!(window(at[6]).await, Told::Whole(3), "its own is outside, the next is not");
    assert_eq!(window(at[5]).await, Told::Gap, "one fell out");
    assert_eq!(window(Position::ZERO).await, Told::Gap, "seven fell out");

    // Everything is deleted, and the head still tells that there was something.
    node.change(&log, Change::Forget).await;
    assert_eq!(load(at[9]).await, Told::Whole(0), "saw all that was deleted");
    assert_eq!(load(at[8]).await, Told::Gap, "did not see the last one");
    let next = node.send(&log, "next").await;
    let loaded = node.load_after(&log, at[9]).await;
    assert_eq!((loaded.records[0].position, loaded.records[0].previous), (next, at[9]));

    // Nothing is kept at all, and predecessors go on.
    let none = Keep { events: 0, ..super::KEEP };
    let batch = node.batch([(log.clone(), super::event("passing"))], none);
    node.engine.append(batch).await.unwrap();
    let head = node.load(&log).await.head.unwrap();
    assert!(head.newest > next);
    let unknown = node.load(&topic("unknown")).await;
    assert_eq!((unknown.head, unknown.records.len()), (None, 0));
    assert!(unknown.forgotten <= end, "nothing was forgotten here that is later than everything");
}
