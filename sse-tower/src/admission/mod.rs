//! Who gets a stream: limits, and a refusal that browsers survive.
//!
//! 1. Before the handler: the request's keys under the [`Limits`] are asked for. A request of which nothing but a
//!    stream can come is refused here if there is no place, or if the context drains.
//! 2. After it: a response that is an event stream takes a place under every limit, then registers for the
//!    drain, then starts its leases. Each step can fail, and gives back what the steps before it took.
//! 3. What it holds from then on is a [`Permit`]. Whatever ends the stream drops it, which frees everything.
//!
//! What may be relied on: a place is free when its stream is dropped, however that comes about; the limit is
//! never exceeded, since places are taken under one lock; no code of the program runs under that lock. What may
//! not: that a request which was not refused before its handler gets a place after it.

mod cors;
mod limits;
mod permit;
mod refusal;
mod table;
mod ticket;

pub use limits::{AtLimit, Limits};
pub use refusal::{Refusal, is_event_source};
pub use ticket::DrainLast;

pub(crate) use cors::allow;
pub(crate) use permit::Permit;
pub(crate) use refusal::Why;
pub(crate) use refusal::is_from_event_source;
pub(crate) use table::Table;
pub(crate) use ticket::Ticket;
