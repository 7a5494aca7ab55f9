//! One call of a listener: the bus it is on, what is known of the event, which listener it is.

use std::{any::Any, panic::Location, sync::Arc};

use crate::bus::{
    event::{EventMeta, PublicationId},
    profile::Profile,
    scope,
    state::Bus,
};

/// The transaction that is about to commit, for its listeners before that. Only the room above knows what it is.
pub(crate) type JoinedTransaction = Arc<dyn Any + Send + Sync>;

/// What is known of the event, for those listeners that ask.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Meta<'a> {
    /// This.
    Known(&'a EventMeta),
    /// It is published here and now, by the publication that this thread is in.
    Current { id: PublicationId, at: &'static Location<'static> },
}

impl Meta<'_> {
    #[inline]
    pub(crate) fn get(self) -> EventMeta {
        match self {
            Self::Known(meta) => *meta,
            Self::Current { id, at } => scope::meta(id, at),
        }
    }
}

/// One call of a listener, lent to it.
#[derive(Debug)]
pub struct Call<'a> {
    pub(crate) bus: &'a Bus,
    pub(crate) meta: Meta<'a>,
    pub(crate) listener: &'a Arc<Profile>,
    pub(crate) transaction: Option<&'a JoinedTransaction>,
}

impl Call<'_> {
    pub(crate) fn to_owned(&self) -> OwnedCall {
        OwnedCall {
            bus: self.bus.clone(),
            meta: self.meta.get(),
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
            meta: Meta::Known(&self.meta),
            listener: &self.listener,
            transaction: self.transaction.as_ref(),
        }
    }
}
