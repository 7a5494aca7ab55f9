//! Connections by key, with a shared log for each key.
//!
//! Each event is encoded once and appended to its key's [log](crate::log); a connection is a cursor there.
//! Replay and live are the same read, so nothing can fall between them or come twice.
//! [`hub`] decides everything that concerns several keys, in one order, under one short lock;
//! [`connect`] decides where a connection begins and what it is told; [`wake`] wakes the readers;
//! [`registry`] keeps the bounds on all logs together.

mod builder;
mod connect;
mod cursor;
mod handle;
mod hub;
mod last_event_id;
mod one_per_key;
mod own_ids;
mod registry;
mod sent;
mod wake;

pub use builder::EmittersBuilder;
pub use connect::MAX_KEYS_PER_CONNECTION;
pub use handle::Emitters;
pub use hub::Key;
pub use last_event_id::LastEventId;
pub use one_per_key::Second;
pub use registry::{MEMORY_AGE, MEMORY_KEYS};
pub use sent::{Receipt, Sent};
