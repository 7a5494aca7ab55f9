//! Connections by key: [`Emitters`], and everything that is decided for all keys at once.
//!
//! # Who sees what
//!
//! A send encodes the event once, gives it its place in the one order of its `Emitters`, and appends
//! it to the [log](crate::log) of its key. Every connection at the key reads it from there: those
//! that are connected, once and in order; those that come within the history, when they come. A
//! connection to several keys gets their events in one order, and an event to all keys once. Whoever
//! sends waits for nobody.
//!
//! # Coming back
//!
//! A client says the last id that it has seen. From an id of this `Emitters` it goes on right behind
//! that event, at whatever keys; from an id of the program's own if it is certain that one event
//! of the log alone had it. It is told what it cannot get: with `stream-gap` how many events the history has
//! dropped, with `stream-reset` that its id means nothing here; once, since both carry the place from
//! which it goes on. An id that was given to one connection alone is no place: nobody can know who comes
//! back with it. Nothing is left out in silence.
//!
//! # Lagging
//!
//! A connection may be behind by the backlog or by the history, whichever is more. Beyond that its
//! [`Lag`](crate::Lag) policy decides ([stream/lag.rs](crate::stream)); nobody else notices. One whose stream nobody
//! polls any more is over after [`MAX_STALL`](crate::MAX_STALL).
//!
//! # Closing
//!
//! `complete` ends the key: connections get what was sent and then the end, and whoever has seen
//! everything is answered with 204 from then on. `disconnect` ends connections alone, which may come
//! back. When the last clone of the `Emitters` goes, every connection that follows nothing else
//! ends. `forget` opens a key again and drops its history.
//!
//! # What happens in which order
//!
//! `hub` sends, completes and ends, each under the short lock of the key's shard; wakers are called after it. All shards
//! share one order. `everyone` sends to all keys, `announcements` keeps that for those who are away. `connect` admits,
//! gives cursors under the same lock (so that nothing is sent between the look at the history and the first live
//! event), and tells the connection afterwards what it has to know.
//!
//! `table` has the keys (`filter` remembers those that are gone), `topic` is one key and its log, `seat` a
//! connection's place there, `cursor` how a connection reads it. `registry` keeps the bounds on all logs together and
//! forgets keys, `sweeper` says when. `wake` wakes the readers. `one_per_key`, `last_event_id`, `sent`, `builder` and
//! `handle` are what programs see.
//!
//! `snapshot` is the state of a key, for clients that cannot go on from where they were.
//!
//! `link` is what changes with a backplane: what is sent goes to the store, and the logs are filled
//! from there.
//!
//! Locks are taken in the order backplane's node, shard, log, connection. Nothing of the program runs under any.

mod announcements;
mod builder;
mod connect;
mod cursor;
mod everyone;
mod filter;
mod handle;
mod hub;
mod last_event_id;
mod link;
mod one_per_key;
mod registry;
mod seat;
mod sent;
mod snapshot;
mod sweeper;
mod table;
mod topic;
mod wake;

pub use builder::EmittersBuilder;
pub use connect::MAX_KEYS_PER_CONNECTION;
pub use handle::Emitters;
pub use hub::Key;
pub use last_event_id::LastEventId;
pub use one_per_key::Second;
pub use registry::{MAX_STALL, MEMORY_AGE, MEMORY_KEYS};
pub use sent::{Receipt, Sent};
pub use snapshot::{DEFAULT_SNAPSHOT_AGE, DEFAULT_SNAPSHOT_TIMEOUT};
