//! One listener, bound: a function, and what became of calling it.

mod answer;
mod call;
mod error;
mod handler;
pub(crate) mod instrument;
mod order;
mod unwind;

pub(crate) use answer::{Answer, More};
pub use call::{Call, OwnedCall};
pub(crate) use error::RuntimeGone;
pub use error::{
    Failure, ListenerError, ListenerPanicked, ListenerTimedOut, RepublishedTooDeep,
    TransactionNeeded,
};
pub(crate) use handler::{Condition, HandlerFn, RefFn, Running};
pub use handler::{Handler, MaybeShared};
pub(crate) use order::arrange;
pub use unwind::caught;
pub(crate) use unwind::{guarded, guarded_poll};
