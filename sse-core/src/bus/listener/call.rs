//! One call of a listener: the bus it is on, what is known of the event, which listener it is.

use std::{any::Any, sync::Arc};

use crate::bus::{event::EventMeta, profile::Profile, state::Bus};

/// The transaction that is about to commit, for its listeners before that. Only the room above knows what it is.
pub(crate) type JoinedTransaction = Arc<dyn Any + Send + Sync>;

/// One call of a listener, lent to it.
#[derive(Debug)]
pub struct Call<'a> {
    pub(crate) bus: &'a Bus,
    pub(crate) meta: &'a EventMeta,
    pub(crate) listener: &'a Arc<Profile>,
    pub(crate) transaction: Option<&'a JoinedTransaction>,
}

impl Call<'_> {
    pub(crate) fn to_owned(&self) -> OwnedCall {
        OwnedCall {
            bus: self.bus.clone(),
            meta: *self.meta,
            listener: Arc::clone(self.listener),
            transaction: self.transaction.cloned(),
        }
    }
}

/// One call of an asynchronous listener.
#[derive(Debug)]
pub struct OwnedCall {
    bus: Bus,
    meta: EventMeta,
    listener: Arc<Profile>,
    transaction: Option<JoinedTransaction>,
}

impl OwnedCall {
    /// The call, lent to the listener.
    #[must_use]
    pub fn call(&self) -> Call<'_> {
        Call {
            bus: &self.bus,
            meta: &self.meta,
            listener: &self.listener,
            transaction: self.transaction.as_ref(),
        }
    }
}
