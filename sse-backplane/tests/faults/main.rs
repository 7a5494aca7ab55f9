//! Real stores that are killed, frozen, cut off, set back and robbed of what they knew: nothing that was stored is lost, doubled
//! or out of order, or a new epoch says so; and it is over in less than six seconds. Each scenario once, for every engine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

#[path = "../oracle/mod.rs"]
mod oracle;

mod real_faults {
    mod network;
    mod past;
    mod process;
    mod scenarios;
    mod store;

    #[cfg(feature = "nats")]
    mod nats;
    #[cfg(feature = "postgres")]
    mod postgres;
    #[cfg(feature = "redis")]
    mod redis;
}
