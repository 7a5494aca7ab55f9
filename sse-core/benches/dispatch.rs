//! What publishing costs beside calling the listeners directly.
//!
//! Absolute times move from run to run; the ratios printed at the end come from one run, each the
//! best of many rounds.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener};

struct Paid {
    amount: u64,
}
impl ApplicationEvent for Paid {}

static SEEN: AtomicU64 = AtomicU64::new(0);

/// What every listener here does: one relaxed store. It is read at the end, else the compiler leaves it out.
fn on_paid(event: &Paid) {
    SEEN.store(event.amount, Ordering::Relaxed);
}

fn direct(count: usize) -> Vec<fn(&Paid)> {
    black_box(vec![on_paid as fn(&Paid); count])
}

fn context(sync: usize, asynchronous: usize) -> ApplicationContext {
    let mut builder = ApplicationContext::bare();
    for _ in 0..sync {
        builder = builder.listener(Listener::on(on_paid));
    }
    for _ in 0..asynchronous {
        builder = builder.listener(Listener::on_async(async |event: Arc<Paid>| on_paid(&event)));
    }
    builder.build().unwrap_or_else(|error| unreachable!("{error}"))
}

/// At the place of the call, as [`publish`] is: a program has neither helper.
#[inline(always)]
fn call(listeners: &[fn(&Paid)]) {
    let event = black_box(Paid { amount: 7 });
    for listener in listeners {
        listener(&event);
    }
}

#[inline(always)]
fn publish(context: &ApplicationContext) {
    let _publication = context.publish_event(black_box(Paid { amount: 7 }));
}

fn publish_and_await(context: &ApplicationContext) {
    let mut publication = context.publish_event(black_box(Paid { amount: 7 }));
    let mut cx = Context::from_waker(Waker::noop());
    let polled = std::pin::Pin::new(&mut publication).poll(&mut cx);
    assert!(matches!(polled, Poll::Ready(Ok(_))));
}

#[divan::bench(args = [1, 10])]
fn direct_call(bencher: divan::Bencher<'_, '_>, count: usize) {
    let listeners = direct(count);
    bencher.bench_local(|| call(&listeners));
}

#[divan::bench(args = [1, 10])]
fn publish_sync(bencher: divan::Bencher<'_, '_>, count: usize) {
    let context = context(count, 0);
    bencher.bench_local(|| publish(&context));
}

#[divan::bench(args = [1, 10])]
fn publish_async(bencher: divan::Bencher<'_, '_>, count: usize) {
    let context = context(0, count);
    bencher.bench_local(|| publish_and_await(&context));
}

/// Nanoseconds for each call, best of many rounds.
fn nanos(mut f: impl FnMut()) -> f64 {
    const CALLS: u32 = 10_000;
    const ROUNDS: usize = 300;
    let round = || {
        let begin = Instant::now();
        for _ in 0..CALLS {
            f();
        }
        begin.elapsed()
    };
    let best = std::iter::repeat_with(round).take(ROUNDS).min().unwrap_or(Duration::ZERO);
    best.as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn main() {
    divan::main();
    let calls = [direct(1), direct(10)].map(|listeners| nanos(|| call(&listeners)));
    let sync = [context(1, 0), context(10, 0)].map(|context| nanos(|| publish(&context)));
    let one = context(0, 1);
    let asynchronous = nanos(|| publish_and_await(&one));
    assert_eq!(SEEN.load(Ordering::Relaxed), 7);
    let [call_1, call_10] = calls;
    let [sync_1, sync_10] = sync;
    println!("\ndirect call 1: {call_1:.2} ns, 10: {call_10:.2} ns");
    for (count, publish, call, target) in [(1, sync_1, call_1, 4.0), (10, sync_10, call_10, 1.3)] {
        let ratio = publish / call;
        let verdict = if ratio <= target { "reached" } else { "missed" };
        println!(
            "publish, synchronous listeners {count}: {publish:.2} ns, {ratio:.2} x (target {target} x: {verdict})"
        );
    }
    println!(
        "publish, 1 asynchronous listener: {asynchronous:.2} ns, {:.2} x",
        asynchronous / call_1
    );
}
