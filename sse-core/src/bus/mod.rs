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
//! # What is said against event buses
//!
//! Guava advises against its own `EventBus` and lists why. The same list, for this one; the words in
//! the last column are tests under `tests/`, where there is one.
//!
//! | reason | here | shown by |
//! |---|---|---|
//! | publishers and subscribers cannot be found from each other | `graph()` draws them; each listener knows its file and line | `the_graph_shows_events_listeners_and_endpoints` |
//! | accidental re-entrance | allowed, bounded by [`MAX_PUBLICATION_DEPTH`], and the cycle is named; no lock to deadlock on | `endless_republication_is_bounded_and_its_cycle_named`, `a_listener_that_publishes_again_does_not_deadlock` |
//! | all subscribers are created early | so are ours, on purpose: what is missing is known before the first event | `everything_that_is_wrong_is_listed_at_once` |
//! | reflection breaks when code is shrunk | there is no reflection; a crate that is not linked is reported | `a_named_crate_that_declares_nothing_is_reported_with_its_place` |
//! | no waiting for several events | listeners are futures, a publication is a future: `join!` them; `settled()` waits for all | `settled_waits_for_spawned_listeners_and_what_they_publish` |
//! | no backpressure | awaiting a publication is waiting for its listeners; spawned ones are bounded by [`MAX_SPAWNED_LISTENERS`] | `order_holds_across_synchronous_and_asynchronous_listeners` |
//! | little control of threads | listeners run where the publication is awaited; `spawn` and `detach` say otherwise, in the code | `a_thread_without_a_runtime_uses_the_one_that_the_context_was_built_in` |
//! | little monitoring | outcomes count, failures carry three places, unheard events are counted and told | `unheard_events_are_counted_and_told` |
//! | errors do not propagate | awaiting gives them, typed, panics included | `every_listener_runs_after_failures_and_panics` |
//! | poor interoperation with streams | a closure that sends into a channel is a listener | `a_closure_that_sends_into_a_channel_makes_a_stream` |
//! | events are lost while subscribers change | each publication keeps a whole plan | `listeners_come_and_go_while_events_are_published` |
//! | slow | a synchronous listener costs no allocation, an asynchronous one its future | `a_synchronous_listener_costs_no_allocation`, `benches/dispatch.rs` |
//! | no parameterised types | `Stored<A>` and `Stored<B>` are two events | `generic_events_are_told_apart_by_their_parameter` |
//! | wordier than a lambda | `context.on(\|paid: &Paid\| ..)` | `synchronous_listeners_have_run_when_the_call_returns` |

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
pub(crate) use event::short_name;
pub(crate) use listener::Profile;
pub(crate) use order::arrange;
pub(crate) use publication::publish;
pub(crate) use run::first_time;
pub(crate) use slot::{AnySlot, Plain, Registered, Slot, Slots, Sources, TypeMap};
pub(crate) use tasks::Tasks;
