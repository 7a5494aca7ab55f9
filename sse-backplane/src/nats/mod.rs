//! The engine `nats://`: JetStream, with every node a replica.
//!
//! A namespace is one stream, and what it holds are *commands*: a node's batch is one message. Each node reads all of
//! them, in the stream's order, and applies them to a [`ReplicatedStore`](sse_tower_core::backplane::replicated::ReplicatedStore) of its own. So the answer
//! to a batch (stored, repeated, closed) is what applying it gave, the same on every node, and a load is a look into memory. No
//! message is all there is of a key, which is why a key needs no subject of its own: nothing in a key can be a wildcard.
//!
//! * `wire` is a command as messages: one, or several if it is larger than the server takes.
//! * `replica` is the ledger with its place in the stream. Pure.
//! * `stream` is what is asked of JetStream: the stream, whether it is still the one that we read, and copies of the
//!   ledger in an object store, after which the stream's beginning is deleted.
//! * `session` is the task that reads: from the copy or from where it was, then live, and again after each break.
//! * `queue` does the same for the queue: its calls are commands as well.
//! * `home` is the thread that all of it runs on, so that leases go on while the program's runtime stands still.
//! * `engine` puts them together.
//!
//! # What a send costs
//! One message for everything that was sent while the one before was under way, and its way back through the stream, which is the
//! answer. So a bare publish with its acknowledgement is quicker for one event, and slower for many.
//!
//! # What it takes
//! JetStream sets 1 GiB of storage aside for the stream, unless it was made before with less; what is in it stays around 128 MiB,
//! and two copies of the ledger are kept beside it.
//!
//! The price: every node holds all of a namespace that is kept, and receives all that is sent in it. Programs that need
//! more than some thousands of events a second, or more history than fits in memory, are better off with Redis.

mod connect;
mod engine;
mod home;
mod queue;
mod replica;
mod session;
mod stream;
mod wire;

pub use connect::connect;
pub use engine::NatsEngine;
