//! Rules of dead letters.

use std::{sync::Arc, time::Duration};

use super::worker::{HOUR, Worker, ids, queued};
use crate::backplane::{DeadReason, Letters, Since, Verdict, contract::Harness};

/// A dead letter has its event as it was published, its counts, its newest errors and why; they are listed in pages.
pub async fn a_dead_letter_has_all_there_is_to_know<H: Harness>(harness: H) {
    let worker = Worker::join(&harness).await;
    worker.register("mail", &["paid"], Since::Now).await;
    worker.publish("paid", 1..=3).await;
    let taken = worker.claim("mail", "paid", 1).await;
    let failed = Verdict::Failed { error: "first".into(), again: Duration::ZERO };
    assert!(worker.settle(&taken[0], failed).await);
    let taken = worker.claim("mail", "paid", 1).await;
    let dead = Verdict::Dead { error: "last".into(), reason: DeadReason::Attempts };
    assert!(worker.settle(&taken[0], dead.clone()).await);
    assert!(!worker.settle(&taken[0], dead).await, "once");
    for _ in 0..2 {
        worker.bury("mail", "paid", "given up").await;
    }
    let letters = worker.letters("mail").await;
    assert_eq!(letters.iter().map(|l| l.event.id).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(letters.is_sorted_by(|a, b| a.id < b.id));
    let first = &letters[0];
    assert_eq!(first.event, queued("paid", 1, 1));
    assert_eq!((&*first.listener, first.failures, first.losses), ("mail", 1, 0));
    assert_eq!(first.errors, ["first".into(), "last".into()]);
    assert_eq!(first.reason, DeadReason::Attempts);
    assert_eq!(letters[1].reason, DeadReason::GivenUp);
    assert!(first.age < HOUR);
    let page = async |after, limit| {
        let page = worker.queue().dead("mail".into(), after, limit).await.unwrap();
        page.iter().map(|letter| letter.event.id).collect::<Vec<_>>()
    };
    assert_eq!(page(0, 2).await, [1, 2]);
    assert_eq!(page(letters[1].id, 2).await, [3]);
    assert_eq!(page(letters[2].id, 2).await, [0; 0]);
    assert!(worker.letters("unknown").await.is_empty());
}

/// A letter that is tried again is the same event for the same listener alone, with nothing counted; one that is
/// discarded is gone.
pub async fn a_dead_letter_lives_again_or_goes<H: Harness>(harness: H) {
    let worker = Worker::join(&harness).await;
    worker.register("mail", &["paid"], Since::Now).await;
    worker.register("log", &["paid"], Since::Now).await;
    worker.publish("paid", 1..=6).await;
    for _ in 0..6 {
        worker.bury("mail", "paid", "no").await;
    }
    assert_eq!(worker.claim("log", "paid", 9).await.len(), 6);
    let queue = worker.queue();
    let letters = worker.letters("mail").await;
    assert_eq!(queue.revive("mail".into(), Letters::One(letters[2].id)).await.unwrap(), 1);
    assert_eq!(queue.revive("mail".into(), Letters::One(letters[2].id)).await.unwrap(), 0);
    assert_eq!(queue.revive("unknown".into(), Letters::Oldest(9)).await.unwrap(), 0);
    assert_eq!(queue.revive("log".into(), Letters::Oldest(9)).await.unwrap(), 0);
    let again = worker.claim("mail", "paid", 9).await;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].event, queued("paid", 1, 3));
    assert_eq!((again[0].failures, again[0].losses), (0, 0));
    assert!(worker.claim("log", "paid", 9).await.is_empty());
    // It may die again.
    let dead = Verdict::Dead { error: "still no".into(), reason: DeadReason::GivenUp };
    assert!(worker.settle(&again[0], dead).await);
    let letters = worker.letters("mail").await;
    let order: Vec<_> = letters.iter().map(|letter| letter.event.id).collect();
    assert_eq!(order, [1, 2, 4, 5, 6, 3]);
    assert_eq!(letters[5].event, queued("paid", 1, 3));
    assert_eq!(letters[5].errors.last().map(|error| &**error), Some("still no"));

    assert_eq!(queue.discard("mail".into(), Letters::One(letters[0].id)).await.unwrap(), 1);
    assert_eq!(queue.discard("mail".into(), Letters::One(letters[0].id)).await.unwrap(), 0);
    assert_eq!(queue.discard("mail".into(), Letters::Oldest(2)).await.unwrap(), 2);
    assert_eq!(queue.revive("mail".into(), Letters::Oldest(2)).await.unwrap(), 2);
    let mut again = ids(&worker.claim("mail", "paid", 9).await);
    again.sort_unstable();
    assert_eq!(again, [5, 6]);
    let rest: Vec<_> = worker.letters("mail").await.iter().map(|letter| letter.event.id).collect();
    assert_eq!(rest, [3]);
    assert_eq!(queue.discard("mail".into(), Letters::Oldest(99)).await.unwrap(), 1);
    assert_eq!(worker.stats("mail").await.dead, 0);
}

/// The newest five errors, at most 1 KB of each.
pub async fn errors_are_bounded<H: Harness>(harness: H) {
    let worker = Worker::join(&harness).await;
    worker.register("mail", &["paid"], Since::Now).await;
    worker.publish("paid", [1]).await;
    let long = "ü".repeat(5_000);
    for attempt in 0..7 {
        let taken = worker.claim("mail", "paid", 1).await;
        assert_eq!(taken[0].failures, attempt);
        let error: Arc<str> =
            if attempt == 6 { long.as_str().into() } else { format!("{attempt}\0").into() };
        let verdict = match attempt {
            6 => Verdict::Dead { error, reason: DeadReason::Attempts },
            _ => Verdict::Failed { error, again: Duration::ZERO },
        };
        assert!(worker.settle(&taken[0], verdict).await);
    }
    let letter = worker.letters("mail").await.remove(0);
    assert_eq!(letter.errors.len(), 5);
    let last = &letter.errors[4];
    assert!(last.len() <= 1_024 && last.len() > 900 && long.starts_with(&**last), "{}", last.len());
    for (error, attempt) in letter.errors.iter().zip(2..6) {
        assert!(error.starts_with(&attempt.to_string()), "{error:?}");
    }
}
