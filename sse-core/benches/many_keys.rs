//! What sends cost where there are many keys, streams or threads.
//!
//! `cargo bench -p sse-tower-core --bench many_keys` measures and prints a table; without `--bench`, as `cargo test`
//! runs it, everything is done once with few of each.

#![allow(clippy::expect_used, reason = "a program that measures")]

use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use sse_tower_core::{Emitters, History, LastEventId};

const PAYLOAD: &str =
    "{\"record\":6666,\"state\":\"paid\",\"amount\":\"199.00\",\"currency\":\"CNY\"}";

fn main() {
    let measures = std::env::args().any(|arg| arg == "--bench");
    let (time, most) = if measures {
        (Duration::from_secs(2), 1_000_000)
    } else {
        (Duration::from_millis(10), 1_000)
    };
    println!(
        "sends to different keys, ns for each send of a thread (all threads: million a second)"
    );
    println!("  {:>7} {:>22} {:>34}", "threads", "alone", "beside connects and leaves");
    for threads in [1, 2, 4, 8] {
        let [alone, beside] = [false, true].map(|comes| different_keys(threads, comes, time));
        println!("  {threads:>7} {:>22} {:>34}", alone.text(), beside.text());
    }
    println!("one event to many streams at one key, ns for the call");
    for streams in [1, 10, 1_000, 100_000].into_iter().filter(|streams| *streams <= most) {
        println!("  {streams:>9} {:>10.0}", one_event(streams, time));
    }
    println!("an event to one of many keys, ns for the call");
    for keys in [1, 1_000, 100_000, 1_000_000].into_iter().filter(|keys| *keys <= most) {
        println!("  {keys:>9} {:>10.0}", among(keys, time));
    }
}

struct Cost {
    each: f64,
    all: f64,
}

impl Cost {
    fn text(&self) -> String {
        format!("{:.0} ({:.2})", self.each, self.all)
    }
}

/// Each thread sends to 64 keys of its own, which have a stream each.
fn different_keys(threads: u64, comes_and_goes: bool, time: Duration) -> Cost {
    const OF_EACH: u64 = 64;
    let emitters: Emitters<u64> = Emitters::builder().history(History::events(8)).build();
    let _open: Vec<_> =
        (0..threads * OF_EACH).map(|key| emitters.connect(key, LastEventId::default())).collect();
    let (over, sends) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for first in (0..threads).map(|thread| thread * OF_EACH) {
            let (emitters, over, sends) = (&emitters, &over, &sends);
            scope.spawn(move || {
                let mut sent = 0;
                while !over.load(Relaxed) {
                    drop(emitters.send(&(first + sent % OF_EACH), black_box(PAYLOAD)));
                    sent += 1;
                }
                sends.fetch_add(sent, Relaxed);
            });
        }
        if comes_and_goes {
            let (emitters, over) = (&emitters, &over);
            scope.spawn(move || {
                for key in 1_000_000_u64.. {
                    drop(emitters.connect(key, LastEventId::default()));
                    if over.load(Relaxed) {
                        return;
                    }
                }
            });
        }
        thread::sleep(time);
        over.store(true, Relaxed);
    });
    let sends = sends.into_inner().max(1) as f64;
    let nanos = time.as_nanos() as f64;
    Cost { each: nanos * threads as f64 / sends, all: sends / nanos * 1_000.0 }
}

fn one_event(streams: u64, time: Duration) -> f64 {
    let emitters: Emitters<u64> = Emitters::new();
    let open = (0..streams).map(|_| emitters.connect(7, LastEventId::default()).into_stream());
    let _open: Vec<_> = open.collect();
    each(time, |_| drop(emitters.send(&7, black_box(PAYLOAD))))
}

fn among(keys: u64, time: Duration) -> f64 {
    let emitters: Emitters<u64> = Emitters::builder().history(History::events(1)).build();
    let open = (0..keys).map(|key| emitters.connect(key, LastEventId::default()));
    let _open: Vec<_> = open.collect();
    each(time, |n| drop(emitters.send(&(n * 7919 % keys), black_box(PAYLOAD))))
}

/// What one of many costs, in nanoseconds.
fn each(time: Duration, mut act: impl FnMut(u64)) -> f64 {
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < time {
        (count..count + 16).for_each(&mut act);
        count += 16;
    }
    begun.elapsed().as_nanos() as f64 / count as f64
}
