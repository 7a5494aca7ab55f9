//! One listener, bound: a function, how it is called, and what became of that.
//!
//! A [`Handler`] is a listener whose parameters were found when the bus was made; what remains is to give
//! it an event and a [`Call`]. It has one of four shapes, by reference or shared, synchronous or not,
//! and only `handler` knows them. A synchronous one is called, and its [`Answer`] is there; an
//! asynchronous one is started, and its [`Running`] is polled until the answer is.
//!
//! What may be relied on:
//!
//! * Calling a listener that takes `&E` allocates nothing, and starting one that is asynchronous
//!   allocates its future alone. The event is put into an `Arc` once, and only if some listener of the
//!   plan wants a share in it.
//! * Whoever calls into a program's code does it through [`guarded`], [`guarded_poll`] or [`caught`]:
//!   nothing else here catches, and nothing that a listener does unwinds into a publisher.
//! * A [`Failure`](super::failure::Failure) is logged, and told to who asked for it, by being made. There is none that
//!   is in an outcome and not in the log, and none that is logged twice.
//!
//! Not to be relied on: that a listener's future is polled again after it panicked (it is dropped), or
//! that it is polled to its end (a timeout stops it where it stands; its destructors run).

mod answer;
mod call;
mod error;
mod handler;
pub(crate) mod instrument;
mod order;
mod unwind;

pub(crate) use answer::{Answer, Delivered, More, Returned};
pub use call::{Call, OwnedCall};
pub(crate) use call::{JoinedTransaction, Meta};
pub(crate) use error::{ErrorParts, RuntimeGone};
pub use error::{
    ListenerError, ListenerPanicked, ListenerTimedOut, RepublishedTooDeep, TooManyReturned,
};
pub(crate) use handler::{Condition, HandlerFn, RefFn, Running};
pub use handler::{Handler, MaybeShared};
pub(crate) use order::arrange;
pub use unwind::caught;
pub(crate) use unwind::{guarded, guarded_poll};
