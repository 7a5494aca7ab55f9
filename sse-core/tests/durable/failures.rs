//! What becomes of an event whose listener fails.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sse_tower_core::{
    ApplicationContext, DeadReason, EventOrigin, EventUid, Listener, ListenerError, ListenerState,
    backplane::MemoryStore,
};
use tokio::time::Instant;

use super::site::{HOUR, Handled, Paid, Process, answers, notes, seconds};

type Attempts = Arc<Mutex<Vec<(u32, EventUid, Duration)>>>;

/// Fails until its attempt `succeeds`, and notes each attempt.
fn fails_until(succeeds: u32, attempts: &Attempts) -> sse_tower_core::ListenerBuilder<Paid> {
    let (attempts, began) = (attempts.clone(), Instant::now());
    answers(move |_, meta| {
        attempts.lock().unwrap().push((meta.attempt(), meta.event_id(), began.elapsed()));
        if meta.attempt() < succeeds { Err("mail server is away".into()) } else { Ok(()) }
    })
}

#[tokio::test(start_paused = true)]
async fn an_event_is_stored_before_publishing_resolves_and_handled_beside_it() {
    let handled = Handled::default();
    let here = Process::start(&MemoryStore::new(), vec![notes(&handled, seconds(5)).into()]);
    let outcome = here.context.publish_event(Paid { order: 1 }).await.unwrap();
    assert_eq!((outcome.ran(), handled.count()), (0, 0), "nobody has waited for it");
    assert_eq!(here.context.unheard(), 0);
    here.done("mail", seconds(10)).await;
    assert_eq!(handled.orders(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_repeated_with_doubling_pauses_under_the_same_id() {
    let attempts = Attempts::default();
    let listener = fails_until(4, &attempts).backoff(seconds(60));
    let here = Process::start(&MemoryStore::new(), vec![listener.into()]);
    here.publish([1]).await;
    here.done("mail", HOUR).await;
    let attempts = attempts.lock().unwrap().clone();
    assert_eq!(attempts.iter().map(|it| it.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(attempts.iter().all(|it| it.1 == attempts[0].1), "{attempts:?}");
    for (pair, expected) in attempts.windows(2).zip([60.0, 120.0, 240.0]) {
        let pause = (pair[1].2 - pair[0].2).as_secs_f64();
        assert!((expected * 0.74..expected * 1.26 + 2.0).contains(&pause), "{attempts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_that_are_used_up_make_a_dead_letter_with_body_and_error() {
    let attempts = Attempts::default();
    let listener = fails_until(99, &attempts).attempts(3);
    let here = Process::start(&MemoryStore::new(), vec![listener.into()]);
    here.publish([7]).await;
    here.done("mail", HOUR).await;
    assert_eq!(attempts.lock().unwrap().len(), 3);
    let letters = here.context.dead_letters("mail").await.unwrap();
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!((letter.attempts, letter.reason), (3, DeadReason::Attempts));
    assert_eq!((letter.event.as_str(), &letter.body[..]), ("order.paid", &br#"{"order":7}"#[..]));
    assert!(letter.error.starts_with("mail server is away at "), "{letter:?}");
    assert_eq!(letter.event_id, attempts.lock().unwrap()[0].1);
}

#[tokio::test(start_paused = true)]
async fn a_listener_says_when_it_wants_to_be_tried_again_or_that_it_gives_up() {
    let began = Instant::now();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let listener = answers({
        let seen = seen.clone();
        move |paid, meta| {
            seen.lock().unwrap().push((paid.order, meta.attempt(), began.elapsed().as_secs()));
            match (paid.order, meta.attempt()) {
                (1, 1) => Err(ListenerError::retry_after(HOUR).because("come back later")),
                (2, _) => Err(ListenerError::give_up().because("no such address")),
                _ => Ok(()),
            }
        }
    });
    let here = Process::start(&MemoryStore::new(), vec![listener.into()]);
    here.publish([1, 2]).await;
    here.done("mail", 2 * HOUR).await;
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!((3_600..3_604).contains(&seen[2].2), "{seen:?}");
    let letters = here.context.dead_letters("mail").await.unwrap();
    assert_eq!(letters.iter().map(|it| it.reason).collect::<Vec<_>>(), [DeadReason::GivenUp]);
    assert!(letters[0].error.starts_with("no such address"), "{letters:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_and_a_timeout_are_failures_like_any_other() {
    let handled = Handled::default();
    let listener = {
        let handled = handled.clone();
        Listener::on_async(move |paid: Arc<Paid>| {
            let times = handled.note(paid.order);
            async move {
                match times {
                    1 => panic!("on purpose"),
                    2 => std::future::pending().await,
                    _ => {}
                }
            }
        })
    };
    let listener = listener.durable().id("mail").timeout(seconds(5));
    let here = Process::start(&MemoryStore::new(), vec![listener.into()]);
    here.publish([1]).await;
    here.done("mail", HOUR).await;
    assert_eq!(handled.lock()[&1], 3);
    assert_eq!(here.stats("mail").await.dead, 0);
}

#[tokio::test(start_paused = true)]
async fn ordered_events_wait_for_the_one_before_them_also_while_it_fails() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let listener = || {
        let seen = seen.clone();
        answers(move |paid, meta| {
            seen.lock().unwrap().push(paid.order);
            if paid.order == 2 && meta.attempt() < 3 { Err("not yet".into()) } else { Ok(()) }
        })
        .ordered()
    };
    let store = MemoryStore::new();
    let here = Process::start(&store, vec![listener().into()]);
    let there = Process::start(&store, vec![listener().into()]);
    here.publish(1..=5).await;
    here.done("mail", HOUR).await;
    assert_eq!(*seen.lock().unwrap(), [1, 2, 2, 2, 3, 4, 5]);
    drop(there);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_read_is_a_failure_and_keeps_nobody_else_waiting() {
    use sse_tower_core::{ApplicationEvent, EventType};

    /// Another program's idea of the same event.
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Foreign {
        order: String,
    }
    impl ApplicationEvent for Foreign {
        fn event_type() -> EventType<Self> {
            EventType::new().name("order.paid").json()
        }
    }

    let (store, handled) = (MemoryStore::new(), Handled::default());
    let here = Process::start(&store, vec![notes(&handled, Duration::ZERO).attempts(2).into()]);
    let there = Process::start(&store, vec![]);
    there.context.publish_event(Foreign { order: "seven".into() }).await.unwrap();
    here.publish([8]).await;
    here.done("mail", HOUR).await;
    assert_eq!(handled.orders(), [8]);
    let letters = here.context.dead_letters("mail").await.unwrap();
    assert!(letters[0].error.starts_with("event cannot be read: "), "{letters:?}");
    assert_eq!(letters[0].body, r#"{"order":"seven"}"#);
}

#[tokio::test(start_paused = true)]
async fn one_hook_hears_of_every_attempt_that_fails_and_of_what_cannot_be_read() {
    use sse_tower_core::{
        ApplicationEvent, EventType,
        backplane::{Node, NodeOptions},
    };

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Foreign(String);
    impl ApplicationEvent for Foreign {
        fn event_type() -> EventType<Self> {
            EventType::new().name("order.paid").json()
        }
    }

    let (store, attempts) = (MemoryStore::new(), Attempts::default());
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let context = ApplicationContext::bare()
        .backplane(&Node::new(store.engine(), NodeOptions::default()))
        .listener(fails_until(3, &attempts).attempts(3))
        .on_failure(move |failure| {
            tell.lock().unwrap().push((failure.listener, failure.source.to_string()));
        })
        .build()
        .unwrap();
    context.publish_event(Paid { order: 1 }).await.unwrap();
    tokio::time::sleep(HOUR).await;
    let away = ("mail", "mail server is away".to_owned());
    assert_eq!(*told.lock().unwrap(), [away.clone(), away]);
    told.lock().unwrap().clear();
    let there = Process::start(&store, vec![]);
    there.context.publish_event(Foreign("seven".into())).await.unwrap();
    tokio::time::sleep(HOUR).await;
    let unreadable = ("mail", "event cannot be read".to_owned());
    assert_eq!(*told.lock().unwrap(), vec![unreadable; 3]);
}

#[tokio::test(start_paused = true)]
async fn without_a_backplane_a_context_has_a_store_of_its_own() {
    let attempts = Attempts::default();
    let origin = Arc::new(Mutex::new(None));
    let told = origin.clone();
    let listener = fails_until(3, &attempts);
    let context = ApplicationContext::bare()
        .listener(listener)
        .listener(
            answers(move |_, meta| {
                *told.lock().unwrap() = Some(meta.origin());
                Ok(())
            })
            .id("origin"),
        )
        .build()
        .unwrap();
    assert!(context.is_ready());
    context.publish_event(Paid { order: 1 }).await.unwrap();
    tokio::time::sleep(seconds(10)).await;
    assert_eq!(attempts.lock().unwrap().len(), 3);
    assert_eq!(*origin.lock().unwrap(), Some(EventOrigin::Here));
    assert!(context.dead_letters("mail").await.unwrap().is_empty());
}

/// An ordered listener whose event 2 cannot be handled until it is mended.
fn stops_at_two(
    seen: &Arc<Mutex<Vec<u32>>>,
    mended: &Arc<AtomicBool>,
) -> sse_tower_core::ListenerBuilder<Paid> {
    let (seen, mended) = (seen.clone(), mended.clone());
    answers(move |paid, _| {
        seen.lock().unwrap().push(paid.order);
        if paid.order == 2 && !mended.load(Ordering::Relaxed) {
            return Err(ListenerError::give_up());
        }
        Ok(())
    })
    .ordered()
    .stop_on_dead()
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_stops_at_a_dead_letter_goes_past_it_on_no_process_until_it_is_resumed() {
    let (store, seen, mended) = (MemoryStore::new(), Arc::default(), Arc::default());
    let here = Process::start(&store, vec![stops_at_two(&seen, &mended).into()]);
    let there = Process::start(&store, vec![stops_at_two(&seen, &mended).into()]);
    here.publish(1..=5).await;
    tokio::time::sleep(HOUR).await;
    assert_eq!(*seen.lock().unwrap(), [1, 2]);
    let stats = there.stats("mail").await;
    assert_eq!((stats.state, stats.dead, stats.running), (ListenerState::Paused, 1, 0));
    assert_eq!(stats.backlog + stats.waiting, 3);

    mended.store(true, Ordering::Relaxed);
    assert_eq!(there.context.dead_letters("mail").retry_all().await.unwrap(), 1);
    there.context.listeners().resume("mail").await.unwrap();
    here.done("mail", HOUR).await;
    assert_eq!(*seen.lock().unwrap(), [1, 2, 2, 3, 4, 5], "the letter comes first, in order");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_cannot_be_stopped_yet_goes_past_nothing_meanwhile() {
    let (store, seen, mended) = (MemoryStore::new(), Arc::default(), Arc::default());
    let here = Process::start(&store, vec![stops_at_two(&seen, &mended).into()]);
    here.context.listeners().pause("mail").await.unwrap();
    here.publish(1..=5).await;
    here.faults.fail_settles_before_storing(3);
    here.context.listeners().resume("mail").await.unwrap();
    tokio::time::sleep(HOUR).await;
    assert_eq!(*seen.lock().unwrap(), [1, 2]);
    // By hand it goes on without that one.
    here.context.dead_letters("mail").discard_all().await.unwrap();
    here.context.listeners().resume("mail").await.unwrap();
    here.done("mail", HOUR).await;
    assert_eq!(*seen.lock().unwrap(), [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn without_a_timeout_a_listener_has_all_the_time_it_needs() {
    let handled = Handled::default();
    let listener = notes(&handled, 2 * HOUR).timeout(Duration::MAX);
    let here = Process::start(&MemoryStore::new(), vec![listener.into()]);
    here.publish([1]).await;
    here.done("mail", 3 * HOUR).await;
    assert_eq!((handled.count(), handled.repeated()), (1, 0));
}

#[test]
fn only_an_ordered_listener_can_stop() {
    let listener = Listener::on(|_: &Paid| ()).durable().id("mail").stop_on_dead();
    let wrong = ApplicationContext::bare().listener(listener).build().unwrap_err();
    assert!(wrong.to_string().contains("`ordered`"), "{wrong}");
}
