//! `StoreIn`, `OnceIn`: storing in a transaction of the application, for engines in the same database.

use super::{BackplaneError, EngineError, EngineFuture, Entry};
use crate::boxed::BoxError;

/// A transaction of a database driver that takes what is to be stored when it commits.
///
/// `Driver` is a type of whoever implements this: it stands for the driver, and lets a crate implement this trait for a
/// transaction that is not its own. Programs never name it; it is inferred from the transaction.
///
/// ```
/// # use sse_tower_core::backplane::{EngineFuture, Entry, StoreIn};
///
/// struct Paper; // a driver
/// struct Sheet(Vec<String>); // its transaction
///
/// impl StoreIn<Paper> for Sheet {
///     fn store<'a>(&'a mut self, namespace: &'a str, entries: &'a [Entry]) -> EngineFuture<'a, ()> {
///         self.0.extend(entries.iter().map(|entry| format!("{namespace}: {:?}", entry.topic)));
///         Box::pin(std::future::ready(Ok(())))
///     }
/// }
///
/// async fn in_any<D, T: StoreIn<D>>(tx: &mut T, entries: &[Entry]) {
///     tx.store("shop", entries).await.unwrap();
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() { in_any(&mut Sheet(Vec::new()), &[]).await }
/// ```
pub trait StoreIn<Driver>: Send {
    /// Puts entries into the outbox of this namespace, in this order. They are stored in the log, with positions, by some
    /// process after the commit; a rollback leaves nothing. Takes no lock that outlives the call.
    ///
    /// Dropping the future leaves the transaction in the state in which the driver leaves it.
    ///
    /// # Errors
    /// The database refused, after which the transaction can only be rolled back; what the driver said is the source.
    fn store<'a>(&'a mut self, namespace: &'a str, entries: &'a [Entry]) -> EngineFuture<'a, ()>;
}

/// A transaction that remembers which listener's effect of which event is in it.
///
/// `Driver` as in [`StoreIn`].
pub trait OnceIn<Driver>: Send {
    /// `true` the first time for this listener and event. It is remembered when the transaction commits, together with
    /// the effect; a second attempt at the same time waits for the first one's end.
    ///
    /// # Errors
    /// As [`StoreIn::store`]. Under `repeatable read` and stricter, a second attempt at the same time may be refused as a
    /// serialisation failure: begin the transaction again.
    fn once<'a>(
        &'a mut self,
        namespace: &'a str,
        listener: &'a str,
        event_id: u128,
    ) -> EngineFuture<'a, bool>;
}

/// Why something could not be stored in a transaction of the application.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreInError {
    /// There is no backplane, so there is no outbox.
    #[error("there is no backplane; give one to the builder by `.backplane(..)`")]
    NoBackplane,
    /// The event cannot be written, or is none.
    #[error("event cannot be written")]
    Event(#[source] BoxError),
    /// The event or its key cannot be carried.
    #[error("event cannot be carried")]
    Carried(#[from] BackplaneError),
    /// The database refused. The transaction can only be rolled back now.
    #[error("database did not take it")]
    Database(#[from] EngineError),
}
