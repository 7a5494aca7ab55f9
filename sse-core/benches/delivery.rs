//! What the steps of a delivery cost by themselves: encode, append, read, replay.

use std::{
    hint::black_box,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll, Waker},
};

use divan::{Bencher, counter::ItemsCount};
use futures_core::Stream;
use sse_tower_core::{Emitters, EventStream, History, LastEventId, SseEvent};

fn main() {
    divan::main();
}

const PAYLOAD: &str = "{\"record\":6666,\"state\":\"paid\",\"amount\":\"199.00\",\"currency\":\"CNY\",\"payer\":\"somebody\",\"at\":1}";

/// Everything that is ready now, in pieces.
fn drain(stream: &mut EventStream) -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    let mut bytes = 0;
    while let Poll::Ready(Some(piece)) = Pin::new(&mut *stream).poll_next(&mut cx) {
        bytes += piece.len();
    }
    bytes
}

#[divan::bench(args = [1, 10, 50])]
fn encode(bencher: Bencher<'_, '_>, lines: usize) {
    let text = vec![PAYLOAD; lines].join("\n");
    bencher.bench(|| SseEvent::data(black_box(&text)).encode());
}

#[divan::bench]
fn encode_every_field(bencher: Bencher<'_, '_>) {
    bencher.bench(|| {
        let event = SseEvent::builder().name("paid").id("6666").data(black_box(PAYLOAD)).build();
        event.map(SseEvent::encode)
    });
}

/// An event for a key with this many connections that are awake already.
#[divan::bench(args = [0, 1, 10, 1000, 100_000])]
fn append(bencher: Bencher<'_, '_>, connections: usize) {
    let emitters = Emitters::<u64>::new();
    let _open: Vec<_> = (0..connections)
        .map(|_| emitters.connect(7, LastEventId::default()).into_stream())
        .collect();
    bencher.bench(|| emitters.send(&7, black_box(PAYLOAD)));
}

/// Threads that each send to a key of their own, with a reader each. As many as the machine has cores
/// cost what one costs, as far as nothing is shared.
#[divan::bench(threads = [1, 2, 4, 8])]
fn send_to_different_keys(bencher: Bencher<'_, '_>) {
    static THREADS: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        static KEY: u64 = THREADS.fetch_add(1, Ordering::Relaxed);
    }
    let emitters = Emitters::<u64>::new();
    let _open: Vec<_> =
        (0..256).map(|key| emitters.connect(key, LastEventId::default()).into_stream()).collect();
    bencher.bench(|| emitters.send(&KEY.with(|key| key % 256), black_box(PAYLOAD)));
}

/// Threads that connect to a key of their own and leave, while others do the same.
#[divan::bench(threads = [1, 2, 4, 8])]
fn come_and_go(bencher: Bencher<'_, '_>) {
    let emitters = Emitters::<u64>::new();
    let next = AtomicU64::new(0);
    bencher.bench(|| {
        let key = next.fetch_add(1, Ordering::Relaxed);
        drop(emitters.connect(key, LastEventId::default()).into_stream());
    });
}

/// A send while this many other keys have connections.
#[divan::bench(args = [1, 1000, 100_000])]
fn send_among_keys(bencher: Bencher<'_, '_>, keys: u64) {
    let emitters = Emitters::<u64>::new();
    let _open: Vec<_> =
        (0..keys).map(|key| emitters.connect(key, LastEventId::default()).into_stream()).collect();
    let mut key = 0;
    bencher.bench_local(|| {
        key = (key + 7919) % keys;
        emitters.send(&key, black_box(PAYLOAD))
    });
}

/// An event to all of this many keys.
#[divan::bench(args = [1, 1000, 10_000])]
fn send_to_all(bencher: Bencher<'_, '_>, keys: u64) {
    let emitters = Emitters::<u64>::new();
    let _open: Vec<_> =
        (0..keys).map(|key| emitters.connect(key, LastEventId::default()).into_stream()).collect();
    bencher.bench(|| emitters.send_all(black_box(PAYLOAD)));
}

/// An event for 1,000 connections that each read it: what one delivery costs.
#[divan::bench]
fn deliver_to_1000(bencher: Bencher<'_, '_>) {
    const CONNECTIONS: usize = 1000;
    let emitters = Emitters::<u64>::new();
    let mut open: Vec<_> = (0..CONNECTIONS)
        .map(|_| emitters.connect(7, LastEventId::default()).into_stream())
        .collect();
    open.iter_mut().for_each(|stream| {
        drain(stream);
    });
    bencher.counter(ItemsCount::new(CONNECTIONS)).bench_local(|| {
        drop(emitters.send(&7, PAYLOAD));
        open.iter_mut().map(drain).sum::<usize>()
    });
}

/// A poll of a stream for which nothing has come.
#[divan::bench]
fn poll_in_vain(bencher: Bencher<'_, '_>) {
    let emitters = Emitters::<u64>::new();
    let mut stream = emitters.connect(7, LastEventId::default()).into_stream();
    drain(&mut stream);
    bencher.bench_local(|| drain(&mut stream));
}

/// A client that comes back and gets this many events.
#[divan::bench(args = [1, 100, 1000])]
fn replay(bencher: Bencher<'_, '_>, missed: usize) {
    let emitters: Emitters<u64> =
        Emitters::builder().history(History::events(missed).bytes(64 * 1024 * 1024)).build();
    let seen = emitters.position();
    (0..missed).for_each(|_| drop(emitters.send(&7, PAYLOAD)));
    bencher.bench(|| {
        let mut stream = emitters.connect(7, LastEventId::from(seen.clone())).into_stream();
        drain(&mut stream)
    });
}

/// Connect, one event, the end, as for a payment.
#[divan::bench]
fn keyed_flow(bencher: Bencher<'_, '_>) {
    let emitters = Emitters::<u64>::new();
    let mut key = 0;
    bencher.bench_local(|| {
        key += 1;
        let mut stream = emitters.connect(key, LastEventId::default()).into_stream();
        drain(&mut stream);
        drop(emitters.send(&key, "支付成功"));
        emitters.complete(&key);
        drain(&mut stream)
    });
}
