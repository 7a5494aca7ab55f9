//! Rules of listeners, and of how far each is.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::worker::{HOUR, Worker, claim, ids};
use crate::backplane::{ListenerState, Since, Steer, Verdict, contract::Harness};

/// A new listener begins now, or with what there is; a known one stays where it was; a name that it hears later begins
/// then. The names that are heard are those of all.
pub async fn a_listener_begins_where_it_says<H: Harness>(harness: H) {
    let worker = Worker::join(&harness).await;
    assert!(worker.queue().heard().await.unwrap().is_empty());
    worker.publish("paid", [1]).await;
    worker.register("now", &["paid"], Since::Now).await;
    worker.register("earliest", &["paid"], Since::Earliest).await;
    worker.publish("paid", [2]).await;
    worker.publish("sent", [3]).await;
    // Seen again, by another program: it hears one name more from now on, and loses none.
    worker.register("now", &["sent"], Since::Now).await;
    worker.register("earliest", &["sent"], Since::Earliest).await;
    worker.publish("sent", [4]).await;
    let both = [("paid", 1), ("sent", 1)];
    assert_eq!(ids(&worker.claim_all(claim("now", &both, 9)).await.now), [2, 4]);
    assert_eq!(ids(&worker.claim_all(claim("earliest", &both, 9)).await.now), [1, 2, 3, 4]);
    let unknown = worker.claim_all(claim("unknown", &both, 9)).await;
    assert!(unknown.now.is_empty() && unknown.next.is_none());
    let heard: BTreeSet<_> = worker.queue().heard().await.unwrap().into_iter().collect();
    assert_eq!(heard, BTreeSet::from(["paid".into(), "sent".into()]));
}

/// A node takes the versions that it reads; others wait, from where the listener began, for one that reads them.
pub async fn a_version_waits_for_a_node_that_reads_it<H: Harness>(harness: H) {
    let (old, new) = (Worker::join(&harness).await, Worker::join(&harness).await);
    old.register("mail", &["paid"], Since::Now).await;
    old.publish("paid", [1]).await;
    new.publish_version("paid", 2, [2, 3]).await;
    old.publish("paid", [4]).await;
    assert_eq!(ids(&old.claim("mail", "paid", 9).await), [1, 4]);
    let taken = new.claim_all(claim("mail", &[("paid", 2)], 1)).await.now;
    assert_eq!(ids(&taken), [2]);
    assert_eq!(taken[0].event.kind.version, 2);
    // What failed waits for a node that reads it as well.
    let again = Duration::ZERO;
    assert!(new.settle(&taken[0], Verdict::Failed { error: "no".into(), again }).await);
    let waiting = old.claim_all(claim("mail", &[("paid", 1)], 9)).await;
    assert!(waiting.now.is_empty() && waiting.next.is_none(), "not for this node");
    let both = claim("mail", &[("paid", 1), ("paid", 2), ("paid", 2)], 9);
    assert_eq!(ids(&new.claim_all(both).await.now), [2, 3]);
}

/// Every listener gets every event, whatever others have done with it.
pub async fn each_listener_has_its_own_lane<H: Harness>(harness: H) {
    let worker = Worker::join(&harness).await;
    // Names that would be patterns or prefixes of one another.
    let names = ["a", "a:b", "*", "a*", " ", "ü{}", "a.b", "A"];
    for name in names {
        worker.register(name, &["paid", "paid.late"], Since::Now).await;
    }
    worker.publish("paid", [1, 2]).await;
    worker.publish("paid.late", [3]).await;
    for name in names {
        let taken = worker.claim(name, "paid", 9).await;
        assert_eq!(ids(&taken), [1, 2], "{name}");
        assert!(worker.settle(&taken[0], Verdict::Finished).await);
        assert_eq!(ids(&worker.claim(name, "paid.late", 9).await), [3], "{name}");
    }
    for name in names {
        assert!(worker.claim(name, "paid", 9).await.is_empty(), "{name}");
    }
}

/// Pausing is for all nodes; what runs may end; what came meanwhile is there afterwards.
pub async fn nobody_takes_from_a_paused_listener<H: Harness>(harness: H) {
    let (one, two) = (Worker::join(&harness).await, Worker::join(&harness).await);
    one.register("mail", &["paid"], Since::Now).await;
    one.publish("paid", [1, 2]).await;
    let running = one.claim("mail", "paid", 1).await;
    assert!(one.queue().steer("mail".into(), Steer::Pause).await.unwrap());
    one.register("mail", &["paid"], Since::Now).await;
    assert!(two.claim("mail", "paid", 9).await.is_empty());
    assert_eq!(two.stats("mail").await.state, ListenerState::Paused);
    let failed = Verdict::Failed { error: "no".into(), again: Duration::ZERO };
    assert!(one.settle(&running[0], failed).await);
    two.publish("paid", [3]).await;
    assert!(one.claim("mail", "paid", 9).await.is_empty());
    assert!(two.queue().steer("mail".into(), Steer::Resume).await.unwrap());
    assert_eq!(ids(&two.claim("mail", "paid", 9).await), [1, 2, 3]);
    for how in [Steer::Pause, Steer::Resume, Steer::Retire] {
        assert!(!one.queue().steer("unknown".into(), how).await.unwrap());
    }
}

/// A retired listener has no backlog, and hears nothing; registered again it begins as a new one.
pub async fn a_retired_listener_begins_anew<H: Harness>(harness: H) {
    let worker = Worker::join(&harness).await;
    worker.register("mail", &["paid"], Since::Now).await;
    worker.publish("paid", [1, 2]).await;
    let taken = worker.claim("mail", "paid", 1).await;
    assert!(worker.settle(&taken[0], Verdict::Failed { error: "no".into(), again: HOUR }).await);
    assert!(worker.queue().steer("mail".into(), Steer::Retire).await.unwrap());
    assert!(worker.queue().heard().await.unwrap().is_empty());
    let claimed = worker.claim_all(claim("mail", &[("paid", 1)], 9)).await;
    assert!(claimed.now.is_empty() && claimed.next.is_none());
    let stats = worker.stats("mail").await;
    assert_eq!(stats.state, ListenerState::Retired);
    assert_eq!((stats.backlog, stats.waiting, stats.running), (0, 0, 0));
    // Nobody serves it, so there is nothing to pause, and what nobody paused is served when it comes back.
    for (how, done) in [(Steer::Pause, false), (Steer::Resume, false), (Steer::Retire, true)] {
        assert_eq!(worker.queue().steer("mail".into(), how).await.unwrap(), done, "{how:?}");
        assert_eq!(worker.stats("mail").await.state, ListenerState::Retired);
    }
    worker.publish("paid", [3]).await;
    worker.register("mail", &["paid"], Since::Now).await;
    worker.publish("paid", [4]).await;
    assert_eq!(ids(&worker.claim("mail", "paid", 9).await), [4]);
    assert_eq!(worker.stats("mail").await.state, ListenerState::Active);
}

/// How much waits, runs and is dead, and how old the oldest is.
pub async fn stats_tell_how_a_listener_stands<H: Harness>(harness: H) {
    let worker = Worker::join(&harness).await;
    worker.register("mail", &["paid", "sent"], Since::Now).await;
    let new = worker.stats("mail").await;
    assert_eq!((new.backlog, new.waiting, new.running, new.dead), (0, 0, 0, 0));
    assert_eq!((new.state, new.oldest), (ListenerState::Active, None));
    worker.publish("paid", 0..6).await;
    worker.publish_version("sent", 3, [6, 7]).await;
    worker.publish("unheard", [8]).await;
    worker.bury("mail", "paid", "dead").await;
    let taken = worker.claim("mail", "paid", 3).await;
    assert!(worker.settle(&taken[0], Verdict::Failed { error: "no".into(), again: HOUR }).await);
    assert!(worker.settle(&taken[1], Verdict::Finished).await);
    let stats = worker.stats("mail").await;
    assert_eq!((stats.backlog, stats.waiting, stats.running, stats.dead), (4, 1, 1, 1));
    let mut hears = stats.hears;
    hears.sort();
    assert_eq!(hears, ["paid", "sent"].map(Arc::from));
    assert!(stats.oldest.is_some_and(|age| age < HOUR), "{:?}", stats.oldest);
}

/// A listener that two programs declare for different events hears them all: each takes those that it reads, and stats tell both
/// what the other declared.
pub async fn two_declarations_of_a_listener_add_up<H: Harness>(harness: H) {
    let (one, two) = (Worker::join(&harness).await, Worker::join(&harness).await);
    one.register("mail", &["paid", "both"], Since::Now).await;
    two.register("mail", &["sent", "both"], Since::Now).await;
    one.register("mail", &["paid", "both"], Since::Now).await;
    one.register("post", &["paid"], Since::Now).await;
    for worker in [&one, &two] {
        let mut hears = worker.stats("mail").await.hears;
        hears.sort();
        assert_eq!(hears, ["both", "paid", "sent"].map(Arc::from));
        assert_eq!(worker.stats("post").await.hears, [Arc::from("paid")]);
    }
    one.publish("sent", [1]).await;
    one.publish("paid", [2]).await;
    assert_eq!(ids(&one.claim("mail", "paid", 9).await), [2]);
    assert_eq!(ids(&two.claim("mail", "sent", 9).await), [1]);
}
