//! Who gets a stream: limits, and a refusal that browsers survive.

mod limits;
mod refusal;
mod table;
mod ticket;

pub use limits::{AtLimit, Limits};
pub use refusal::{Refusal, is_event_source};
pub use ticket::DrainLast;

pub(crate) use refusal::Why;
pub(crate) use table::{Place, Table};
pub(crate) use ticket::{Admission, Ticket};
