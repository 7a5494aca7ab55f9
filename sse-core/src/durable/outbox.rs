//! What is stored in the program's own transaction, and what is remembered there.

use super::courier::{self, Courier};
use crate::{
    backplane::{BackplaneError, EngineError, OnceIn, StoreIn, StoreInError},
    boxed::BoxError,
    bus::{event::EventMeta, publish::Transaction},
};

impl Transaction {
    /// Stores what leaves the process, broadcasts and what durable listeners hear, in a transaction of the program's own
    /// database: with the row that they tell of. Committed, they are delivered, also if the process dies right after;
    /// rolled back, they never were. [`commit`](Self::commit) then runs the listeners here, and stores nothing twice.
    ///
    /// What is published after this call is stored by another one, or by the commit.
    ///
    /// Takes no lock in that transaction. It is one of a driver that an engine knows ([`StoreIn`]), in the database of the
    /// backplane's store.
    ///
    /// # Errors
    /// [`StoreInError`]. After [`Database`](StoreInError::Database) that transaction can only be rolled back.
    ///
    /// # Cancel safety
    /// Dropping the future leaves that transaction as the driver leaves it; roll it back.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, backplane::{StoreIn, StoreInError}};
    /// # struct OrderPaid; impl ApplicationEvent for OrderPaid {}
    /// # async fn pay<D, T: StoreIn<D>>(mut tx: T, context: ApplicationContext) -> Result<(), Box<dyn std::error::Error>> {
    /// // let mut tx = database.transaction().await?; tx.execute("insert into payment ..").await?;
    /// let events = context.transaction();
    /// events.publish_event(OrderPaid);
    /// events.store_in(&mut tx).await?;
    /// // tx.commit().await?;
    /// events.commit().await?;
    /// # Ok(()) }
    /// ```
    pub async fn store_in<D, T: StoreIn<D>>(&self, tx: &mut T) -> Result<(), StoreInError> {
        let shared = {
            let carrier = self.bus().and_then(|bus| bus.carrier());
            let courier = carrier.and_then(|it| it.as_any().downcast_ref::<Courier>());
            let shared = courier.map(|it| it.shared().clone()).filter(|it| !it.is_private());
            shared.ok_or(StoreInError::NoBackplane)?
        };
        let (mut entries, mut stored) = (Vec::new(), Vec::new());
        for (parcel, is_stored) in self.pack() {
            let parcel = parcel.map_err(StoreInError::Event)?;
            entries.extend(courier::entries(&shared, &parcel).map_err(refused)?);
            stored.push((is_stored, parcel.id));
        }
        if !entries.is_empty() {
            tx.store(shared.namespace(), &entries).await?;
            shared.engine().outbox_filled();
        }
        stored.into_iter().for_each(|(is_stored, id)| is_stored(id));
        Ok(())
    }
}

fn refused(error: BoxError) -> StoreInError {
    match error.downcast::<BackplaneError>() {
        Ok(error) => StoreInError::Carried(*error),
        Err(error) => StoreInError::Event(error),
    }
}

impl EventMeta {
    /// Whether this durable listener has not had this event in a transaction of this database that was committed: then it
    /// is remembered with it, so that what the listener does in `tx` happens exactly once, however often it runs.
    ///
    /// A second attempt at the same time waits for the first one's end. Always `true` outside of a durable listener: there
    /// is nothing to remember.
    ///
    /// # Errors
    /// What the database says; the transaction can only be rolled back then. Under `repeatable read` and stricter that may
    /// be a serialisation failure: fail, and be tried again.
    ///
    /// ```
    /// # use sse_tower_core::{EventMeta, backplane::{EngineError, OnceIn}};
    /// # async fn book<D, T: OnceIn<D>>(mut tx: T, meta: EventMeta) -> Result<(), EngineError> {
    /// // let mut tx = database.transaction().await?;
    /// if meta.once_in(&mut tx).await? {
    ///     // tx.execute("update account set balance = balance - $1 ..").await?;
    /// }
    /// // tx.commit().await?;
    /// # Ok(()) }
    /// ```
    pub async fn once_in<D, T: OnceIn<D>>(&self, tx: &mut T) -> Result<bool, EngineError> {
        match self.journey.durable {
            None => Ok(true),
            Some(durable) => {
                tx.once(&durable.namespace, durable.listener, self.event_id().get()).await
            }
        }
    }
}
