//! Several nodes over one store that fails on purpose, with clients that move between them: at random, on paused
//! time. [`truth`] is what the store was told, [`client`] what each client must get; [`world`] makes things happen.
//!
//! [`seeds`] says how to choose them. One seed gives the same bytes on every run, whatever runs beside it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod client;
#[path = "../seeds/mod.rs"]
mod seeds;

mod truth;
mod world;

use sse_tower_core::backplane::Mutant;

/// How many seeds each test run tries.
const SEEDS: u64 = 2_000;
/// How many of them a test of the test tries at most.
const MUTANT_SEEDS: u64 = 2_000;

/// Everything that clients read, as one text.
fn run(seed: u64, mutant: Option<Mutant>) -> String {
    seeds::on_paused_time(seed, world::run(seed, mutant))
}

#[test]
fn no_seed_loses_repeats_or_reorders_anything() {
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
fn loading_before_following_is_found() {
    is_found(Mutant::LoadBeforeFollow);
}

#[test]
fn a_client_that_is_ahead_of_its_node_and_is_not_waited_for_is_found() {
    is_found(Mutant::NoWaitForClientsAhead);
}

#[test]
fn giving_out_what_was_loaded_without_a_mark_is_found() {
    is_found(Mutant::NoMarkAfterLoad);
}

#[test]
fn taking_a_broken_feed_for_a_whole_one_is_found() {
    is_found(Mutant::BreaksAreNothing);
}

#[test]
fn a_deaf_feed_that_nobody_notices_is_found() {
    is_found(Mutant::DeafFeedsAreNothing);
}

#[test]
fn what_a_feed_loses_without_a_word_and_nobody_looks_for_is_found() {
    is_found(Mutant::NoAudit);
}

#[test]
fn records_of_a_new_epoch_under_the_old_one_are_found() {
    is_found(Mutant::EpochOfMarksAlone);
}
