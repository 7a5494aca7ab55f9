//! A whole store over rows in the order of their keys: for engines that keep their rows by themselves.
//!
//! Whoever can put, get and walk [`Rows`] within a transaction has the log of an engine with a [`RowLog`], and its
//! [`Queue`](super::Queue) with a [`RowQueue`]; both may be in the same rows. What is left is the file, when to commit, and the
//! feed. They have no lock, no clock and no state of their own. Engines whose store is a server of its own do the
//! same in the server's language.
//!
//! The queue:
//!
//! | rows | by | have |
//! |---|---|---|
//! | events | position | the event and when it came |
//! | index | kind, position | nothing |
//! | listeners | listener | whether it is served, when it was seen, how much it has |
//! | hears, heard | listener and name; name and listener | where the listener began |
//! | lanes | listener, kind | the newest position that was claimed |
//! | held | listener, position | owner, counts, due time, errors |
//! | due | listener, kind, due time, position | nothing |
//! | owned | node, listener, position | nothing |
//! | nodes | node | until when its lease goes |
//! | letters | listener, number | the dead letter |
//!
//! The log:
//!
//! | rows | by | have |
//! |---|---|---|
//! | topics | name | its number, its head, what it keeps and has |
//! | records | number, position | an event |
//! | look | time, number | the topic that has something too old then |
//! | once | number, key | where the event stands |
//! | left | number, time, position | the `once` key of an event that left the log then |
//! | batches | node | its newest batch, with its answers |
//! | order | when it was stored | the node whose newest batch it is |

mod codec;
mod keys;
mod log;
mod queue;
mod rows;

#[cfg(test)]
mod tests;

pub use log::{Appended, Limits, RowLog};
pub use queue::{
    EXPIRES, LETTER_AGE, MAX_CLAIM, MAX_HELD, MAX_LETTERS, MAX_LISTENERS, RowQueue, UNSEEN, WINDOW,
};
pub use rows::{MemoryRows, ReadRows, Row, Rows};
