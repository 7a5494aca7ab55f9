//! Lists, retries and switches, for people.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sse_tower_core::{DurableError, ListenerError, ListenerState, backplane::MemoryStore};

use super::site::{HOUR, Handled, Process, answers, notes, seconds};

#[tokio::test(start_paused = true)]
async fn dead_letters_are_tried_again_or_deleted_one_by_one_and_all() {
    let (broken, handled) = (Arc::new(AtomicBool::new(true)), Handled::default());
    let listener = answers({
        let (broken, handled) = (broken.clone(), handled.clone());
        move |paid, meta| {
            assert_eq!(meta.attempt(), 1, "a revived one begins anew");
            if broken.load(Ordering::Relaxed) {
                return Err(ListenerError::give_up());
            }
            handled.note(paid.order);
            Ok(())
        }
    });
    let here = Process::start(&MemoryStore::new(), vec![listener.into()]);
    here.publish(0..600).await;
    here.done("mail", HOUR).await;
    let letters = here.context.dead_letters("mail");
    let first = letters.list(0, 2).await.unwrap();
    let next = letters.list(first[1].id, 2).await.unwrap();
    assert!(first[0].id < first[1].id && first[1].id < next[0].id, "{first:?} {next:?}");
    broken.store(false, Ordering::Relaxed);
    assert!(letters.retry(first[0].id).await.unwrap());
    assert!(letters.discard(first[1].id).await.unwrap());
    assert!(!letters.retry(first[1].id).await.unwrap(), "it is gone");
    here.done("mail", HOUR).await;
    assert_eq!(handled.count(), 1);
    assert_eq!(letters.retry_all().await.unwrap(), 598);
    here.done("mail", HOUR).await;
    assert_eq!((handled.count(), letters.await.unwrap().len()), (599, 0));
}

#[tokio::test(start_paused = true)]
async fn a_retry_of_all_ends_although_everything_dies_again() {
    let listener = answers(|_, _| Err(ListenerError::give_up()));
    let here = Process::start(&MemoryStore::new(), vec![listener.into()]);
    here.publish(0..600).await;
    here.done("mail", HOUR).await;
    assert_eq!(here.context.dead_letters("mail").retry_all().await.unwrap(), 600);
    here.done("mail", HOUR).await;
    assert_eq!(here.stats("mail").await.dead, 600);
    assert_eq!(here.context.dead_letters("mail").discard_all().await.unwrap(), 600);
}

#[tokio::test(start_paused = true)]
async fn a_paused_listener_rests_on_every_node_until_it_is_resumed() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let here = Process::start(&store, vec![notes(&handled, Duration::ZERO).into()]);
    let there = Process::start(&store, vec![notes(&handled, Duration::ZERO).into()]);
    there.context.listeners().pause("mail").await.unwrap();
    here.publish(0..10).await;
    tokio::time::sleep(seconds(60)).await;
    let stats = here.stats("mail").await;
    assert_eq!((stats.state, stats.backlog, handled.count()), (ListenerState::Paused, 10, 0));
    assert!(stats.oldest.unwrap() >= seconds(59), "{stats:?}");
    there.context.listeners().resume("mail").await.unwrap();
    here.done("mail", seconds(10)).await;
    assert_eq!(handled.count(), 10);
    let unknown = here.context.listeners().pause("nobody").await.unwrap_err();
    assert!(matches!(unknown, DurableError::Unknown(id) if id == "nobody"));
}

#[tokio::test(start_paused = true)]
async fn who_pauses_a_retired_listener_is_told_that_it_is_retired() {
    let store = MemoryStore::new();
    let here = Process::start(&store, vec![answers(|_, _| Ok(())).into()]);
    here.done("mail", HOUR).await;
    let listeners = here.context.listeners();
    listeners.retire("mail").await.unwrap();
    for refused in [listeners.pause("mail").await, listeners.resume("mail").await] {
        let refused = refused.unwrap_err();
        assert!(matches!(&refused, DurableError::Retired(id) if id == "mail"), "{refused}");
    }
    listeners.retire("mail").await.unwrap();
    assert_eq!(here.stats("mail").await.state, ListenerState::Retired);
}

#[tokio::test(start_paused = true)]
async fn a_retry_of_all_keeps_to_its_rate_and_stops_when_it_is_dropped() {
    let (broken, handled) = (Arc::new(AtomicBool::new(true)), Handled::default());
    let listener = answers({
        let (broken, handled) = (broken.clone(), handled.clone());
        move |paid, _| {
            if broken.load(Ordering::Relaxed) {
                return Err(ListenerError::give_up());
            }
            handled.note(paid.order);
            Ok(())
        }
    });
    let here = Process::start(&MemoryStore::new(), vec![listener.into()]);
    here.publish(0..300).await;
    here.done("mail", HOUR).await;
    broken.store(false, Ordering::Relaxed);
    let letters = here.context.dead_letters("mail");
    let some = letters.retry_all().per_second(10);
    assert!(tokio::time::timeout(seconds(10), some).await.is_err(), "300 take half a minute");
    tokio::time::sleep(seconds(60)).await;
    let count = handled.count();
    assert!((95..=105).contains(&count), "{count}");
    let began = tokio::time::Instant::now();
    assert_eq!(letters.retry_all().per_second(100).await.unwrap(), 300 - count);
    let took = began.elapsed();
    assert!(took > Duration::from_millis(1_700) && took < seconds(4), "{took:?}");
    here.done("mail", HOUR).await;
    assert_eq!((handled.count(), handled.repeated()), (300, 0));
}
