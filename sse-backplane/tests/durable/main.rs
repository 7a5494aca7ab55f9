//! Listeners that survive, on real servers and in real processes, which are killed, frozen and cut off.
//!
//! A worker is this test program again, started with a [job](worker) instead of a test. What it does it writes into a
//! [journal](journal), which outlives it and is what the tests judge by.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "it is how a test fails"
)]

mod broadcasts;
mod crashes;
mod file;
mod journal;
mod mutants;
mod rows;
mod servers;
mod worker;
