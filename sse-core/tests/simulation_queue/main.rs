//! Durable listeners in several processes over one store, all of which fail on purpose: at random, on paused time.
//! [`world`] makes things happen, [`witness`] sees what runs where and when, and judges.
//!
//! [`seeds`] says how to choose them. One seed gives the same on every run, whatever runs beside it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

#[path = "../seeds/mod.rs"]
mod seeds;
mod witness;
mod world;

use sse_tower_core::backplane::Mutant;

/// How many seeds each test run tries.
const SEEDS: u64 = 2_000;
/// How many of them a test of the test tries at most.
const MUTANT_SEEDS: u64 = 400;

/// Everything that happened, as one text.
fn run(seed: u64, mutant: Option<Mutant>) -> String {
    seeds::on_paused_time(seed, world::run(seed, mutant))
}

#[test]
fn no_seed_loses_an_event_or_runs_one_twice_at_a_time() {
    seeds::all(SEEDS, |seed| run(seed, None));
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
    let found = seeds::one_fails(MUTANT_SEEDS, |seed| run(seed, Some(mutant)));
    assert!(found, "{mutant:?} was not found");
}

#[test]
fn leaving_what_a_dead_process_held_is_found() {
    is_found(Mutant::NobodyReaps);
}

#[test]
fn forgetting_a_verdict_that_cannot_be_stored_is_found() {
    is_found(Mutant::VerdictsForgotten);
}
