//! The load generator: cheap clients in an epoll loop, which check every event they get.

mod client;
mod fleet;
mod ledger;
mod wire;

pub(crate) use fleet::Fleet;
pub(crate) use ledger::Tally;
