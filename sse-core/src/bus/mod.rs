//! The application-event bus.
//!
//! An event is any value of a type that is an [`ApplicationEvent`]. Publishing looks up the plan of
//! its type: the listeners in the order in which they run, bound to what they take when the context
//! was built. Plans are never changed in place: a subscription makes a new one, and a publication
//! keeps the one that it began with, so no lock is held while a listener runs.
//!
//! | file | what it is about |
//! |---|---|
//! | `event` | event types, their names and supertypes |
//! | `listener`, `by_hand`, `inject` | how a listener is declared, and what it takes |
//! | `prepared`, `slot`, `order` | listeners bound, in order, by type |
//! | `publication`, `run`, `rest` | from the event to the outcome; what is left after the call |
//! | `call`, `answer`, `outcome`, `error` | what a listener knows, returns, and how it fails |
//! | `scope`, `tasks`, `transaction` | depth and cycles; work that outlives its caller; commits |
//!
//! What is said against event buses, and what this one does about it, is a chapter of
//! `sse-tower`'s guide.

pub(crate) mod declare;
pub(crate) mod event;
pub(crate) mod listener;
pub(crate) mod listeners;
pub(crate) mod plans;
pub(crate) mod profile;
pub(crate) mod publish;
pub(crate) mod state;
#[cfg(feature = "test-util")]
pub(crate) mod tap;
pub(crate) mod tasks;
pub(crate) mod unheard;

pub use declare::{
    Inject, IntoListenerError, Listener, ListenerBuilder, ListenerOutput, Publisher, Subscription,
};
pub use event::{ApplicationEvent, EventMeta, EventType, PublicationId};
pub use listener::{
    Failure, ListenerError, ListenerPanicked, ListenerTimedOut, RepublishedTooDeep,
    TransactionNeeded,
};
pub use profile::Phase;
pub use publish::{
    MAX_PUBLICATION_DEPTH, MAX_TRANSACTION_EVENTS, Outcome, Publication, PublishError, Settlement,
    Transaction, TransactionFull,
};
pub use tasks::MAX_SPAWNED_LISTENERS;
pub use unheard::Unheard;

// For generated code.
pub use declare::{Binder, Declaration, EventRef, here};
pub use listener::{Call, Handler, MaybeShared, OwnedCall, caught};
pub use listeners::ErasedHandler;
