//! Publishers, clients of any speed, drops, reconnections and restarts, at random and on paused
//! time. [`connection`] holds what each connection must get; [`world`] makes things happen.
//!
//! A seed decides everything: its process runs one at a time and on one thread, so that nothing else
//! moves the clock that gives positions, and draws its epochs and jitter from it too. Several processes
//! share the seeds. A failing seed prints itself; `SSE_SEED=17 cargo test --test simulation` runs it
//! alone, `SSE_SEEDS=0..200000` those, and `SSE_TRACE=1` shows what each connection got.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod connection;
mod world;

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Child, Command},
};

use tokio::{runtime, task::LocalSet};

/// How many seeds each test run tries.
const SEEDS: u64 = 2_000;

/// Seeds that once found a fault, of the library or of the oracle; what it was stands in `regressions.rs`
/// and `positions.rs`.
const FOUND_SOMETHING: [u64; 10] = [11, 177, 1134, 1519, 1849, 2271, 3576, 4854, 10949, 23467];

const TEST: &str = "no_seed_loses_repeats_or_reorders_anything";
/// Says which part of the seeds a process runs: `number/of`.
const PART: &str = "SSE_SEED_PART";

fn run(seed: u64) {
    fastrand::seed(seed);
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    LocalSet::new().block_on(&runtime.unwrap(), world::run(seed));
}

fn seeds() -> Range<u64> {
    let number = |text: &str| text.parse::<u64>().expect("a number");
    if let Ok(seed) = std::env::var("SSE_SEED") {
        return number(&seed)..number(&seed) + 1;
    }
    match std::env::var("SSE_SEEDS") {
        Ok(range) => {
            let (first, end) = range.split_once("..").expect("a range, as in 0..1000");
            number(first)..number(end)
        }
        Err(_) => 0..SEEDS,
    }
}

fn run_some(seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
            eprintln!("seed {seed} failed; alone: SSE_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn no_seed_loses_repeats_or_reorders_anything() {
    let seeds = seeds();
    if let Ok(part) = std::env::var(PART) {
        let (number, of) = part.split_once('/').expect("number/of");
        let of = of.parse::<usize>().expect("a number");
        return run_some(seeds.skip(number.parse().expect("a number")).step_by(of));
    }
    if seeds.clone().count() == 1 {
        return run_some(seeds);
    }
    run_some(FOUND_SOMETHING.into_iter());
    let processes = std::thread::available_parallelism().map_or(1, usize::from);
    let this = std::env::current_exe().expect("this program");
    let parts: Vec<Child> = (0..processes)
        .map(|number| {
            Command::new(&this)
                .args(["--exact", TEST, "--nocapture"])
                .env(PART, format!("{number}/{processes}"))
                .spawn()
                .expect("this program again")
        })
        .collect();
    let all = parts.into_iter().map(|mut part| part.wait().expect("it ended").success());
    // Each is waited for.
    assert!(all.collect::<Vec<_>>().into_iter().all(|well| well), "a seed failed, see above");
}
