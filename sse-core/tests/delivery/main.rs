//! What each connection gets from a keyed log.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bounds;
#[path = "../common/mod.rs"]
mod common;
mod connections;
mod ending;
mod everyone;
mod order;
mod resuming;
mod slow;
mod waking;

use sse_tower_core::LastEventId;

fn fresh() -> LastEventId {
    LastEventId::default()
}
