//! Redis and Valkey.
//!
//! `redis://user:password@host:6379/0`, with TLS `rediss://host/`, and `rediss://host/?ca=/path/to.pem` where certificates are
//! one's own. The user needs the keys and channels of the namespace, and no administrative right.
//!
//! One script stores a batch: it gives positions from the server's clock, bumped over one counter of the namespace,
//! adds to a stream for each topic, and publishes on a channel for each topic. A node has three connections:
//! one stores, one loads and works for the queue, one hears.
//!
//! # What a send costs
//! One round trip: a run of the script takes everything that was sent while the one before was under way, and nothing waits for
//! company. Of the server's time that is about three runs of the least script that gives a position, stores and publishes, for
//! one event; among 64 it is one run for each. The message on the channel is the event, so that a node which hears it asks
//! for nothing. What a bare `PUBLISH` does not do, and what the difference to it is made of, is storing.
//!
//! # Keys
//! | key | what |
//! |---|---|
//! | `{ns}:meta` | epoch, newest position, and where what was forgotten ends |
//! | `{ns}:s:<topic>` | the events of a topic, their position as id: previous, body, `once` key |
//! | `{ns}:head` | a head for each topic, as text |
//! | `{ns}:heads` | topics by their newest change |
//! | `{ns}:ends` | topics by when their head may be forgotten |
//! | `{ns}:once:<n>:<topic>:<key>` | where an event with this key was stored |
//! | `{ns}:node:<node>` | a node's newest batch with its answers |
//! | `{ns}:c:<topic>`, `{ns}:m:<name>`, `{ns}:b` | channels: changes, a node's marks, the queue's bell |
//!
//! The braces are a hash tag: all keys of a namespace have one slot. Topics are the last part of a key or channel, where no
//! character means anything to Redis.

mod begun;
mod check;
mod decode;
mod encode;
mod engine;
mod error;
mod feed;
mod known;
mod link;
mod queue;
mod script;
mod settings;
mod witness;

pub use engine::{MAX_CALLS, RedisEngine};
pub use settings::MAX_NAMESPACE_BYTES;
