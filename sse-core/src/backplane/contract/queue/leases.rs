//! Rules of leases: nodes that die, leave, and come back.

use std::time::Duration;

use super::worker::{HOUR, LEASE, Worker, claim, ids};
use crate::backplane::{Beat, DeadReason, Since, Verdict, contract::Harness};

const SHORT: Duration = Duration::from_millis(300);

/// What a node held when its lease ran out is lost: counted apart from failures, due after a time, given one at a time
/// and alone. The node hears of it, and what it says afterwards is stale.
pub async fn what_is_lost_is_counted_and_given_alone<H: Harness>(harness: H) {
    let other = Worker::join(&harness).await;
    other.register("mail", &["paid"], Since::Now).await;
    other.publish("paid", 1..=5).await;
    let held = other.claim("mail", "paid", 1).await;
    assert_eq!(other.queue().reap(Duration::ZERO).await.unwrap(), 0, "nobody's lease ran out");
    let worker = Worker::with_lease(&harness, SHORT).await;
    let taken = worker.claim("mail", "paid", 2).await;
    assert_eq!(ids(&taken), [2, 3], "claimed within its lease, or this machine stood still");
    assert_eq!(other.reap(Duration::ZERO).await, 2);
    assert!(worker.is_reaped().await);
    assert_eq!(worker.queue().beat(worker.id, LEASE).await.unwrap(), Beat::Reaped);
    assert!(!worker.settle(&taken[0], Verdict::Finished).await, "its lease ran out");

    for expected in [2, 3] {
        let alone = other.claim("mail", "paid", 9).await;
        assert_eq!(ids(&alone), [expected], "alone, before what was never tried");
        assert_eq!((alone[0].failures, alone[0].losses), (0, 1));
        let failed = Verdict::Failed { error: "no".into(), again: HOUR };
        assert!(other.settle(&alone[0], failed).await);
    }
    assert_eq!(ids(&other.claim("mail", "paid", 9).await), [4, 5]);
    assert!(other.settle(&held[0], Verdict::Finished).await, "what others hold is theirs");
    assert_eq!(other.queue().reap(Duration::ZERO).await.unwrap(), 0, "each is reaped once");

    // Lost again with a failure before: both are counted, and it is due after its time.
    let worker = Worker::with_lease(&harness, SHORT).await;
    other.publish("paid", [6]).await;
    let taken = worker.claim("mail", "paid", 1).await;
    let failed = Verdict::Failed { error: "no".into(), again: Duration::ZERO };
    assert!(worker.settle(&taken[0], failed).await);
    let again = worker.claim("mail", "paid", 1).await;
    assert_eq!((ids(&again), again[0].failures), (vec![6], 1));
    assert_eq!(other.reap(HOUR).await, 1);
    let claimed = other.claim_all(claim("mail", &[("paid", 1)], 9)).await;
    assert!(claimed.now.is_empty() && claimed.next.is_some_and(|next| next > HOUR / 2));
    assert_eq!(other.stats("mail").await.waiting, 3);
}

/// A lease that is renewed in time is not taken away, and neither is one that ran out if nobody took it before it was renewed.
pub async fn a_lease_that_is_renewed_is_not_reaped<H: Harness>(harness: H) {
    let (worker, other) = (Worker::with_lease(&harness, SHORT).await, Worker::join(&harness).await);
    other.register("mail", &["paid"], Since::Now).await;
    other.publish("paid", [1]).await;
    let taken = worker.claim("mail", "paid", 1).await;
    assert_eq!(taken.len(), 1, "claimed within its lease, or this machine stood still");
    tokio::time::sleep(2 * SHORT).await;
    assert_eq!(worker.queue().beat(worker.id, LEASE).await.unwrap(), Beat::Alive);
    assert_eq!(other.queue().reap(Duration::ZERO).await.unwrap(), 0);
    assert!(!worker.is_reaped().await);
    assert!(worker.settle(&taken[0], Verdict::Finished).await);
    // Who never had a lease has none.
    let stranger = Worker { node: other.node, id: crate::backplane::NodeId::random() };
    assert!(stranger.is_reaped().await);
}

/// A node that goes leaves nothing behind: what it held is due at once, and nothing is counted.
pub async fn what_a_leaving_node_holds_is_released<H: Harness>(harness: H) {
    let (worker, other) = (Worker::join(&harness).await, Worker::join(&harness).await);
    worker.register("mail", &["paid"], Since::Now).await;
    worker.publish("paid", 1..=3).await;
    let taken = worker.claim("mail", "paid", 3).await;
    let failed = Verdict::Failed { error: "no".into(), again: Duration::ZERO };
    assert!(worker.settle(&taken[1], failed).await);
    assert_eq!(ids(&worker.claim("mail", "paid", 9).await), [2]);
    worker.queue().leave(worker.id).await.unwrap();
    assert!(!worker.settle(&taken[0], Verdict::Finished).await, "it is gone");
    let again = other.claim("mail", "paid", 9).await;
    let counts: Vec<_> = again.iter().map(|d| (d.event.id, d.failures, d.losses)).collect();
    assert_eq!(counts, [(1, 0, 0), (2, 1, 0), (3, 0, 0)]);
}

/// A claim whose answer nobody waits for has taken something: it comes back with its node's lease, and nothing is lost.
pub async fn a_dropped_claim_is_whole<H: Harness>(harness: H) {
    let (worker, other) = (Worker::join(&harness).await, Worker::join(&harness).await);
    worker.register("mail", &["paid"], Since::Now).await;
    worker.publish("paid", 1..=3).await;
    drop(worker.queue().claim(worker.id, vec![claim("mail", &[("paid", 1)], 2)]));
    drop(worker.queue().beat(worker.id, LEASE));
    drop(worker.queue().stats());
    assert_eq!(ids(&worker.claim("mail", "paid", 9).await), [3], "two are taken");
    drop(worker.queue().leave(worker.id));
    let again = crate::backplane::contract::node::eventually("it left", async || {
        let again = other.claim("mail", "paid", 9).await;
        (!again.is_empty()).then_some(again)
    })
    .await;
    assert_eq!(ids(&again), [1, 2, 3]);
    drop(other.queue().settle(vec![(other.fence(&again[0]), Verdict::Finished)]));
    assert!(!other.settle(&again[0], Verdict::Released).await, "it is done");
}

/// After a restart of the store: the same listeners, lanes, counts and letters. What was held is lost when its node's lease
/// runs out, if the store did not do that by itself.
pub async fn a_restarted_store_knows_its_queue<H: Harness>(mut harness: H) {
    let worker = Worker::with_lease(&harness, SHORT).await;
    worker.register("mail", &["paid"], Since::Now).await;
    worker.publish("paid", 1..=4).await;
    let taken = worker.claim("mail", "paid", 3).await;
    assert_eq!(taken.len(), 3, "claimed within its lease, or this machine stood still");
    let dead = Verdict::Dead { error: "never".into(), reason: DeadReason::Attempts };
    assert!(worker.settle(&taken[0], dead).await);
    let failed = Verdict::Failed { error: "no".into(), again: Duration::ZERO };
    assert!(worker.settle(&taken[1], failed).await);
    worker.node.close().await;
    if !harness.restart().await {
        return;
    }
    let worker = Worker::join(&harness).await;
    worker.register("mail", &["paid"], Since::Now).await;
    crate::backplane::contract::node::eventually("what was held is lost", async || {
        worker.queue().reap(Duration::ZERO).await.unwrap();
        (worker.stats("mail").await.running == 0).then_some(())
    })
    .await;
    let mut found = Vec::new();
    loop {
        let taken = worker.claim("mail", "paid", 9).await;
        if taken.is_empty() {
            break;
        }
        found.extend(taken.iter().map(|d| (d.event.id, d.failures, d.losses)));
    }
    found.sort_unstable();
    assert_eq!(found, [(2, 1, 0), (3, 0, 1), (4, 0, 0)]);
    let letters = worker.letters("mail").await;
    assert_eq!((letters.len(), letters[0].event.id), (1, 1));
    assert_eq!(letters[0].errors, ["never".into()]);
}
