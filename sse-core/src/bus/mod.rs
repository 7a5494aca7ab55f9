//! The application-event bus.

mod answer;
mod by_hand;
mod call;
mod error;
mod event;
mod inject;
mod listener;
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
pub(crate) use event::short_name;
pub(crate) use listener::Profile;
pub(crate) use order::arrange;
pub(crate) use publication::publish;
pub(crate) use run::first_time;
pub(crate) use slot::{AnySlot, Plan, Registered, Slot, Slots, Sources, TypeMap};
pub(crate) use tasks::Tasks;
