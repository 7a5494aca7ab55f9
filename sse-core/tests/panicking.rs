//! What of the program's code panics is a failure of its own: nobody else notices, however it panics.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what panics is what is tested")]

mod common;

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use common::{data, read_all, read_now};
use sse_tower_core::{
    ApplicationContext, ApplicationEvent, CloseReason, Emitters, LastEventId, Listener, Schedule,
    SseEmitter, SseEvent, StreamHandle, StreamOrder, Tick, Timer,
};
use tokio::time::Instant;

/// Panics when it is dropped, with another one.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any(Self);
    }
}

#[derive(Clone)]
struct Paid;
impl ApplicationEvent for Paid {}

#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

struct PanickingWaker;

impl Wake for PanickingWaker {
    fn wake(self: Arc<Self>) {
        panic_any(Bomb);
    }
}

/// Polls once, and leaves a waker there that panics.
fn poll_panicking<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::new(PanickingWaker));
    future.poll(&mut Context::from_waker(&waker))
}

fn explode() {
    panic_any(Bomb)
}

fn quiet() {
    std::panic::set_hook(Box::new(|_| ()));
}

#[tokio::test]
async fn a_panic_whose_payload_panics_is_a_failure_like_any_other() {
    quiet();
    let heard = Count::default();
    let (last, spawned) = (heard.clone(), heard.clone());
    let context = ApplicationContext::bare()
        .listener(Listener::on(|_: &Paid| explode()))
        .listener(Listener::on_async(|_: Arc<Paid>| async { explode() }))
        .listener(Listener::on(|_: &Paid| ()).condition(|_: &Paid| panic_any(Bomb)))
        .listener(Listener::on_async(|_: Arc<Paid>| async { explode() }).spawn())
        .listener(Listener::on_async(move |_: Arc<Paid>| {
            spawned.one();
            async {}
        }))
        .listener(Listener::on(move |_: &Paid| last.one()))
        .build()
        .unwrap();
    let failed = context.publish_event(Paid).await.unwrap_err();
    assert_eq!((failed.failures().len(), heard.get()), (3, 2));
    context.publish_event(Paid).detach();
    context.settled().await;
    assert_eq!(heard.get(), 4);
}

#[tokio::test]
async fn a_commit_that_panics_rolls_back_whatever_its_panic_leaves() {
    quiet();
    let heard = Count::default();
    let after = heard.clone();
    let context = ApplicationContext::bare().build().unwrap();
    context.on(move |_: &Paid| after.one()).forever();
    let transaction = context.transaction();
    transaction.publish_event(Paid);
    let commit = async {
        tokio::task::yield_now().await;
        if true {
            panic_any(Bomb);
        }
        Ok::<(), std::io::Error>(())
    };
    assert!(transaction.commit_with(commit).await.is_err());
    context.settled().await;
    assert_eq!(heard.get(), 0);
}

#[tokio::test]
async fn hooks_that_panic_are_no_affair_of_the_publisher() {
    quiet();
    let context = ApplicationContext::bare()
        .on_unheard(|_| panic_any(Bomb))
        .on_failure(|_| panic_any(Bomb))
        .build()
        .unwrap();
    context.publish_event(Paid).await.unwrap();
    assert_eq!(context.unheard(), 1);
    context.on(|_: &Paid| Err::<(), _>("no")).forever();
    assert_eq!(context.publish_event(Paid).await.unwrap_err().failures().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_scheduled_function_that_panics_is_run_again() {
    quiet();
    let runs = Count::default();
    let count = runs.clone();
    let each = Schedule::every(Duration::from_secs(1)).run(move || {
        count.one();
        async {
            if true {
                panic_any(Bomb);
            }
        }
    });
    let context = ApplicationContext::bare().schedule(each).build().unwrap();
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    assert!(runs.get() >= 3);
    drop(context);
}

/// Dropped by whoever comes last.
struct Dropping;
impl ApplicationEvent for Dropping {}
impl Drop for Dropping {
    fn drop(&mut self) {
        panic_any(Bomb);
    }
}

#[tokio::test]
async fn an_event_that_panics_when_dropped_leaves_nothing_under_way() {
    quiet();
    let heard = Count::default();
    let (one, two) = (heard.clone(), heard.clone());
    let context = ApplicationContext::bare()
        .listener(Listener::on_async(move |_: Arc<Dropping>| {
            one.one();
            async { tokio::task::yield_now().await }
        }))
        .listener(
            Listener::on_async(move |_: Arc<Dropping>| {
                two.one();
                async { tokio::task::yield_now().await }
            })
            .spawn(),
        )
        .build()
        .unwrap();
    context.publish_event(Dropping).detach();
    let settled = tokio::time::timeout(Duration::from_secs(5), context.settled()).await;
    assert!(settled.is_ok() && heard.get() == 2);
}

#[tokio::test]
async fn whoever_waits_for_an_end_and_panics_keeps_nobody_from_theirs() {
    quiet();
    let emitters = Emitters::<u64>::new();
    let [one, other] = [(); 2].map(|()| emitters.connect(1, LastEventId::default()));
    let streams = [&one, &other].map(|emitter| emitter.clone().into_stream());
    let mut waits = pin!(one.closed());
    assert!(poll_panicking(waits.as_mut()).is_pending());
    emitters.send(&1, "last").await.unwrap();
    let completed = catch_unwind(AssertUnwindSafe(|| emitters.complete(&1)));
    assert!(completed.is_ok());
    for stream in streams {
        let ended = tokio::time::timeout(Duration::from_secs(5), read_all(stream)).await;
        assert_eq!(data(&ended.unwrap()), ["last"]);
    }
    assert_eq!(other.closed().await, CloseReason::Completed);
}

#[tokio::test]
async fn whoever_waits_for_room_and_panics_does_not_break_the_stream() {
    quiet();
    let emitter = SseEmitter::builder().capacity(1, 1 << 20).build();
    emitter.try_send("first").unwrap();
    let mut stream = emitter.clone().into_stream();
    let mut waits = pin!(emitter.send("second"));
    assert!(poll_panicking(waits.as_mut()).is_pending());
    let read = catch_unwind(AssertUnwindSafe(|| read_now(&mut stream)));
    assert_eq!(data(&read.unwrap_or_default()), ["first"]);
    emitter.try_send("third").unwrap();
    assert_eq!(data(&read_now(&mut stream)), ["third"]);
}

#[tokio::test]
async fn whoever_waits_until_all_is_settled_and_panics_ends_no_listener() {
    quiet();
    let context = ApplicationContext::bare().build().unwrap();
    let (go, gone) = tokio::sync::watch::channel(false);
    context
        .on_async(move |_: Arc<Paid>| {
            let mut gone = gone.clone();
            async move { drop(gone.wait_for(|gone| *gone).await) }
        })
        .forever();
    context.publish_event(Paid).detach();
    let mut waits = pin!(context.settled());
    assert!(poll_panicking(waits.as_mut()).is_pending());
    go.send_replace(true);
    let settled = tokio::time::timeout(Duration::from_secs(5), context.settled());
    assert!(settled.await.is_ok());
}

struct Ends(Count, bool);

impl StreamHandle for Ends {
    fn end(&self, _: CloseReason, _: Option<SseEvent>) {
        self.0.one();
        if self.1 {
            panic_any(Bomb);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_panics_when_it_is_told_to_end_keeps_no_other_from_it() {
    quiet();
    let context = ApplicationContext::bare().build().unwrap();
    let ended = Count::default();
    let open: Vec<_> = (0..10)
        .map(|n| Arc::new(Ends(ended.clone(), n == 0)))
        .map(|handle| context.streams().register(handle, StreamOrder::InTurn).unwrap())
        .collect();
    context.drain().await;
    assert_eq!(ended.get(), 10);
    drop(open);
}

struct Ticks(Count, bool);

impl Tick for Ticks {
    fn tick(&self, _: Instant) {
        self.0.one();
        if self.1 {
            panic_any(Bomb);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_panics_stops_no_other_of_its_runtime() {
    quiet();
    let count = Count::default();
    let targets = [true, false, false].map(|panics| Arc::new(Ticks(count.clone(), panics)));
    let mut timers = targets.iter().map(|target| {
        let target: Arc<dyn Tick> = Arc::clone(target) as _;
        Timer::new(Arc::downgrade(&target))
    });
    let timers: Vec<_> = [1, 1, 2]
        .into_iter()
        .map(|secs| {
            let mut timer = timers.next().unwrap();
            timer.set(Instant::now() + Duration::from_secs(secs));
            timer
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(count.get(), 3);
    drop(timers);
}

#[tokio::test]
async fn what_a_callback_holds_may_panic_when_it_is_dropped() {
    quiet();
    let over = Count::default();
    let emitter = SseEmitter::new();
    for _ in 0..2 {
        let bomb = Bomb;
        emitter.on_timeout(move || drop(bomb));
        let bomb = Bomb;
        emitter.on_error(move |_| drop(bomb));
    }
    let told = over.clone();
    emitter.on_completion(move |_| told.one());
    let mut stream = emitter.clone().into_stream();
    read_now(&mut stream);
    let left = catch_unwind(AssertUnwindSafe(|| drop(stream)));
    assert_eq!((left.is_ok(), over.get()), (true, 1));
}
