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
use sse_tower_core::{Emitters, EventStream, LastEventId};
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
