//! From an event to the outcome.

mod outcome;
mod plan;
mod plan_cell;
mod publication;
mod remaining;
mod run;
mod scope;
mod transaction;

pub use outcome::{Outcome, PublishError};
pub(crate) use plan_cell::PlanCell;
pub use publication::Publication;
pub(crate) use publication::publish;
pub use scope::MAX_PUBLICATION_DEPTH;
pub use transaction::{MAX_TRANSACTION_EVENTS, Settlement, Transaction, TransactionFull};
