//! Durable listeners in several processes over one store, all of which fail on purpose: at random, on paused time.
//! [`world`] makes things happen, [`witness`] sees what runs where and when, and judges.
//!
//! A failing seed prints itself; `SSE_SEED=17 cargo test --test simulation_queue` runs it alone, and
//! `SSE_SEEDS=200000` tries as many. One seed gives the same on every run, whatever runs beside it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod witness;
mod world;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
};

use sse_tower_core::backplane::Mutant;
use tokio::runtime;

/// How many seeds each test run tries.
const SEEDS: u64 = 2_000;
/// How many of them a test of the test tries at most.
const MUTANT_SEEDS: u64 = 2_000;

/// Everything that happened, as one text.
fn run(seed: u64, mutant: Option<Mutant>) -> String {
    fastrand::seed(seed);
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.unwrap();
    let story = runtime.block_on(world::run(seed, mutant));
    drop(runtime);
    story
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|number| number.parse().expect("a number"))
}

#[test]
fn no_seed_loses_an_event_or_runs_one_twice_at_a_time() {
    let seeds = match number("SSE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SSE_SEEDS").unwrap_or(SEEDS),
    };
    let next = AtomicU64::new(seeds.start);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed, None))) {
                        eprintln!("seed {seed} failed; alone: SSE_SEED={seed}");
                        next.store(seeds.end, Ordering::Relaxed);
                        std::panic::resume_unwind(panic);
                    }
                }
            });
        }
    });
}

#[test]
fn a_seed_is_the_same_to_the_last_byte() {
    for seed in 0..20 {
        let beside = std::thread::spawn(move || run(seed, None));
        assert_eq!(run(seed, None), beside.join().unwrap(), "seed {seed}");
    }
}

/// A test of the test: what is left out is missed within some seeds.
fn is_found(mutant: Mutant) {
    // What it panics with is nobody's business.
    let found = (0..MUTANT_SEEDS)
        .any(|seed| catch_unwind(AssertUnwindSafe(|| run(seed, Some(mutant)))).is_err());
    assert!(found, "{mutant:?} was not found");
}

#[test]
fn going_on_without_a_lease_is_found() {
    is_found(Mutant::FenceIsNothing);
}

#[test]
fn leaving_what_a_dead_process_held_is_found() {
    is_found(Mutant::NobodyReaps);
}

#[test]
fn forgetting_a_verdict_that_cannot_be_stored_is_found() {
    is_found(Mutant::VerdictsForgotten);
}
