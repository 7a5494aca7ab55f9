//! `Transaction`: events that wait for a commit.

use std::{
    fmt,
    future::{Future, ready},
    panic::Location,
    pin::pin,
    sync::Arc,
};

use super::{
    commit::{Commit, Settlement},
    open::Open,
};
use crate::{
    boxed::{BoxError, BoxFuture},
    bus::{
        carrier::Parcel,
        event::{ApplicationEvent, EventUid},
        listener::{Call, caught},
        state::Bus,
    },
};

/// Events that are delivered together, or not at all. Made by
/// [`crate::ApplicationContext::transaction`].
///
/// | what happens | which listeners run, event by event |
/// |---|---|
/// | `commit()` begins | phase `before-commit`; the first failure turns it into a rollback |
/// | the commit stands | those without a phase, and phase `after-commit`; then `after-completion` |
/// | a rollback | phase `after-rollback`; then `after-completion` |
///
/// What commits is the program's own: a database transaction that ends before
/// [`commit`](Self::commit) is called, or the future given to [`commit_with`](Self::commit_with).
/// Events live in memory: a process that dies between the two loses them.
///
/// What listeners return goes out after all events of the transaction were heard at that stage; what listeners before the
/// commit return becomes part of the transaction.
///
/// A listener of phase `before-commit` may take it as a parameter, to add events: they are heard in all phases, as the
/// others are. That is a part of the transaction, as in Spring: dropping it or [`commit`](Self::commit) ends nothing,
/// [`rollback`](Self::rollback) rolls back the whole once the listeners before the commit are through.
///
/// Dropping one that [`transaction`](crate::ApplicationContext::transaction) made rolls back, in a task that
/// [`settled`](crate::ApplicationContext::settled) waits for.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener, Phase};
/// # struct Paid; impl ApplicationEvent for Paid {}
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let receipt = Listener::on(|_: &Paid| println!("the money is there")).phase(Phase::AfterCommit);
/// let context = ApplicationContext::bare().listener(receipt).build()?;
///
/// let transaction = context.transaction();
/// transaction.publish_event(Paid); // nobody hears it yet
/// let outcome = transaction.commit().await?;
/// assert_eq!(outcome.ran(), 1);
/// # Ok(()) }
/// ```
#[must_use = "dropping a transaction rolls it back"]
pub struct Transaction {
    /// `None` once it was committed or rolled back.
    open: Option<Arc<Open>>,
    /// It is a part: the handle that began the whole ends it.
    is_part: bool,
}

impl Transaction {
    pub(crate) fn new(bus: Bus, begun_at: &'static Location<'static>) -> Self {
        Self { open: Some(Arc::new(Open::new(bus, begun_at))), is_part: false }
    }

    /// The transaction that is about to commit, for a listener before the commit.
    pub(crate) fn of(call: &Call<'_>) -> Self {
        Self { open: open(call), is_part: true }
    }

    /// Keeps `event` until the commit. At most [`MAX_TRANSACTION_EVENTS`](crate::MAX_TRANSACTION_EVENTS).
    #[track_caller]
    pub fn publish_event<E: ApplicationEvent>(&self, event: E) {
        if let Some(open) = &self.open {
            open.add(event, Location::caller());
        }
    }

    /// The bus, unless it was committed or rolled back.
    pub(crate) fn bus(&self) -> Option<&Bus> {
        self.open.as_ref().map(|open| &open.bus)
    }

    /// Encodes what is to be stored and was not encoded yet, each with a function that notes that it is stored.
    pub(crate) fn pack(&self) -> Vec<(Result<Parcel, BoxError>, impl FnOnce(EventUid) + use<>)> {
        let Some(open) = &self.open else { return Vec::new() };
        // A copy, since writing is the program's code.
        let packed = open.waiting().into_iter().filter_map(|event| {
            let parcel = event.pack(&open.bus)?;
            Some((parcel, move |id| event.is_stored(id)))
        });
        packed.collect()
    }

    /// Delivers the events. Awaiting it gives their outcome.
    ///
    /// # Errors
    /// [`CommitError`](crate::CommitError): `RolledBack` if a listener before the commit failed, `Committed` if only
    /// listeners after it did.
    ///
    /// # Cancel safety
    /// Dropping the future stops nothing: the rest runs in a task.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # struct Shipped; impl ApplicationEvent for Shipped {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let context = ApplicationContext::bare().build()?;
    /// context.on(|_: &Paid| ()).forever();
    /// context.on(|_: &Shipped| ()).forever();
    /// let transaction = context.transaction();
    /// transaction.publish_event(Paid);
    /// transaction.publish_event(Shipped);
    /// assert_eq!(transaction.commit().await?.ran(), 2);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn commit(self) -> Commit {
        self.commit_with(ready(Ok::<(), BoxError>(())))
    }

    /// Runs listeners before the commit, then `commit`, and then as [`commit`](Self::commit) does.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); an error of `commit` itself, or its panic, rolls back, and is the `source` of the cause.
    ///
    /// # Cancel safety
    /// Dropping the future stops nothing, `commit` included: the rest runs in a task.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, CommitError};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sse_tower_core::WiringError> {
    /// # let context = ApplicationContext::bare().build()?;
    /// let transaction = context.transaction();
    /// transaction.publish_event(Paid);
    /// let database = async { Err::<(), _>("serialisation failure") };
    /// match transaction.commit_with(database).await {
    ///     Err(CommitError::RolledBack { cause, .. }) => {
    ///         assert_eq!(cause.source.to_string(), "serialisation failure");
    ///     }
    ///     other => unreachable!("{other:?}"),
    /// }
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn commit_with<F, Er>(mut self, commit: F) -> Commit
    where
        F: Future<Output = Result<(), Er>> + Send + 'static,
        Er: Into<BoxError>,
    {
        let commit: BoxFuture<_> = Box::pin(async move {
            match caught(pin!(commit)).await {
                Ok(committed) => committed.map_err(Into::into),
                Err(panicked) => Err(format!("commit panicked: {}", panicked.message).into()),
            }
        });
        let open = self.open.take();
        if self.is_part {
            Commit::of_part(open, commit, Location::caller())
        } else {
            Commit::new(open, commit)
        }
    }

    /// Discards the events, and runs the listeners of phases `after-rollback` and `after-completion`: here if it is
    /// awaited, else in a task.
    ///
    /// # Errors
    /// [`PublishError`](crate::PublishError) with each of these listeners that failed.
    ///
    /// # Cancel safety
    /// Dropping the future stops nothing: the rest runs in a task.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener, Phase};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let release = Listener::on(|_: &Paid| println!("back in stock")).phase(Phase::AfterRollback);
    /// let context = ApplicationContext::bare().listener(release).build()?;
    /// let transaction = context.transaction();
    /// transaction.publish_event(Paid);
    /// assert_eq!(transaction.rollback().await?.ran(), 1);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn rollback(mut self) -> Settlement {
        match self.open.take() {
            Some(open) if self.is_part => {
                open.roll_back(Location::caller());
                Settlement::of_part(open)
            }
            open => Settlement::new(open),
        }
    }
}

/// The transaction that the listener which is called belongs to.
fn open(call: &Call<'_>) -> Option<Arc<Open>> {
    call.transaction.cloned()?.downcast().ok()
}

impl Call<'_> {
    /// Adds an event to the transaction that is about to commit; it comes back where there is none.
    pub(crate) fn add<E: ApplicationEvent>(&self, event: E) -> Result<(), E> {
        match open(self) {
            Some(open) => {
                open.add(event, self.listener.declared_at);
                Ok(())
            }
            None => Err(event),
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(open) = self.open.take()
            && !self.is_part
        {
            drop(Settlement::new(Some(open)));
        }
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transaction")
    }
}
