//! What `Emitters` keep, by the allocator: what is bounded is what is used.

#![allow(missing_docs, clippy::panic)]

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use futures_core::Stream;
use sse_tower_core::{Emitters, EventStream, History, LastEventId, MEMORY_KEYS};

const KEYS: u64 = 100_000;

fn poll(stream: &mut EventStream) -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    match Pin::new(stream).poll_next(&mut cx) {
        Poll::Ready(Some(piece)) => piece.len(),
        _ => 0,
    }
}

/// How many bytes more are in use after this.
fn taken(act: impl FnOnce()) -> usize {
    usize::try_from(measure(act).bytes_current).unwrap_or(0)
}

/// For each of the keys that are remembered, when this was done at all of them.
fn for_each_key(emitters: &Emitters<u64>, mut at: impl FnMut(&Emitters<u64>, u64)) -> usize {
    taken(|| (0..KEYS).for_each(|key| at(emitters, key))) / MEMORY_KEYS
}

#[test]
fn a_key_that_is_complete_takes_less_than_200_bytes() {
    let emitters = Emitters::new();
    let each = for_each_key(&emitters, |emitters, key| emitters.complete(&key));
    assert!(each <= 200, "{each}");
    println!("complete: {each}");
}

#[test]
fn a_key_of_a_payment_that_is_over_takes_less_than_200_bytes() {
    let emitters = Emitters::builder().history(History::none()).build();
    let each = for_each_key(&emitters, |emitters, key| {
        let mut stream = emitters.connect(key, LastEventId::default()).into_stream();
        drop(emitters.send(&key, "paid"));
        emitters.complete(&key);
        while poll(&mut stream) > 0 {}
    });
    assert!(each <= 200, "{each}");
    println!("after a payment: {each}");
    // It is as small again after somebody has looked at it.
    let more = taken(|| {
        for key in KEYS - 10_000..KEYS {
            assert!(!emitters.contains(&key));
            drop(emitters.send(&key, "paid twice"));
            drop(emitters.connect(key, LastEventId::default()));
        }
    });
    assert!(more < 10_000 * 50, "{more}");
}

#[test]
fn what_is_bounded_in_all_is_what_is_used() {
    const MOST: usize = 16 * 1024 * 1024;
    let emitters: Emitters<u64> = Emitters::builder().total(1_000_000, MOST).build();
    let used = taken(|| (0..KEYS).for_each(|key| drop(emitters.send(&key, "0123456789"))));
    assert!(used < MOST + MOST / 8, "{used}");
    assert!(used > MOST / 2, "it is used: {used}");
}

#[test]
fn events_that_only_readers_have_yet_to_write_are_counted() {
    const MOST: usize = 64 * 1024 * 1024;
    const LARGE: usize = 1_900_000;
    const HISTORY: u64 = 1;
    const LIVE: u64 = 2;
    let history = History::events(10_000).bytes(MOST);
    let emitters: Emitters<u64> = Emitters::builder().history(history).total(10_000, MOST).build();
    let small = "x".repeat(60_000);
    let kept = taken(|| (0..1_100).for_each(|_| drop(emitters.send(&HISTORY, &*small))));
    assert!(kept > MOST / 10 * 8, "{kept}");

    // Each takes another event, and does not write it.
    let large = "x".repeat(LARGE);
    let live: Emitters<u64> = emitters.clone();
    let mut held = Vec::new();
    let after = measure(|| {
        for _ in 0..150 {
            let mut stream = live.connect(LIVE, LastEventId::default()).into_stream();
            let mut cx = Context::from_waker(Waker::noop());
            while poll(&mut stream) > 0 {}
            drop(live.send(&LIVE, &*large));
            match Pin::new(&mut stream).poll_next(&mut cx) {
                Poll::Ready(Some(piece)) => held.push((piece, stream)),
                other => panic!("{other:?}"),
            }
            live.forget(&LIVE);
        }
    });
    let (all, of_readers) = (kept as i64 + after.bytes_current, (150 * LARGE) as i64);
    assert!(all - of_readers < (MOST / 2 + MOST / 8) as i64, "{}", all - of_readers);
    // They are let go of, and there is room again.
    held.clear();
    let again = taken(|| (0..600).for_each(|_| drop(emitters.send(&HISTORY, &*small))));
    assert!(again > MOST / 10 * 3, "{again}");
}
