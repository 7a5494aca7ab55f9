//! Publishers, clients of any speed, drops, reconnections and restarts, at random and on paused
//! time. [`connection`] holds what each connection must get; [`world`] makes things happen.
//!
//! A failing seed prints itself; `SSE_SEED=17 cargo test --test simulation` runs it alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod connection;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::{runtime, task::LocalSet};

/// How many seeds each test run tries.
const SEEDS: u64 = 2_000;

/// Seeds that once found a fault; what it was stands in `regressions.rs`.
const FOUND_SOMETHING: [u64; 5] = [11, 177, 1134, 1519, 2271];

fn run(seed: u64) {
    fastrand::seed(seed);
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    LocalSet::new().block_on(&runtime.unwrap(), world::run(seed));
}

#[test]
fn no_seed_loses_repeats_or_reorders_anything() {
    let one = std::env::var("SSE_SEED").ok().map(|seed| seed.parse().expect("a number"));
    if one.is_none() {
        FOUND_SOMETHING.iter().for_each(|seed| run(*seed));
    }
    let seeds = one.map_or(0..SEEDS, |seed: u64| seed..seed + 1);
    let shared = std::sync::atomic::AtomicU64::new(seeds.start);
    // Seeds are independent of each other: as many at once as there are processors.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = shared.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
                        eprintln!("seed {seed} failed; alone: SSE_SEED={seed}");
                        shared.store(seeds.end, std::sync::atomic::Ordering::Relaxed);
                        std::panic::resume_unwind(panic);
                    }
                }
            });
        }
    });
}
