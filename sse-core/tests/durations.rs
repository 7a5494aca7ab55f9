//! Every duration that a program may set for listeners, schedules and durable ones is taken as it is: nothing, and more than
//! any clock can hold.

#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sse_tower_core::{
    ApplicationContext, ApplicationEvent, Drain, Listener, ListenerTimedOut, Schedule,
};

const NONE: Duration = Duration::ZERO;
const MOST: Duration = Duration::MAX;
const HOUR: Duration = Duration::from_secs(60 * 60);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

struct Paid;
impl ApplicationEvent for Paid {}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_any_length_stops_only_what_takes_longer() {
    for spawn in [false, true] {
        for (timeout, ran) in [(NONE, 0), (MOST, 1)] {
            let done = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&done);
            let slow = Listener::on_async(move |_: Arc<Paid>| {
                let count = Arc::clone(&count);
                async move {
                    tokio::time::sleep(YEAR).await;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
            .timeout(timeout);
            let slow = if spawn { slow.spawn() } else { slow };
            let context = ApplicationContext::bare().listener(slow).build().unwrap();
            let outcome = context.publish_event(Paid).await;
            context.settled().await;
            assert_eq!(done.load(Ordering::Relaxed), ran, "{timeout:?}, spawned: {spawn}");
            if !spawn && ran == 0 {
                let failed = outcome.unwrap_err();
                assert!(failed.failures()[0].source.is::<ListenerTimedOut>());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_schedule_of_any_length_runs_once_or_at_its_shortest() {
    for (name, begin) in
        [("every", Schedule::every as fn(_) -> _), ("delay", Schedule::fixed_delay)]
    {
        for (pause, initial, runs) in
            [(NONE, NONE, 100..=102), (MOST, NONE, 1..=1), (NONE, MOST, 0..=0)]
        {
            let ran = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&ran);
            let schedule = begin(pause).initial_delay(initial).run(move || {
                count.fetch_add(1, Ordering::Relaxed);
                async {}
            });
            let context = ApplicationContext::bare().schedule(schedule).build().unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            let ran = ran.load(Ordering::Relaxed);
            assert!(runs.contains(&ran), "{name} {pause:?} after {initial:?}: {ran}");
            context.drain().with(Drain::new().deadline(Duration::from_secs(1))).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_of_any_length_ends_when_everything_has() {
    for deadline in [NONE, MOST] {
        let context = ApplicationContext::bare().build().unwrap();
        context.drain().with(Drain::new().deadline(deadline)).await;
        assert!(!context.is_ready());
    }
}

#[cfg(feature = "json")]
mod durable {
    use sse_tower_core::{EventMeta, EventType, ListenerError};

    use super::*;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Stored;
    impl ApplicationEvent for Stored {
        fn event_type() -> EventType<Self> {
            EventType::new().name("stored").json()
        }
    }

    /// How often a durable listener was tried within a time, which fails as it is told.
    async fn tried(
        within: Duration,
        backoff: Duration,
        fails: impl Fn() -> ListenerError + Send + Sync + 'static,
    ) -> u32 {
        let tries = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&tries);
        let listener = Listener::on_with_meta(move |_: &Stored, _: EventMeta| {
            count.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(fails())
        });
        let listener = listener.durable().id("mail").attempts(3).backoff(backoff);
        let context = ApplicationContext::bare().listener(listener).build().unwrap();
        context.publish_event(Stored).await.unwrap();
        tokio::time::sleep(within).await;
        drop(context);
        u32::try_from(tries.load(Ordering::Relaxed)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_backoff_of_any_length_is_taken_up_to_its_longest() {
        // The longest pause is two hours, and a quarter more by chance.
        for (within, backoff) in [(HOUR, NONE), (6 * HOUR, MOST)] {
            assert_eq!(tried(within, backoff, || "no".into()).await, 3, "{backoff:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_may_ask_for_any_time_until_its_next_attempt() {
        for (after, tries) in [(NONE, 3), (MOST, 1)] {
            let tried = tried(HOUR, NONE, move || ListenerError::retry_after(after)).await;
            assert_eq!(tried, tries, "{after:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_of_a_durable_listener_is_of_any_length() {
        for (timeout, ran) in [(NONE, 0), (MOST, 1)] {
            let done = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&done);
            let listener = Listener::on_async(move |_: Arc<Stored>| {
                let count = Arc::clone(&count);
                async move {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
            let listener = listener.durable().id("mail").attempts(2).timeout(timeout);
            let context = ApplicationContext::bare().listener(listener).build().unwrap();
            context.publish_event(Stored).await.unwrap();
            tokio::time::sleep(Duration::from_secs(60 * 60)).await;
            assert_eq!(done.load(Ordering::Relaxed), ran, "{timeout:?}");
        }
    }
}
