//! The application-event bus: values are published, and listeners of their type run. It knows nothing of
//! SSE, and nothing of the context that stands on it.
//!
//! # What happens when an event is published
//!
//! 1. The **plan** of the event's type is looked up: its listeners in the order in which they run, bound
//!    to what they take when the bus was made. (`plans`, `publish/plan`)
//! 2. The thread enters the **scope** of the publication, which counts how deep publications are nested
//!    and refuses the 33rd. (`scope`)
//! 3. Listeners are **called**, one after the other, in the call of the publisher, up to the first that
//!    is asynchronous or that failed. (`publish/run`)
//! 4. What **remains** runs where the publication is awaited, or in a task if it is dropped.
//!    (`publish/remaining`, `publish/publication`)
//! 5. Each listener's **answer** is counted; what it returned is published when all listeners have heard the event.
//!    (`listener/answer`, `declare/output`, `publish/outcome`, `publish/returned`)
//!
//! # Who hears an event
//!
//! Whoever was registered when the publication began. A plan is never changed in place: a subscription
//! makes a new one, and a publication keeps the one that it began with. So a listener that is added
//! while an event is on its way does not hear that event, and one that is removed still does.
//!
//! # What may be relied on
//!
//! * Every listener that is due runs, whatever became of those before it, and whether or not the
//!   publisher waits; unless `first_error` was asked for, or the runtime is shut down.
//! * The order is the same on every run of the program: `before` and `after`, then `order`, then module
//!   path, line and column. Listeners of one event never overlap, but for those declared `spawn`.
//! * No lock is held while a listener runs, while it is made, or while it is dropped. A listener may
//!   publish, subscribe, and unsubscribe itself.
//! * A listener's panic is a failure like another; see `listener/unwind`.
//!
//! Not to be relied on: the thread that a remaining listener runs on; the order of listeners of two
//! publications; that a publication which is neither awaited nor dropped goes on.
//!
//! # Floors
//!
//! From bottom to top, each importing only what is below it: `event`, `scope`, `profile`, `failure`, `tasks`, `carrier`,
//! `listeners`, `plans`, `unheard` and `tap` are data without the types of events; `state` is the bus, made of these;
//! `listener` is one listener, bound; `publish` runs them; `declare` is what programs write.
//!
//! What is said against event buses, and what this one does about it, is a chapter of
//! `sse-tower`'s guide.

pub(crate) mod carrier;
pub(crate) mod declare;
pub(crate) mod event;
pub(crate) mod failure;
pub(crate) mod listener;
pub(crate) mod listeners;
pub(crate) mod plans;
pub(crate) mod profile;
pub(crate) mod publish;
pub(crate) mod scheduled;
pub(crate) mod scope;
pub(crate) mod state;
#[cfg(feature = "test-util")]
pub(crate) mod tap;
pub(crate) mod tasks;
pub(crate) mod unheard;

pub use declare::{
    Inject, IntoListenerError, Listener, ListenerBuilder, ListenerOutput, Publisher, Subscription,
};
pub use event::{ApplicationEvent, EventMeta, EventOrigin, EventType, EventUid, PublicationId};
pub use failure::Failure;
pub use listener::{
    ListenerError, ListenerPanicked, ListenerTimedOut, RepublishedTooDeep, TooManyReturned,
};
pub use profile::{
    DEFAULT_ATTEMPTS, DEFAULT_BACKOFF, DEFAULT_CONCURRENCY, DEFAULT_DURABLE_TIMEOUT, Phase,
};
pub use publish::{
    Commit, CommitError, MAX_RETURNED_EVENTS, MAX_TRANSACTION_EVENTS, Outcome, Publication,
    PublishError, Settlement, Transaction, TransactionFull,
};
pub use scheduled::{ScheduledRun, Timetable};
pub use scope::MAX_PUBLICATION_DEPTH;
pub use tasks::MAX_SPAWNED_LISTENERS;
pub use unheard::Unheard;

// For generated code.
pub use declare::{
    Binder, Declaration, EventRef, Form, IsForm, Json, JsonIfSerde, NoForm, NoJson, WithForm, here,
    json, travels,
};
pub use listener::{Call, Handler, MaybeShared, OwnedCall, caught};
pub use listeners::ErasedHandler;
