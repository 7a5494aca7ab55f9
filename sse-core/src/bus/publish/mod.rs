//! From an event to the outcome: plans, how they are run, and what is left when the call returns.
//!
//! # In which order
//!
//! [`publish`] looks at the plan of the event's type ([`PlanCell`], one for each type and bus). If every
//! listener of it is *plain* (synchronous, by reference, without condition and phase) they are called one
//! after the other and that was all: no allocation, no lock, nothing to drop. Anything else goes through
//! `run`, which asks of each listener whether it is due at this *stage* and whether its condition holds,
//! and calls it. It is *suspended* by the first listener that
//!
//! * is asynchronous: its future is started when the publication is polled;
//! * failed: the publisher may have had enough of it, and says so by
//!   [`first_error`](Publication::first_error) before the rest goes on;
//! * sends what is being stored, which is waited for.
//!
//! What is left then is the `Remaining` of the [`Publication`]. Polling that runs it; dropping it runs
//! what is synchronous, and hands the rest to a task.
//!
//! Once all listeners have heard the event, what they returned goes out, *breadth first* (`returned`): each of these to all
//! of its listeners, and then what those returned.
//!
//! # What may be relied on
//!
//! * A listener sees its own publication as the current one, on whatever thread it runs and however
//!   often its future is polled: `scope` follows it. So cycles are found across tasks.
//! * [`Outcome`] and [`PublishError`] count each listener of the plan once: it ran, failed, was skipped,
//!   was spawned, or was not run. Listeners of returned events add their failures and nothing else.
//! * A [`Transaction`] delivers all of its events or none, stage by stage and event by event.
//!
//! # What may not
//!
//! * A publication that is held without being polled does not go on, and `settled()` does not wait for it.
//! * What remains of a publication is in memory: a process that dies has lost it. Durable listeners are for the rest.

mod arrival;
mod commit;
mod deliver;
mod departure;
#[cfg(test)]
mod fixture;
mod left;
mod open;
mod outcome;
mod plan;
mod plan_cell;
mod publication;
mod remaining;
mod returned;
mod run;
mod transaction;

pub(crate) use arrival::{Arrivals, Kinds, Run, RunsOne};
pub use commit::{Commit, CommitError, Settlement};
pub(crate) use deliver::{publish, publish_returned};
pub use open::{MAX_TRANSACTION_EVENTS, TransactionFull};
pub use outcome::{Outcome, PublishError};
pub(crate) use plan_cell::PlanCell;
pub use publication::Publication;
pub use returned::MAX_RETURNED_EVENTS;
pub use transaction::Transaction;
