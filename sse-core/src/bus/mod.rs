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

mod answer;
mod by_hand;
mod call;
mod error;
mod event;
mod inject;
mod listener;
mod observed;
mod order;
mod outcome;
mod prepared;
mod publication;
mod rest;
mod run;
mod scope;
mod slot;
mod tasks;
mod transaction;

pub use answer::{IntoListenerError, ListenerOutput};
pub use call::{EventMeta, PublicationId};
pub use error::{
    Failure, ListenerError, ListenerPanicked, ListenerTimedOut, RepublishedTooDeep,
    TransactionNeeded,
};
pub use event::{ApplicationEvent, EventType};
pub use inject::Inject;
pub use listener::{Listener, ListenerBuilder, Phase};
pub use outcome::{Outcome, PublishError};
pub use publication::Publication;
pub use scope::MAX_PUBLICATION_DEPTH;
pub use tasks::MAX_SPAWNED_LISTENERS;
pub use transaction::{MAX_TRANSACTION_EVENTS, Settlement, Transaction, TransactionFull};

// For generated code.
pub use answer::caught;
pub use call::{Call, OwnedCall};
pub use event::EventRef;
pub use inject::{Binder, here};
pub use listener::{ComponentRef, Declaration};
pub use prepared::{Held, Prepared, Wired};

// For the context.
pub(crate) use answer::Answer;
#[cfg(feature = "test-util")]
pub(crate) use event::EventDescription;
pub(crate) use event::{readable_name, short_name};
pub(crate) use listener::Profile;
pub(crate) use order::arrange;
pub(crate) use publication::publish;
pub(crate) use run::first_time;
pub(crate) use slot::{AnySlot, Plain, Registered, Slot, Slots, Sources, TypeMap};
pub(crate) use tasks::Tasks;
