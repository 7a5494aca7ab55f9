//! What programs write: listeners, what they take, what they return.
//!
//! A listener is declared by an attribute ([`Declaration`], constants alone) or made of a closure
//! ([`ListenerBuilder`]); both become a [`Listener`]. When a bus is made each listener is *bound*: a
//! [`Binder`] finds what it takes ([`Inject`]) and notes what is missing and what it publishes. Nothing
//! is looked up after that: a call gives the bound parameters, by reference where they can be.
//!
//! What may be relied on:
//!
//! * All that is missing is known when the bus is made, not when an event comes.
//! * What a listener returns ([`ListenerOutput`]) is published as part of its publication, in the order
//!   in which it stands there; an error is a failure of that listener.
//! * A bound listener keeps components alive, and never the bus that it is on: what leads back to it (a
//!   [`Publisher`], the context) is made for each call.
//! * Dropping a [`Subscription`] removes its listener and no other one. It holds the bus weakly.
//!
//! Not to be relied on: that what a listener publishes through the context itself is in the event graph;
//! only what it returns, and each [`Publisher`] that it takes.

mod builder;
mod closures;
mod declaration;
mod event_ref;
mod form;
mod inject;
mod listener;
mod output;
mod publisher;
mod subscription;

pub use builder::ListenerBuilder;
pub use declaration::Declaration;
pub use event_ref::EventRef;
pub use form::{Form, IsForm, Json, JsonIfSerde, NoForm, NoJson, WithForm, json, travels};
pub use inject::{Binder, Inject, here};
pub use listener::Listener;
pub use output::{IntoListenerError, ListenerOutput};
pub use publisher::Publisher;
pub use subscription::Subscription;
