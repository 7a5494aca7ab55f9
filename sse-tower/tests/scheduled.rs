//! Functions that run by the clock, as programs write them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use sse_tower::{
    ApplicationContext, Component, Drain, ListenerError, Schedule, WiringFault, component,
    scheduled,
};
use tokio::time::{Instant, advance, sleep};

const HOUR: Duration = Duration::from_secs(60 * 60);

#[derive(Default)]
struct Counts {
    free: AtomicU32,
    method: AtomicU32,
    failing: AtomicU32,
    slow: AtomicU32,
    cron: AtomicU32,
}

fn count(counter: &AtomicU32) -> u32 {
    counter.load(Ordering::Relaxed)
}

fn add(counter: &AtomicU32) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[scheduled(every = "5s")]
async fn free(counts: Component<Counts>) {
    add(&counts.free);
}

#[scheduled(every = "1m", initial_delay = "30s")]
fn failing(counts: &Component<Counts>) -> Result<(), ListenerError> {
    add(&counts.failing);
    assert!(count(&counts.failing).is_multiple_of(2), "each second run panics");
    "no number".parse::<u32>()?;
    Ok(())
}

#[scheduled(every = "1m")]
async fn slow(counts: Component<Counts>) {
    add(&counts.slow);
    sleep(Duration::from_secs(150)).await;
}

#[cfg(feature = "cron")]
#[scheduled(cron = "0/5 * * * * ?", zone = "Asia/Shanghai")]
async fn cron(counts: Component<Counts>) {
    add(&counts.cron);
}

#[component]
impl Counts {
    #[scheduled(fixed_delay = "10s", id = "method")]
    async fn method(&self) {
        add(&self.method);
        sleep(Duration::from_secs(2)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_runs_takes_a_moment_and_failures_do_not_stop_the_next() {
    let context = ApplicationContext::builder().component(Counts::default()).build().unwrap();
    sleep(HOUR - Duration::from_secs(1)).await;
    let counts = context.component::<Counts>().unwrap();
    assert_eq!(count(&counts.free), 720);
    assert_eq!(count(&counts.method), 300, "every twelve seconds");
    assert_eq!(count(&counts.failing), 60);
    assert_eq!(count(&counts.slow), 20, "two of three fell into the one before");
    #[cfg(feature = "cron")]
    assert!((719..=720).contains(&count(&counts.cron)), "{}", count(&counts.cron));
}

#[tokio::test(start_paused = true)]
async fn a_bare_context_runs_what_it_is_given() {
    let context = ApplicationContext::bare()
        .component(Counts::default()) // with its own methods
        .listener(free::LISTENER)
        .build()
        .unwrap();
    sleep(Duration::from_secs(61)).await;
    let counts = context.component::<Counts>().unwrap();
    assert_eq!((count(&counts.free), count(&counts.method)), (13, 6));
    assert_eq!(count(&counts.failing), 0);
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_the_run_that_is_under_way_and_begins_no_other() {
    let context = ApplicationContext::bare()
        .component(Counts::default())
        .listener(slow::LISTENER)
        .listener(free::LISTENER)
        .build()
        .unwrap();
    sleep(Duration::from_secs(11)).await;
    let counts = context.component::<Counts>().unwrap();
    let free_runs = count(&counts.free);
    let began = Instant::now();
    context.drain().with(Drain::new().deadline(HOUR)).await;
    assert!(began.elapsed() >= Duration::from_secs(139), "{:?}", began.elapsed());
    sleep(HOUR).await;
    assert_eq!((count(&counts.slow), count(&counts.free)), (1, free_runs));
}

#[tokio::test(start_paused = true)]
async fn a_schedule_keeps_no_context_alive() {
    let context = ApplicationContext::bare()
        .component(Counts::default())
        .schedule(Schedule::every(HOUR).run(|| async {}))
        .build()
        .unwrap();
    tokio::task::yield_now().await;
    let counts = context.component::<Counts>().unwrap().into_arc();
    drop(context);
    advance(HOUR * 2).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(std::sync::Arc::strong_count(&counts), 1);
}

#[tokio::test(start_paused = true)]
async fn two_closures_of_one_type_run_by_their_own_times() {
    let mut builder = ApplicationContext::bare().component(Counts::default());
    for seconds in [10, 20] {
        builder = builder.schedule(Schedule::every(Duration::from_secs(seconds)).run_on(
            move |counts: Component<Counts>| async move {
                counts.slow.fetch_add(seconds as u32, Ordering::Relaxed);
            },
        ));
    }
    let context = builder.build().unwrap();
    sleep(Duration::from_secs(61)).await;
    let counts = context.component::<Counts>().unwrap();
    assert_eq!(count(&counts.slow), 7 * 10 + 4 * 20);
}

#[test]
fn what_is_missing_or_cannot_be_read_is_told_when_the_context_is_built() {
    let missing = ApplicationContext::bare().listener(free::LISTENER).build().unwrap_err();
    assert!(matches!(missing.faults(), [WiringFault::MissingComponent { .. }]), "{missing}");
    let wrong = ApplicationContext::bare()
        .schedule(Schedule::cron("half past nine").id("report").run(|| async {}))
        .build()
        .unwrap_err();
    assert!(wrong.to_string().contains("`report` is scheduled at no time"), "{wrong}");
}
