//! Who sends, where, on what runtime and what it does afterwards never matters.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake},
    time::{Duration, Instant},
};

use futures_core::Stream;
use sse_tower_core::{
    ApplicationContext, ApplicationEvent, ContextDraining, Emitters, EventStream, LastEventId,
    Listener, SendError,
    backplane::{BackplaneError, MemoryStore, Node, NodeOptions},
};
use tokio::runtime::{Builder, Runtime};

const READERS: usize = 1000;

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

fn waits(stream: &mut EventStream, wakes: &Arc<Wakes>) {
    let waker = Arc::clone(wakes).into();
    while let Poll::Ready(bytes) =
        std::pin::Pin::new(&mut *stream).poll_next(&mut Context::from_waker(&waker))
    {
        assert!(bytes.is_some());
    }
}

fn until(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn readers(emitters: &Emitters<u64>, wakes: &Arc<Wakes>) -> Vec<EventStream> {
    let mut streams: Vec<_> =
        (0..READERS).map(|_| emitters.connect(1, LastEventId::default()).into_stream()).collect();
    streams.iter_mut().for_each(|stream| waits(stream, wakes));
    streams
}

#[test]
fn many_readers_are_woken_by_a_publisher_whose_runtime_idles_afterwards() {
    let (emitters, wakes) = (Emitters::<u64>::new(), Arc::new(Wakes::default()));
    let mut streams = readers(&emitters, &wakes);
    let idles = one_thread();
    idles.block_on(async { emitters.send(&1, "one").await }).unwrap();
    until("all are woken", || wakes.0.load(Ordering::Acquire) == READERS);
    streams.iter_mut().for_each(|stream| waits(stream, &wakes));
    // And the next publisher does not rely on the one that stands still.
    idles.block_on(async { emitters.send(&1, "two").await }).unwrap();
    let healthy = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    healthy.block_on(async { emitters.send(&1, "three").await }).unwrap();
    until("all are woken again", || wakes.0.load(Ordering::Acquire) == 2 * READERS);
}

#[test]
fn many_readers_are_woken_by_a_publisher_that_blocks_its_thread_afterwards() {
    let (emitters, wakes) = (Emitters::<u64>::new(), Arc::new(Wakes::default()));
    let streams = readers(&emitters, &wakes);
    one_thread().block_on(async {
        emitters.send(&1, "one").await.unwrap();
        until("all are woken", || wakes.0.load(Ordering::Acquire) == READERS);
    });
    drop(streams);
}

#[test]
fn a_waker_that_panics_keeps_nobody_else_from_being_woken() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            std::panic::panic_any("on purpose");
        }
    }
    for others in [1, READERS] {
        let (emitters, wakes) = (Emitters::<u64>::new(), Arc::new(Wakes::default()));
        let mut bad = emitters.connect(1, LastEventId::default()).into_stream();
        let waker = Arc::new(Panics).into();
        while std::pin::Pin::new(&mut bad).poll_next(&mut Context::from_waker(&waker)).is_ready() {}
        let mut streams: Vec<_> = (0..others)
            .map(|_| emitters.connect(1, LastEventId::default()).into_stream())
            .collect();
        streams.iter_mut().for_each(|stream| waits(stream, &wakes));
        one_thread().block_on(async { emitters.send(&1, "one").await }).unwrap();
        until("the others are woken", || wakes.0.load(Ordering::Acquire) == others);
    }
}

struct Paid;
impl ApplicationEvent for Paid {}

/// A context with one listener declared `spawn`, which counts.
fn counting(done: &Arc<AtomicUsize>) -> ApplicationContext {
    let done = Arc::clone(done);
    let count = Listener::on_async(move |_: Arc<Paid>| {
        let done = Arc::clone(&done);
        async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            done.fetch_add(1, Ordering::AcqRel);
        }
    });
    ApplicationContext::bare().listener(count.spawn()).build().unwrap()
}

fn publish_and_idle(publisher: &Runtime, context: &ApplicationContext) {
    publisher.block_on(async {
        for _ in 0..100 {
            context.publish_event(Paid).await.unwrap();
        }
    });
}

fn settles(context: &ApplicationContext) {
    let elsewhere = one_thread();
    let settled = async { tokio::time::timeout(Duration::from_secs(20), context.settled()).await };
    elsewhere.block_on(settled).unwrap();
}

#[test]
fn what_is_handed_over_runs_where_the_context_lives_and_not_where_its_publisher_was() {
    let home = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let done = Arc::default();
    let context = home.block_on(async { counting(&done) });
    let publisher = one_thread();
    let began = Instant::now();
    publish_and_idle(&publisher, &context);
    settles(&context);
    assert_eq!(done.load(Ordering::Acquire), 100);
    assert!(began.elapsed() < Duration::from_secs(1), "no thread of last resort was needed");
}

#[test]
fn what_is_handed_over_is_begun_also_where_nobody_drives_any_runtime() {
    let done = Arc::default();
    let idles = one_thread();
    let context = idles.block_on(async { counting(&done) });
    publish_and_idle(&idles, &context);
    settles(&context);
    assert_eq!(done.load(Ordering::Acquire), 100);
}

#[test]
fn what_is_handed_over_survives_the_runtime_that_has_not_begun_it() {
    let done = Arc::default();
    let ends = one_thread();
    let context = ends.block_on(async { counting(&done) });
    publish_and_idle(&ends, &context);
    drop(ends);
    settles(&context);
    // Nor does one that ended long ago take anything with it.
    publish_and_idle(&one_thread(), &context);
    settles(&context);
    assert_eq!(done.load(Ordering::Acquire), 200);
}

#[test]
fn a_drain_that_is_begun_on_a_runtime_that_idles_is_carried_out() {
    let home = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let slow = Listener::on_async(|_: Arc<ContextDraining>| {
        tokio::time::sleep(Duration::from_millis(200))
    });
    let context =
        home.block_on(async { ApplicationContext::bare().listener(slow).build().unwrap() });
    let idles = one_thread();
    idles.block_on(async {
        let mut drain = std::pin::pin!(context.drain());
        assert!(futures_util::poll!(&mut drain).is_pending());
    });
    assert!(context.is_draining());
    let other = one_thread();
    let over = async { tokio::time::timeout(Duration::from_secs(20), context.drain()).await };
    other.block_on(over).unwrap();
}

#[test]
fn what_is_sent_where_the_runtime_of_its_backplane_has_ended_is_refused() {
    let (gone, here) = (one_thread(), one_thread());
    let node = gone.block_on(Node::open(MemoryStore::new().engine(), NodeOptions::default()));
    let node = node.unwrap();
    let emitters = Emitters::<u64>::builder().backplane(&node, "orders").build();
    let queued = emitters.send(&1, "queued");
    drop(gone);
    here.block_on(async {
        for sent in [queued, emitters.send(&1, "late")] {
            let answer = tokio::time::timeout(Duration::from_secs(10), sent).await;
            let error = answer.expect("an answer").unwrap_err();
            let closed = |it: &SendError| {
                matches!(it, SendError::Backplane { source: BackplaneError::Closed, .. })
            };
            assert!(closed(&error), "{error:?}");
        }
        node.close().await;
    });
}
