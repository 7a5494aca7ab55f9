//! Connections by key, with a shared log for each key.
//!
//! Each event is encoded once and appended to its key's [`log`]; a connection is a cursor there.
//! Replay and live are the same read, so nothing can fall between them or come twice.
//! [`hub`] decides everything that concerns several keys, in one order, under one short lock;
//! [`connect`] decides where a connection begins and what it is told; [`ring`] wakes the readers;
//! [`registry`] keeps the bounds on all logs together.

mod builder;
pub(crate) mod clock;
mod connect;
mod feed;
mod handle;
mod history;
mod hub;
mod last_event_id;
mod log;
mod marks;
mod members;
mod position;
mod registry;
mod ring;
mod sent;
mod subscription;
mod tally;

pub use builder::EmittersBuilder;
pub use connect::MAX_KEYS_PER_CONNECTION;
pub(crate) use feed::{Feed, Read};
pub use handle::Emitters;
pub use history::{
    DEFAULT_BACKLOG_BYTES, DEFAULT_BACKLOG_EVENTS, DEFAULT_TOTAL_BYTES, DEFAULT_TOTAL_EVENTS,
    History, Lag, Second,
};
pub use hub::Key;
pub use last_event_id::LastEventId;
pub(crate) use log::{READ_BYTES, Record};
pub use registry::{MEMORY_AGE, MEMORY_KEYS};
pub use sent::{Receipt, Sent};
pub(crate) use tally::{Tallies, Tally};
