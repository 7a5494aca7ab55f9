//! Listeners that survive, and events that travel: on the engine in memory, with its faults, on paused time.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod blocking;
mod broadcast;
mod deploys;
mod drains;
mod failures;
mod ids;
mod outages;
mod people;
mod processes;
mod site;
mod traces;
mod transactions;
mod turns;
mod verdicts;
