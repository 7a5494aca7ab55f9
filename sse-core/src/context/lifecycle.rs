//! The events that the context publishes about itself, on its own bus.

use crate::bus::event::{ApplicationEvent, EventType};

/// The context was built; published by [`build`](crate::ContextBuilder::build) before it returns.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ContextStarted, Listener, WiringError};
/// let context = ApplicationContext::bare()
///     .listener(Listener::on(|_: &ContextStarted| println!("every listener is in its place")))
///     .build()?;
/// # Ok::<(), WiringError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ContextStarted;

/// The drain began: new streams are refused, running ones are about to end.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ContextDraining, WiringError};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), WiringError> {
/// let context = ApplicationContext::bare().build()?;
/// context.on(|_: &ContextDraining| println!("no more orders are taken")).forever();
/// context.drain().await;
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ContextDraining;

/// The drain is over: no stream is open.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ContextClosed;

macro_rules! lifecycle {
    ($($event:ident $name:literal)*) => {$(
        impl ApplicationEvent for $event {
            fn event_type() -> EventType<Self> {
                EventType::new().name($name).optional()
            }
        }
    )*};
}
lifecycle! {
    ContextStarted "context.started"
    ContextDraining "context.draining"
    ContextClosed "context.closed"
}
