//! Dead letters, for people.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

use super::{
    envelope,
    error::DurableError,
    listeners::{has, queue},
    shared::Shared,
    worker::LOST,
};
use crate::{
    backplane::{DeadLetter, DeadReason, Letters},
    bus::event::EventUid,
};

/// How many are listed at once.
const PAGE: usize = 1_000;

/// How many are tried again or deleted in one call to the store.
const BATCH: usize = 256;

/// An event that a durable listener could not handle.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Letter {
    /// Its number, for [`DeadLetters::retry`] and [`DeadLetters::discard`].
    pub id: u64,
    /// The event's own id: the same on every attempt.
    pub event_id: EventUid,
    /// The event's name.
    pub event: String,
    /// The version of its form.
    pub version: u32,
    /// Its body as it was published: JSON.
    pub body: Bytes,
    /// The newest error.
    pub error: String,
    /// The newest errors, oldest first: five at most.
    pub errors: Vec<String>,
    /// How often it was tried: failures, and losses with a process.
    pub attempts: u32,
    /// How often it failed.
    pub failures: u32,
    /// How often it was lost with the process that had it.
    pub losses: u32,
    /// Why it is not tried any more.
    pub reason: DeadReason,
    /// When it was published, as its publisher's clock said: RFC 3339.
    pub published_at: Option<String>,
    /// For how long it has been dead, by the store's clock.
    pub age: Duration,
}

impl From<DeadLetter> for Letter {
    fn from(letter: DeadLetter) -> Self {
        let DeadLetter { id, event, failures, losses, errors, reason, age, .. } = letter;
        let errors: Vec<String> = errors.iter().map(|error| error.to_string()).collect();
        // The attempt that made it one is not in the store's count.
        let ran = reason != DeadReason::Expired && errors.last().is_some_and(|it| it != LOST);
        let failures = failures.saturating_add(u32::from(ran));
        Self {
            id,
            event_id: EventUid::new(event.id),
            event: event.kind.name.to_string(),
            version: event.kind.version,
            body: event.body,
            error: errors.last().cloned().unwrap_or_default(),
            errors,
            attempts: failures.saturating_add(losses),
            failures,
            losses,
            reason,
            published_at: envelope::read(&event.head).and_then(|head| head.time),
            age,
        }
    }
}

/// The dead letters of one durable listener: those of all processes. Made by
/// [`ApplicationContext::dead_letters`](crate::ApplicationContext::dead_letters).
///
/// Awaited, it lists the oldest thousand. They are kept for 30 days.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, DurableError};
/// # async fn look(context: ApplicationContext) -> Result<(), DurableError> {
/// for letter in context.dead_letters("mail").await? {
///     println!("{} {}: {} after {} attempts", letter.id, letter.event, letter.error, letter.attempts);
/// }
/// context.dead_letters("mail").retry_all().await?; // the mail server is back
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "await it for the list, or say what to do"]
pub struct DeadLetters {
    shared: Option<Arc<Shared>>,
    listener: Arc<str>,
}

impl DeadLetters {
    pub(crate) fn new(shared: Option<Arc<Shared>>, listener: &str) -> Self {
        Self { shared, listener: listener.into() }
    }

    /// Those after the one with this number, oldest first, at most `limit`: page by page.
    ///
    /// # Errors
    /// [`DurableError`].
    pub async fn list(&self, after: u64, limit: usize) -> Result<Vec<Letter>, DurableError> {
        let shared = has(&self.shared)?;
        let letters = queue(shared)?.dead(Arc::clone(&self.listener), after, limit).await?;
        Ok(letters.into_iter().map(Letter::from).collect())
    }

    /// Tries one again, for this listener alone: the same event with the same id, and both counts at 0. False if it is gone.
    ///
    /// # Errors
    /// [`DurableError`].
    pub async fn retry(&self, id: u64) -> Result<bool, DurableError> {
        Ok(self.revive(Letters::One(id)).await? > 0)
    }

    /// Tries all again that there are now, oldest first, at once or at a [rate](RetryAll::per_second). Awaited it says how many.
    pub fn retry_all(&self) -> RetryAll {
        RetryAll { letters: self.clone(), per_second: None }
    }

    /// Deletes one. False if it is gone.
    ///
    /// # Errors
    /// [`DurableError`].
    pub async fn discard(&self, id: u64) -> Result<bool, DurableError> {
        Ok(self.delete(Letters::One(id)).await? > 0)
    }

    /// Deletes all that there are now. How many.
    ///
    /// # Errors
    /// [`DurableError`]; those before it are deleted.
    pub async fn discard_all(&self) -> Result<usize, DurableError> {
        self.all(Act::Delete, None).await
    }

    async fn revive(&self, letters: Letters) -> Result<usize, DurableError> {
        Ok(queue(has(&self.shared)?)?.revive(Arc::clone(&self.listener), letters).await?)
    }

    async fn delete(&self, letters: Letters) -> Result<usize, DurableError> {
        Ok(queue(has(&self.shared)?)?.discard(Arc::clone(&self.listener), letters).await?)
    }

    /// Oldest first, and no more than there are at the beginning: what dies again meanwhile is not tried for ever.
    async fn all(&self, act: Act, per_second: Option<u32>) -> Result<usize, DurableError> {
        let stats = queue(has(&self.shared)?)?.stats().await?;
        let dead = stats.iter().find(|it| it.listener == self.listener).map_or(0, |it| it.dead);
        // A few times a second, so that a rate is none of bursts.
        let batch = per_second.map_or(BATCH, |rate| usize::try_from(rate / 8).unwrap_or(BATCH));
        let batch = batch.clamp(1, BATCH);
        let mut done = 0;
        while done < dead {
            let letters = Letters::Oldest(batch.min(dead - done));
            let some = match act {
                Act::Retry => self.revive(letters).await?,
                Act::Delete => self.delete(letters).await?,
            };
            if some == 0 {
                break;
            }
            done += some;
            if let Some(rate) = per_second.filter(|_| done < dead) {
                let took = some as f64 / f64::from(rate.max(1));
                tokio::time::sleep(Duration::from_secs_f64(took)).await;
            }
        }
        Ok(done)
    }
}

impl IntoFuture for DeadLetters {
    type Output = Result<Vec<Letter>, DurableError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.list(0, PAGE).await })
    }
}

/// What is done to all letters.
#[derive(Clone, Copy)]
enum Act {
    Retry,
    Delete,
}

/// All dead letters of a listener, about to be tried again: a future of how many. Made by [`DeadLetters::retry_all`].
///
/// # Errors
/// [`DurableError`]; those before it are tried again.
///
/// # Cancel safety
/// Dropping it stops: what was given back is tried again, the rest stay letters.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, DurableError};
/// # async fn look(context: ApplicationContext) -> Result<(), DurableError> {
/// // The mail server is back, and would not bear 50,000 mails at once.
/// let count = context.dead_letters("mail").retry_all().per_second(20).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is tried again before it is awaited"]
pub struct RetryAll {
    letters: DeadLetters,
    per_second: Option<u32>,
}

impl RetryAll {
    /// So many a second, at least 1: the future is pending until the last one was given back.
    pub fn per_second(self, letters: u32) -> Self {
        Self { per_second: Some(letters.max(1)), ..self }
    }
}

impl IntoFuture for RetryAll {
    type Output = Result<usize, DurableError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.letters.all(Act::Retry, self.per_second).await })
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeadLetters").field(&self.listener).finish()
    }
}
