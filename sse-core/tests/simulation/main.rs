//! Publishers, clients of any speed, drops, reconnections and restarts, at random and on paused
//! time. [`connection`] holds what each connection must get; [`world`] makes things happen.
//!
//! A seed decides everything: its process runs one at a time and on one thread, so that nothing else
//! moves the clock that gives positions, and draws its epochs and jitter from it too. Several processes
//! share the seeds. A failing seed prints itself; `SSE_SEED=17 cargo test --test simulation` runs it
//! alone, `SSE_SEEDS=0..200000` those, and `SSE_TRACE=1` shows what each connection got.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod connection;
#[path = "../seeds/mod.rs"]
mod seeds;
mod world;

/// How many seeds each test run tries.
const SEEDS: u64 = 2_000;

/// Seeds that once found a fault, of the library or of the oracle; what it was stands in `regressions.rs`
/// and `positions.rs`.
const FOUND_SOMETHING: [u64; 10] = [11, 177, 1134, 1519, 1849, 2271, 3576, 4854, 10949, 23467];

#[test]
fn no_seed_loses_repeats_or_reorders_anything() {
    let this = "no_seed_loses_repeats_or_reorders_anything";
    let run = |seed| seeds::on_paused_time(seed, world::run(seed));
    seeds::all_in_processes(this, SEEDS, &FOUND_SOMETHING, run);
}
