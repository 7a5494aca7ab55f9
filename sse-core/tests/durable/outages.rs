//! What everything depends on is away: the mail server, or the store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sse_tower_core::{
    EventMeta, Listener, ListenerError, ListenerState,
    backplane::{Epoch, MemoryStore},
};
use tokio::time::Instant;

use super::site::{HOUR, Handled, Paid, Process, answers, eventually, notes, seconds};

#[tokio::test(start_paused = true)]
async fn a_backlog_is_not_burnt_into_dead_letters_while_everything_fails() {
    let (away, handled) = (Arc::new(AtomicBool::new(true)), Handled::default());
    let listener = answers({
        let (away, handled) = (away.clone(), handled.clone());
        move |paid, _| {
            if away.load(Ordering::Relaxed) {
                return Err("mail server is away".into());
            }
            handled.note(paid.order);
            Ok(())
        }
    });
    let here = Process::start(&MemoryStore::new(), vec![listener.into()]);
    here.publish(0..10_000).await;
    tokio::time::sleep(3 * HOUR).await;
    let stats = here.stats("mail").await;
    assert!(stats.dead == 0 && stats.backlog > 9_900, "{stats:?}");
    away.store(false, Ordering::Relaxed);
    here.done("mail", 3 * HOUR).await;
    assert_eq!((handled.count(), handled.repeated()), (10_000, 0));
    assert_eq!(here.stats("mail").await.dead, 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_away_finds_nobody_dead_and_loses_nothing() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let here = Process::start(&store, vec![notes(&handled, seconds(1)).into()]);
    let there = Process::start(&store, vec![notes(&handled, seconds(1)).into()]);
    here.publish(0..200).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    store.faults().away();
    tokio::time::sleep(seconds(15)).await;
    store.faults().back();
    let back = Instant::now();
    here.done("mail", seconds(60)).await;
    assert_eq!(handled.count(), 200);
    // What was cut at the fence, or done and not heard of, may run once more.
    assert!(handled.repeated() <= 64, "{}", handled.repeated());
    assert!(back.elapsed() < seconds(30), "{:?}", back.elapsed());
    drop(there);
}

#[tokio::test(start_paused = true)]
async fn a_verdict_that_was_stored_and_not_heard_of_does_no_harm() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let here = Process::start(&store, vec![notes(&handled, Duration::ZERO).into()]);
    here.faults.fail_settles_after_storing(3);
    here.publish(0..50).await;
    here.done("mail", seconds(60)).await;
    assert_eq!((handled.count(), handled.repeated()), (50, 0));
    here.faults.fail_settles_before_storing(3);
    here.publish(50..100).await;
    here.done("mail", seconds(60)).await;
    assert_eq!((handled.count(), handled.repeated()), (100, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_given_back_and_taken_again_is_not_given_back_by_what_is_said_twice() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let listener = Listener::on_async_with_meta({
        let handled = handled.clone();
        move |paid: Arc<Paid>, meta: EventMeta| {
            let handled = handled.clone();
            async move {
                if (paid.order, meta.attempt()) == (1, 1) {
                    return Err(ListenerError::retry_after(Duration::from_millis(10)));
                }
                // Longer than until it is said once more what became of the first attempt.
                tokio::time::sleep(seconds(1)).await;
                handled.note(paid.order);
                Ok(())
            }
        }
    });
    let here = Process::start(&store, vec![listener.durable().id("mail").ordered().into()]);
    here.context.listeners().pause("mail").await.unwrap();
    here.publish([1, 2]).await;
    // The first has failed, and the second, which was taken with it, is given back: both stored, and not heard of.
    here.faults.fail_settles_after_storing(1);
    here.context.listeners().resume("mail").await.unwrap();
    here.done("mail", seconds(60)).await;
    assert_eq!((handled.count(), handled.repeated()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn without_bells_events_are_found_within_two_seconds() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let here = Process::start(&store, vec![notes(&handled, Duration::ZERO).into()]);
    tokio::time::sleep(seconds(5)).await;
    here.faults.lose_bells(true);
    here.publish([1]).await;
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(handled.orders(), [1]);
}

#[tokio::test(start_paused = true)]
async fn who_has_no_room_or_has_to_wait_does_not_look_all_the_time() {
    let sleeps = async |fails: bool| {
        let listener = Listener::on_async(move |_: Arc<Paid>| async move {
            if fails {
                return Err(ListenerError::from("away"));
            }
            tokio::time::sleep(HOUR).await;
            Ok(())
        });
        let listener = listener.durable().id("mail").concurrency(1).timeout(2 * HOUR);
        let here = Process::start(&MemoryStore::new(), vec![listener.into()]);
        here.publish(0..20).await;
        tokio::time::sleep(60 * seconds(1)).await;
        let metrics = tokio::runtime::Handle::current().metrics();
        let before = metrics.worker_park_count(0);
        tokio::time::sleep(600 * seconds(1)).await;
        metrics.worker_park_count(0) - before
    };
    // Renewals, probes and looks for what is too late: a few in each second.
    let (full, probing) = (sleeps(false).await, sleeps(true).await);
    assert!(full < 6_000 && probing < 12_000, "{full} {probing}");
}

/// How often the runtime slept, which on paused time it does for each moment at which somebody wants something.
fn slept() -> u64 {
    tokio::runtime::Handle::current().metrics().worker_park_count(0)
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_something_else_is_not_asked_for_all_the_time() {
    const SECS: u64 = 600;
    let store = MemoryStore::new();
    let listener = || {
        let listener =
            Listener::on_async_with_meta(|paid: Arc<Paid>, meta: EventMeta| async move {
                match (paid.order, meta.attempt()) {
                    (0, _) => return Err(ListenerError::give_up()),
                    (1, 1) => return Err(ListenerError::retry_after(seconds(2 * SECS))),
                    (1, _) => tokio::time::sleep(seconds(2 * SECS)).await,
                    _ => {}
                }
                Ok(())
            });
        vec![listener.durable().id("mail").ordered().timeout(HOUR).into()]
    };
    // Known before, so that all of them are taken at once.
    drop(Process::start(&store, listener()));
    let publisher = Process::start(&store, vec![]);
    publisher.publish(0..=5).await;
    let processes = [(); 2].map(|()| Process::start(&store, listener()));
    tokio::time::sleep(seconds(60)).await;
    // First it is due later than those that wait for it; then a process has them all, and what is to be done before waits.
    for held in [(5, 0), (1, 5)] {
        let stats = publisher.stats("mail").await;
        assert_eq!((stats.waiting, stats.running), held, "{stats:?}");
        let before = slept();
        tokio::time::sleep(seconds(SECS)).await;
        let times = slept() - before;
        assert!(times < 30 * SECS, "{times} times in {SECS} s");
        tokio::time::sleep(seconds(SECS)).await;
        publisher.context.dead_letters("mail").retry_all().await.unwrap();
    }
    publisher.done("mail", HOUR).await;
    drop(processes);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lost_everything_is_told_of_the_listeners_that_are_there() {
    let store = MemoryStore::new();
    let (handled, others) = (Handled::default(), Handled::default());
    let listener = |handled: &Handled, id| vec![notes(handled, seconds(1)).id(id).into()];
    let first = Process::start(&store, listener(&handled, "mail"));
    let second = Process::start(&store, listener(&others, "stock"));
    first.publish(0..2).await;
    first.done("mail", seconds(10)).await;
    store.faults().new_epoch(Epoch::new(7));
    // At once, before anybody knows of it.
    first.publish(2..4).await;
    eventually(seconds(15), "both hear of it", async || {
        (handled.count(), others.count()) == (4, 4)
    })
    .await;
    assert_eq!((handled.repeated(), others.repeated()), (0, 0));
    // What somebody retired does not come back with the next one.
    second.context.listeners().retire("stock").await.unwrap();
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(second.stats("stock").await.state, ListenerState::Retired);
}
