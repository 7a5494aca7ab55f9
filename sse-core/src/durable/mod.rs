//! Events that leave the process: to every other node, and to listeners that survive.
//!
//! ```text
//! publish ─▶ courier ─▶ Node (outgoing) ─▶ engine ─┬─▶ feed ─▶ broadcast ─▶ every listener of the other nodes
//!                                                  └─▶ queue ─▶ claimer ─▶ attempt of one listener ─▶ verdict
//! ```
//!
//! * `courier` is what the bus knows of all this: it takes events out, and knows which are wanted (`heard`,
//!   which `asking` keeps up with the store).
//! * `envelope` is an event as it travels: CloudEvents attributes, and its body as it was published.
//! * `broadcast` brings what other nodes published to the listeners here.
//! * `lease` is how this process shows that it lives: a random id, held for ten seconds at a time. Whatever becomes
//!   doubtful gets a new id, and never the old one back. `renewal` is the task that holds it.
//! * `claimer` takes what is due and runs it; `worker` is one listener of it: how many run, how many more, and whether all
//!   of them fail; `attempt` is one run; `backoff` is when the next; `verdicts` says to the store what became of them.
//! * `turn` is a lease by a name, for schedules that one process at a time runs: an event that is held and never done.
//! * `trace` is what an event came from, while a listener of it runs.
//! * `letters` and `listeners` are for people; `outbox` is for the program's own transactions.
//!
//! # What may be relied on
//!
//! * An event that [`publish_event`](crate::ApplicationContext::publish_event) stored is handled, or is a dead letter.
//! * A failure is counted, a process that died is counted apart: an outage of either burns no attempts of what was not
//!   tried.
//! * One process at a time has an event for a listener, as long as clocks run: who cannot renew its lease stops by
//!   itself before others may take over.
//!
//! # What may not
//!
//! * That an event is handled once. `EventMeta::once_in` makes an *effect* happen once.
//! * That a synchronous listener stops. It is reported as overdue, and stays this process's as long as the lease.

mod asking;
mod attempt;
mod backoff;
mod broadcast;
mod claimer;
mod courier;
mod envelope;
mod error;
mod heard;
mod lease;
mod letters;
mod listeners;
mod outbox;
mod renewal;
mod shared;
mod start;
mod trace;
mod turn;
mod verdicts;
mod worker;

pub use self::{
    broadcast::{BroadcastGap, MAX_PENDING_BROADCAST_BYTES, MAX_PENDING_BROADCASTS},
    error::DurableError,
    letters::{DeadLetters, Letter, RetryAll},
    listeners::Listeners,
    trace::EventTrace,
};
pub(crate) use self::{
    courier::Courier,
    shared::Shared,
    start::{DurableListener, Setup, start},
    trace::TraceHook,
    turn::Turn,
};
