//! Emitters whose events go through a backplane.
//!
//! What is sent goes to the store, and what the store's feed brings back is appended to the same logs by the same code
//! as without one: nothing reaches a client that is not stored. Everything that a key has in common on all nodes is
//! decided by the store; here it is only applied.
//!
//! * `to` ties the emitters to a node, `topic` is what a key has there, `following` which of them the node follows.
//! * `body` is an event as it travels.
//! * `sink` fills the log of a key, `all` those of all keys.
//! * `attach` gives a connection its places; `waiting` is one whose logs are not complete yet, `gate` what keeps it from
//!   reading.
//! * `claims` is who has a key where one connection is allowed.
//! * `send` is what a call hands to the node, `disconnecting` what of it ends connections and is not answered yet.

mod all;
mod attach;
mod body;
mod claims;
mod disconnecting;
mod following;
mod gate;
mod send;
mod sink;
mod to;
mod topic;
mod waiting;

pub(super) use self::{
    claims::replace,
    gate::Gate,
    to::{Link, LinkTo},
    topic::TopicLink,
};
