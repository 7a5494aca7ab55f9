//! The context: components, listeners, the publisher, and the drain.

mod application_context;
mod builder;
mod checks;
mod drain;
mod graph;
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
pub use lifecycle::{ContextClosed, ContextDraining, ContextStarted};
pub use linked::{EndpointInfo, EndpointNeeds, LinkedCrate, LinkedEvent, LinkedListener};
#[cfg(feature = "test-util")]
pub use tap::tap;
pub use wiring::{WiringError, WiringFault};
