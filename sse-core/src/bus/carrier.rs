//! `Carrier`: takes events out of this process. The bus knows no more of the store than this trait.

use std::any::Any;

use bytes::Bytes;
use tokio::time::Instant;

use super::event::{EventDescription, EventUid};
use crate::boxed::{BoxError, BoxFuture};

/// One encoded event on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    pub(crate) id: EventUid,
    /// Every node hears it.
    pub(crate) broadcast: bool,
    /// It is stored whoever hears it.
    pub(crate) stored: bool,
    pub(crate) body: Bytes,
}

/// An event that came in, or comes in again.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) version: u32,
    pub(crate) id: EventUid,
    /// How often it was tried before.
    pub(crate) tried: u32,
    pub(crate) elsewhere: bool,
    pub(crate) body: Bytes,
}

/// Takes events out of this process.
pub(crate) trait Carrier: Any + Send + Sync {
    /// Whether somebody wants this event; otherwise it is not encoded.
    fn wants(&self, event: &EventDescription) -> bool;

    /// Takes an event; its place among others is fixed when this returns. The future says whether it is stored.
    fn carry(&self, parcel: Parcel) -> BoxFuture<Result<(), BoxError>>;

    /// A transaction of the program into which something was stored has committed.
    fn has_committed(&self);

    /// Whether everything that this process hears is known where events are stored.
    fn is_ready(&self) -> bool;

    /// Takes no more events in, and waits for those that are being handled, no longer than to `until`.
    fn drain(&self, until: Instant) -> BoxFuture<()>;

    /// This carrier, to be downcast by the room that made it.
    fn as_any(&self) -> &dyn Any;
}
