//! What the context says of itself, on its own bus.

use crate::bus::{ApplicationEvent, EventType};

/// The context was built; published by [`build`](crate::ContextBuilder::build) before it returns.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ContextStarted;

/// The drain began: new streams are refused, running ones are about to end.
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
