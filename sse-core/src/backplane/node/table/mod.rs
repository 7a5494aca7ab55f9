//! `Table`: which topics a node follows, and how complete its copies of them are. No tasks, no I/O; time comes in.
//!
//! A topic is *followed*, then *loaded*, then *live*, once the feed has come as far as the load. What the feed brings
//! before that is kept aside, and what of it is newer than the load comes behind it. The reverse order, load and then
//! follow, loses what is stored between the two; not waiting for the feed mixes up what was sent to the key and what
//! was sent to all.
//!
//! The *watermark* says how far every live topic is complete, all together. It stands still while topics that had
//! been live are loaded again, so that whoever reads several of them never sees a later change before an earlier one.
//!
//! A [`Waiter`] is planned once its topics are live and its barrier is reached: a mark that the store gave after the
//! waiter came, or after its topics were loaded. Before that, what was loaded may be ahead of what the feed has
//! brought of its other topics, and its client may be ahead of both.
//!
//! Bottom to top: `entry` (one copy of a topic, and what it takes of what is told), `state` (all of them), then what
//! happens to it: `users` come and go, connections are `waiting`, topics are followed and loaded (`loading`), and the
//! store tells (`feed`).

mod entry;
mod feed;
mod loading;
mod state;
mod users;
mod waiting;

pub(crate) use self::entry::Owner;
pub(super) use self::state::{News, Table};
pub use self::{
    users::{LINGER, MAX_LINGERING},
    waiting::MAX_WAIT,
};
