//! The load generator: cheap clients in an epoll loop, which check every event they get; and clients on hyper, for what
//! is more than bytes on a socket.

mod ask;
mod client;
mod fleet;
mod hyper_fleet;
mod ledger;
mod wire;

pub(crate) use ask::ask;
pub(crate) use fleet::{BATCH, Fleet};
pub(crate) use hyper_fleet::{HyperFleet, Transport};
pub(crate) use ledger::Tally;
