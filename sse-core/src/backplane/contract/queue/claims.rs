//! Rules of claims and verdicts.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;

use super::worker::{HOUR, Worker, claim, ids, kind, queued};
use crate::backplane::{
    Answer, Change, Claim, EngineErrorKind, FeedItem, NodeId, Position, QueuedEvent, Since,
    Verdict,
    contract::{
        Harness, KEEP, event,
        node::{error, eventually},
        topic,
    },
};

/// The events of all kinds that are asked for, merged by where they stand in the log, as many as are wanted.
pub async fn first_attempts_come_in_the_order_of_the_log<H: Harness>(harness: H) {
    let worker = Worker::join(&harness).await;
    worker.register("mail", &["a", "b", "c"], Since::Now).await;
    for id in 0..30 {
        let name = ["a", "b", "c"][id as usize * 7 % 3];
        worker.publish_version(name, 1 + (id as u32 % 2), [id]).await;
    }
    let mut kinds: Vec<_> = ["a", "b", "c"].iter().flat_map(|n| [(*n, 1), (*n, 2)]).collect();
    kinds.push(("unknown", 1));
    let mut seen = Vec::new();
    let mut positions = Vec::new();
    for count in [1, 7, 2, 13, 256] {
        let taken = worker.claim_all(claim("mail", &kinds, count)).await.now;
        assert!(taken.len() <= count);
        assert!(taken.iter().all(|d| (d.failures, d.losses) == (0, 0) && &*d.listener == "mail"));
        positions.extend(taken.iter().map(|delivery| delivery.position));
        seen.extend(ids(&taken));
    }
    assert_eq!(seen, (0..30).collect::<Vec<_>>());
    assert!(positions.is_sorted_by(|a, b| a < b), "{positions:?}");
}

/// Four nodes claim at once: each event is given to one of them, and none is passed over.
pub async fn two_claimers_never_get_the_same<H: Harness>(harness: H) {
    const EVENTS: u128 = 400;
    let publisher = Worker::join(&harness).await;
    publisher.register("mail", &["paid"], Since::Now).await;
    let mut tasks = Vec::new();
    for count in [3, 8, 16, 64] {
        let worker = Worker::join(&harness).await;
        tasks.push(tokio::spawn(async move {
            let mut taken = Vec::new();
            let mut idle = 0;
            while idle < 20 {
                let now = worker.claim("mail", "paid", count).await;
                idle = if now.is_empty() { idle + 1 } else { 0 };
                if now.is_empty() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                let verdicts = now.iter().map(|d| (worker.fence(d), Verdict::Finished)).collect();
                let settled = worker.queue().settle(verdicts).await.unwrap();
                assert!(settled.iter().all(|settled| *settled), "nobody else had it");
                taken.extend(ids(&now));
            }
            taken
        }));
    }
    for first in (0..EVENTS).step_by(20) {
        publisher.publish("paid", first..first + 20).await;
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all.extend(ids(&publisher.claim("mail", "paid", 256).await));
    all.sort_unstable();
    assert_eq!(all, (0..EVENTS).collect::<Vec<_>>());
}

/// A verdict that does not fit what is held does nothing: another owner, other counts, another listener, done already.
pub async fn a_stale_verdict_does_nothing<H: Harness>(harness: H) {
    let (worker, other) = (Worker::join(&harness).await, Worker::join(&harness).await);
    worker.register("mail", &["paid"], Since::Now).await;
    worker.register("log", &["paid"], Since::Now).await;
    worker.publish("paid", [1, 2]).await;
    let taken = worker.claim("mail", "paid", 2).await;
    let fence = worker.fence(&taken[0]);
    let mut stale = vec![fence.clone(); 6];
    stale[0].owner = other.id;
    stale[1].failures = 1;
    stale[2].losses = 1;
    stale[3].listener = "log".into();
    stale[4].position = Position::new(fence.position.get() + 1_000_000);
    stale[5].owner = NodeId::random();
    let verdicts = [
        Verdict::Finished,
        Verdict::Released,
        Verdict::Failed { error: "no".into(), again: Duration::ZERO },
    ];
    for verdict in verdicts {
        let all = stale.iter().map(|fence| (fence.clone(), verdict.clone())).collect();
        assert_eq!(worker.queue().settle(all).await.unwrap(), [false; 6], "{verdict:?}");
    }
    assert!(other.claim("mail", "paid", 9).await.is_empty(), "both are still held");
    // In one call, each has its own answer.
    let finished = |fence: &_| (Clone::clone(fence), Verdict::Finished);
    let last = worker.fence(&taken[1]);
    let all = vec![finished(&fence), finished(&stale[0]), finished(&fence), finished(&last)];
    assert_eq!(worker.queue().settle(all).await.unwrap(), [true, false, false, true]);
    assert!(worker.queue().settle(Vec::new()).await.unwrap().is_empty());
    assert!(other.claim("mail", "paid", 9).await.is_empty(), "both are done");
    assert_eq!(other.stats("mail").await.running, 0);
}

/// A failure is counted, remembered and due after its time, before what was never tried.
pub async fn a_failure_is_counted_and_due_again<H: Harness>(harness: H) {
    let (worker, other) = (Worker::join(&harness).await, Worker::join(&harness).await);
    worker.register("mail", &["paid"], Since::Now).await;
    worker.publish("paid", 1..=4).await;
    let taken = worker.claim("mail", "paid", 3).await;
    let failed = |again| Verdict::Failed { error: "down".into(), again };
    assert!(worker.settle(&taken[0], failed(HOUR)).await);
    assert!(worker.settle(&taken[1], failed(Duration::from_millis(200))).await);
    assert!(worker.settle(&taken[2], Verdict::Finished).await);
    assert!(!worker.settle(&taken[0], Verdict::Finished).await, "it is not its own any more");
    assert_eq!(ids(&other.claim("mail", "paid", 1).await), [4], "what is not due holds nobody up");
    let again = eventually("it is due", async || {
        let taken = other.claim("mail", "paid", 9).await;
        (!taken.is_empty()).then_some(taken)
    })
    .await;
    assert_eq!((ids(&again), again[0].failures, again[0].losses), (vec![2], 1, 0));
    let next = other.claim_all(claim("mail", &[("paid", 1)], 9)).await.next;
    assert!(next.is_some_and(|next| next <= HOUR && next > HOUR / 2), "{next:?}");
    // Due again in the order of due times, then the log.
    assert!(other.settle(&again[0], failed(Duration::ZERO)).await);
    worker.publish("paid", [5]).await;
    let taken = worker.claim("mail", "paid", 9).await;
    assert_eq!(ids(&taken), [2, 5]);
    assert_eq!((taken[0].failures, taken[1].failures), (2, 0));
    assert_eq!(worker.stats("mail").await.waiting, 1);
}

/// What was not begun goes back, for whoever comes, as if nothing had been.
pub async fn a_release_counts_nothing<H: Harness>(harness: H) {
    let (worker, other) = (Worker::join(&harness).await, Worker::join(&harness).await);
    worker.register("mail", &["paid"], Since::Now).await;
    worker.publish("paid", 1..=3).await;
    let taken = worker.claim("mail", "paid", 3).await;
    for delivery in &taken {
        assert!(worker.settle(delivery, Verdict::Released).await);
    }
    let again = other.claim("mail", "paid", 9).await;
    assert_eq!(ids(&again), [1, 2, 3]);
    assert!(again.iter().all(|delivery| (delivery.failures, delivery.losses) == (0, 0)));
    assert!(!worker.settle(&taken[0], Verdict::Finished).await, "another has it now");
    assert!(other.settle(&again[0], Verdict::Finished).await);
}

/// An ordered listener is one node's at a time, and what waits for another attempt is waited for.
pub async fn ordered_is_one_node_and_one_after_the_other<H: Harness>(harness: H) {
    let (one, two) = (Worker::join(&harness).await, Worker::join(&harness).await);
    let ordered = |count| Claim { ordered: true, ..claim("mail", &[("paid", 1)], count) };
    let take = async |worker: &Worker, count| worker.claim_all(ordered(count)).await.now;
    one.register("mail", &["paid"], Since::Now).await;
    one.publish("paid", 1..=6).await;
    let taken = take(&one, 3).await;
    assert_eq!(ids(&taken), [1, 2, 3]);
    assert!(take(&two, 9).await.is_empty(), "another node has it");
    assert!(one.settle(&taken[0], Verdict::Finished).await);
    let failed = Verdict::Failed { error: "no".into(), again: HOUR };
    assert!(one.settle(&taken[1], failed).await);
    assert!(one.settle(&taken[2], Verdict::Released).await);
    for worker in [&one, &two] {
        let deliveries = worker.claim_all(ordered(9)).await;
        assert!(deliveries.now.is_empty(), "the second waits, and all the others for it");
        let next = deliveries.next.expect("something waits");
        assert!(next > HOUR / 2, "{next:?}: when the first is due, not what waits for it");
    }
    one.register("log", &["sent"], Since::Now).await;
    one.publish("sent", 11..=13).await;
    let log = |count| Claim { ordered: true, ..claim("log", &[("sent", 1)], count) };
    let taken = two.claim_all(log(2)).await.now;
    let failed = Verdict::Failed { error: "no".into(), again: Duration::ZERO };
    assert!(two.settle(&taken[1], Verdict::Released).await);
    assert!(two.settle(&taken[0], failed).await);
    let taken = one.claim_all(log(9)).await.now;
    assert_eq!(ids(&taken), [11, 12, 13], "in the order of the log, whatever was given back first");
    assert_eq!(taken[0].failures, 1);
}

/// An event is queued with its batch: once, whatever is repeated, in the order of everything else, and nodes hear a bell.
pub async fn what_is_queued_is_queued_once_and_rings<H: Harness>(harness: H) {
    let (worker, other) = (Worker::join(&harness).await, Worker::join(&harness).await);
    worker.register("mail", &["paid"], Since::Now).await;
    let from = other.node.heard();
    let topic = topic("orders");
    let changes = [
        (topic.clone(), event("before")),
        (topic.clone(), Change::Enqueue(queued("paid", 1, 1))),
        (topic.clone(), event("after")),
    ];
    let batch = worker.node.batch(changes, KEEP);
    let answers = worker.node.engine.append(batch.clone()).await.unwrap();
    assert!(answers.is_sorted_by_key(|answer| match answer {
        Answer::Stored(position) => *position,
        other => panic!("{other:?}"),
    }));
    assert_eq!(worker.node.engine.append(batch).await.unwrap(), answers);
    let rang = |items: &[FeedItem]| items[from..].iter().any(|i| matches!(i, FeedItem::Bell));
    other.node.until("a bell", rang).await;
    let taken = other.claim("mail", "paid", 9).await;
    assert_eq!(ids(&taken), [1]);
    assert_eq!(Answer::Stored(taken[0].position), answers[1]);
    let loaded = other.node.load(&topic).await;
    assert_eq!(loaded.records.len(), 2, "nothing of it in the log");
    assert_eq!(loaded.head.map(|head| Answer::Stored(head.last)), Some(answers[2]));
    assert!(other.node.engine.mark().await.unwrap().position >= loaded.records[1].position);
    // A completed topic is nothing to an event that is not for it.
    worker.node.change(&topic, Change::Complete).await;
    let enqueue = Change::Enqueue(queued("paid", 1, 2));
    worker.node.change(&topic, enqueue).await;
    assert_eq!(ids(&other.claim("mail", "paid", 9).await), [2]);
}

/// Bytes are bytes: of the body, the attributes, the id, up to the limit and not beyond.
pub async fn any_event_comes_back_as_it_was<H: Harness>(harness: H) {
    let worker = Worker::join(&harness).await;
    let names = ["order.paid", "*", "a b", "ü:{}", ">"];
    worker.register("mail", &names, Since::Now).await;
    let every: Vec<u8> = (0..=255).collect();
    let bodies: [&[u8]; 5] = [b"", b"\0", b"\r\n\xff", &every, b"{\"a\":1}"];
    let mut events: Vec<_> = bodies
        .iter()
        .zip(names)
        .enumerate()
        .map(|(index, (body, name))| QueuedEvent {
            kind: kind(name, u32::MAX - index as u32),
            id: u128::MAX - index as u128,
            head: Bytes::copy_from_slice(bodies[(index + 1) % bodies.len()]),
            body: Bytes::copy_from_slice(body),
        })
        .collect();
    let large = vec![7_u8; harness.max_body() - 10];
    events.push(QueuedEvent {
        kind: kind("*", 0),
        id: 0,
        head: Bytes::from_static(b"0123456789"),
        body: large.into(),
    });
    let unused = topic("unused");
    let changes = events.iter().map(|event| (unused.clone(), Change::Enqueue(event.clone())));
    worker.node.store(changes.collect::<Vec<_>>()).await;
    let kinds = events.iter().map(|event| event.kind.clone()).collect();
    let claim = Claim { listener: Arc::from("mail"), kinds, count: 99, ordered: false };
    let taken = worker.claim_all(claim).await.now;
    let found: Vec<_> = taken.iter().map(|delivery| delivery.event.clone()).collect();
    assert!(found == events, "{:?}", found.iter().map(|e| &e.kind).collect::<BTreeSet<_>>());
    let mut over = events[5].clone();
    over.head = Bytes::from_static(b"01234567890");
    let batch = worker.node.batch([(unused, Change::Enqueue(over))], KEEP);
    let error = error(worker.node.engine.append(batch).await);
    assert_eq!(error.kind(), EngineErrorKind::Refused, "{error}");
}
