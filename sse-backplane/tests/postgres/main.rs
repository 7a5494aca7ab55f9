//! The engine on a real server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contract;
mod faults;
mod holders;
mod log;
#[path = "../oracle/mod.rs"]
mod oracle;
mod outbox;
mod plans;
mod queue;
mod refusals;
mod support;
