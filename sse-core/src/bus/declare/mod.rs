//! What programs write: listeners, what they take, what they return.

mod closures;
mod event_ref;
mod inject;
mod listener;
mod output;
mod publisher;
mod subscription;

pub use event_ref::EventRef;
pub use inject::{Binder, Inject, here};
pub use listener::{Declaration, Listener, ListenerBuilder};
pub use output::{IntoListenerError, ListenerOutput};
pub use publisher::Publisher;
pub use subscription::Subscription;
