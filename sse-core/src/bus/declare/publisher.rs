//! A handle that publishes one type of event.

use std::{fmt, marker::PhantomData, panic::Location};

use crate::bus::{
    event::ApplicationEvent,
    publish::{Publication, publish},
    state::Bus,
};

/// Publishes events of one type. Cheap to clone.
///
/// As a listener's parameter it also says, in the event graph, what the listener publishes.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ApplicationEvent};
/// # struct Shipped; impl ApplicationEvent for Shipped {}
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = ApplicationContext::bare().build()?;
/// let publisher = context.publisher::<Shipped>();
/// publisher.publish_event(Shipped).await?;
/// # Ok(()) }
/// ```
pub struct Publisher<E> {
    bus: Bus,
    event: PhantomData<fn(E)>,
}

impl<E: ApplicationEvent> Publisher<E> {
    pub(crate) fn new(bus: Bus) -> Self {
        Self { bus, event: PhantomData }
    }

    /// See [`ApplicationContext::publish_event`](crate::ApplicationContext::publish_event).
    #[track_caller]
    #[inline]
    pub fn publish_event(&self, event: E) -> Publication<E> {
        publish(&self.bus, event, Location::caller())
    }
}

impl<E> Clone for Publisher<E> {
    fn clone(&self) -> Self {
        Self { bus: self.bus.clone(), event: PhantomData }
    }
}

impl<E> fmt::Debug for Publisher<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Publisher<{}>", std::any::type_name::<E>())
    }
}
