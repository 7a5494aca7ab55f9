//! Processes that die, hang, or cannot say that they live.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sse_tower_core::{DeadReason, EventMeta, Listener, backplane::MemoryStore};
use tokio::time::Instant;

use super::site::{HOUR, Handled, Paid, Process, eventually, notes, seconds};

#[tokio::test(start_paused = true)]
async fn what_a_dead_process_had_is_handled_by_the_others_within_seconds() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let listener = || vec![notes(&handled, Duration::from_millis(50)).concurrency(64).into()];
    let [one, two, three] = [(); 3].map(|()| Process::start(&store, listener()));
    one.publish(0..4_000).await;
    one.die();
    let died = Instant::now();
    two.done("mail", seconds(60)).await;
    assert_eq!(handled.count(), 4_000);
    assert!(handled.repeated() <= 128, "{}", handled.repeated());
    assert!(died.elapsed() < seconds(16), "{:?}", died.elapsed());
    assert_eq!(two.stats("mail").await.dead, 0);
    drop(three);
}

/// Counts how many have an event at the same time, and the most that ever had.
#[derive(Clone, Default)]
struct Witness(Arc<(AtomicUsize, AtomicUsize)>);

struct Inside(Witness);

impl Witness {
    fn enter(&self) -> Inside {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        Inside(self.clone())
    }
    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_renew_its_lease_stops_before_another_begins() {
    let (store, witness, begun) = (MemoryStore::new(), Witness::default(), Handled::default());
    let listener = || {
        let (witness, begun) = (witness.clone(), begun.clone());
        let listener = Listener::on_async(move |paid: Arc<Paid>| {
            let (inside, begun) = (witness.enter(), begun.clone());
            async move {
                // Only the second run of it ever ends.
                if begun.note(paid.order) == 1 {
                    std::future::pending::<()>().await;
                }
                drop(inside);
            }
        });
        vec![listener.durable().id("mail").timeout(HOUR).into()]
    };
    let here = Process::start(&store, listener());
    here.publish([1]).await;
    eventually(seconds(5), "it has begun", async || begun.count() == 1).await;
    let there = Process::start(&store, listener());
    here.faults.freeze_renewals(true);
    let frozen = Instant::now();
    there.done("mail", seconds(60)).await;
    assert_eq!((begun.lock()[&1], witness.most()), (2, 1), "never two at the same time");
    assert!(frozen.elapsed() < seconds(20), "{:?}", frozen.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_kills_its_process_dies_after_its_attempts_and_takes_no_innocents_along() {
    const POISON: u32 = 100;
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let alive: Arc<Mutex<Option<Process>>> = Arc::default();
    let deaths = Arc::new(AtomicUsize::new(0));
    let listener = || {
        let (handled, alive, deaths) = (handled.clone(), alive.clone(), deaths.clone());
        let listener = Listener::on_async(move |paid: Arc<Paid>| {
            let (handled, alive, deaths) = (handled.clone(), alive.clone(), deaths.clone());
            async move {
                if paid.order == POISON {
                    deaths.fetch_add(1, Ordering::SeqCst);
                    if let Some(process) = &*alive.lock().unwrap() {
                        process.die();
                    }
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
                handled.note(paid.order);
            }
        });
        vec![listener.durable().id("mail").attempts(3).timeout(HOUR).into()]
    };
    let publisher = Process::start(&store, vec![]);
    *alive.lock().unwrap() = Some(Process::start(&store, listener()));
    tokio::time::sleep(seconds(11)).await;
    publisher.publish((0..=200).collect::<Vec<_>>()).await;
    for death in 1..=3 {
        eventually(HOUR, "the process dies", async || deaths.load(Ordering::SeqCst) == death).await;
        // It is restarted, as another process.
        let dead = alive.lock().unwrap().replace(Process::start(&store, listener()));
        drop(dead);
    }
    publisher.done("mail", HOUR).await;
    assert_eq!(handled.count(), 200, "every innocent");
    let letters = publisher.context.dead_letters("mail").await.unwrap();
    let [letter] = &letters[..] else { panic!("only the poison is dead: {letters:?}") };
    assert_eq!((letter.losses, letter.failures, letter.reason), (3, 0, DeadReason::Attempts));
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_was_not_answered_leaves_nothing_behind_that_nobody_knows_of() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let here = Process::start(&store, vec![notes(&handled, seconds(5)).into()]);
    here.publish([1]).await;
    tokio::time::sleep(seconds(1)).await;
    // While one runs, the store is away for a moment: claims fail, and may have taken something.
    here.faults.away();
    tokio::time::sleep(seconds(2)).await;
    here.faults.back();
    here.publish(2..20).await;
    here.done("mail", seconds(60)).await;
    assert_eq!((handled.count(), handled.repeated()), (19, 0));
    assert_eq!(here.stats("mail").await.running, 0);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_counts_failures_and_losses() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let store = MemoryStore::new();
    let listener = |hangs: bool| {
        let seen = seen.clone();
        let listener = Listener::on_async_with_meta(move |_: Arc<Paid>, meta: EventMeta| {
            seen.lock().unwrap().push(meta.attempt());
            async move {
                if hangs && meta.attempt() == 2 {
                    std::future::pending::<()>().await;
                }
                if meta.attempt() == 1 { Err("first") } else { Ok(()) }
            }
        });
        vec![listener.durable().id("mail").timeout(HOUR).into()]
    };
    let here = Process::start(&store, listener(true));
    here.publish([1]).await;
    eventually(seconds(10), "it hangs", async || seen.lock().unwrap().len() == 2).await;
    here.die();
    let there = Process::start(&store, listener(false));
    there.done("mail", seconds(60)).await;
    assert_eq!(*seen.lock().unwrap(), [1, 2, 3]);
}
