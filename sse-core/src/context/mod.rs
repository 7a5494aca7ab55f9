//! The context of a program: a bus, the components, the streams that are open.
//!
//! # In which order
//!
//! [`build`](ContextBuilder::build) collects components, finds listeners (those given, then those that
//! attributes left in the binary), binds each to what it takes, and checks all of it: everything that
//! is wrong is in one [`WiringError`], with file and line. Only then is there a bus; [`ContextStarted`]
//! is the first event on it. [`build_async`](ContextBuilder::build_async) makes components first, where functions make
//! them (`construct`, `building`), and starts them before that event (`hooks`). A [`drain`](ApplicationContext::drain) is the end: [`ContextDraining`], then
//! the goodbye to each stream, then what is still under way, then [`ContextClosed`], then components stop, the last that was started first.
//!
//! # What may be relied on
//!
//! * A context that was built is complete: no listener fails for want of a component.
//! * Components never change while it lives; listeners come and go by `on` and `subscribe`, which check
//!   what `build` checks.
//! * A context dies with its last handle and its last work under way. Listeners that take it keep none
//!   alive, and neither do subscriptions.
//!
//! # What may not
//!
//! * That what the linker left out is found: a crate that is named nowhere is not in the program.
//!   `listeners_from!` names it.
//! * That two contexts of one program share anything. They do not, but for components that were given
//!   to both.

mod application_context;
mod assembly;
mod builder;
mod building;
mod checks;
mod components;
mod construct;
mod drain;
#[cfg(feature = "json")]
mod durable;
mod given;
mod graph;
mod hooks;
mod inject;
mod lifecycle;
mod linked;
mod sent;
mod subscribe;
#[cfg(feature = "test-util")]
mod tap;
mod wiring;

pub use application_context::ApplicationContext;
pub use builder::ContextBuilder;
pub use building::{Building, UnavailableComponent};
#[cfg(all(feature = "json", feature = "test-util"))]
pub use durable::settle_durable;
pub use hooks::HookOutput;
pub use lifecycle::{ContextClosed, ContextDraining, ContextStarted};
pub use linked::{
    EndpointInfo, EndpointNeeds, LinkedCrate, LinkedEvent, LinkedListener, LinkedOffer,
};
#[cfg(feature = "test-util")]
pub use tap::tap;
pub use wiring::{WiringError, WiringFault};
#[cfg(feature = "axum")]
pub(crate) use wiring::{adds, other_name, shares};
