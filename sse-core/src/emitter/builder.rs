//! `SseEmitterBuilder`: sets up one connection.

use std::time::Duration;

use super::{SseEmitter, settings::ConnSettings};
use crate::timer::Nanos;

/// Sets up an [`SseEmitter`].
///
/// ```
/// # use {sse_tower_core::SseEmitter, std::time::Duration};
/// let emitter = SseEmitter::builder()
///     .timeout(Duration::from_secs(60))
///     .retry(Duration::from_secs(3))
///     .build();
/// # assert!(!emitter.is_closed());
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder makes nothing until `build`"]
pub struct SseEmitterBuilder {
    settings: ConnSettings,
}

impl SseEmitter {
    /// Sets up an emitter.
    pub fn builder() -> SseEmitterBuilder {
        SseEmitterBuilder::default()
    }
}

impl SseEmitterBuilder {
    /// Ends the stream after this long, counted from when the response begins; `on_timeout` is
    /// called and the client may come back. Without it a stream lives as long as its client.
    ///
    /// ```
    /// # use {sse_tower_core::SseEmitter, std::time::Duration};
    /// let emitter = SseEmitter::builder().timeout(Duration::from_secs(60)).build();
    /// # drop(emitter);
    /// ```
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = Some(Nanos::of(timeout));
        self
    }

    /// Writes a comment when nothing was written for this long: at the latest then, and at the
    /// earliest after half of it, so that many connections do not beat together. Default:
    /// [`DEFAULT_KEEP_ALIVE`](crate::DEFAULT_KEEP_ALIVE); at least
    /// [`MIN_KEEP_ALIVE`](crate::MIN_KEEP_ALIVE), in whole milliseconds, at most 49 days.
    ///
    /// ```
    /// # use {futures_util::StreamExt, sse_tower_core::SseEmitter, std::{pin::pin, time::Duration}};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// let emitter = SseEmitter::builder().keep_alive(Duration::from_secs(30)).build();
    /// let mut stream = pin!(emitter.clone().into_stream());
    /// assert_eq!(stream.next().await.unwrap(), ":\n"); // at once: it opens
    /// assert_eq!(stream.next().await.unwrap(), ":\n"); // after 15 s to 30 s
    /// # }
    /// ```
    pub const fn keep_alive(mut self, interval: Duration) -> Self {
        self.settings.set_keep_alive(Some(interval));
        self
    }

    /// Writes no keep-alive comments. Proxies and peers that vanished are then on their own.
    ///
    /// ```
    /// # use {futures_util::StreamExt, sse_tower_core::SseEmitter, std::{pin::pin, time::Duration}};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// let emitter = SseEmitter::builder().without_keep_alive().build();
    /// let mut stream = pin!(emitter.clone().into_stream());
    /// assert_eq!(stream.next().await.unwrap(), ":\n"); // it opens
    /// let hour = Duration::from_secs(3600);
    /// assert!(tokio::time::timeout(hour, stream.next()).await.is_err());
    /// # }
    /// ```
    pub const fn without_keep_alive(mut self) -> Self {
        self.settings.set_keep_alive(None);
        self
    }

    /// Tells the client at the start how long to wait before it dials again. Without it each browser
    /// has its own idea of that, some seconds.
    ///
    /// ```
    /// # use {futures_util::StreamExt, sse_tower_core::SseEmitter, std::{pin::pin, time::Duration}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let emitter = SseEmitter::builder().retry(Duration::from_secs(3)).build();
    /// let mut stream = pin!(emitter.clone().into_stream());
    /// assert_eq!(stream.next().await.unwrap(), "retry:3000\n");
    /// # }
    /// ```
    pub const fn retry(mut self, retry: Duration) -> Self {
        self.settings.retry = Some(Nanos::of(retry));
        self
    }

    /// Bounds the emitter's own queue. One event is always taken by an empty queue, also if it is
    /// larger than `bytes`. Either is at most [`u32::MAX`]. Defaults:
    /// [`DEFAULT_CAPACITY_EVENTS`](crate::DEFAULT_CAPACITY_EVENTS),
    /// [`DEFAULT_CAPACITY_BYTES`](crate::DEFAULT_CAPACITY_BYTES).
    ///
    /// ```
    /// # use sse_tower_core::{SseEmitter, TrySendError};
    /// let emitter = SseEmitter::builder().capacity(2, 1024).build();
    /// assert!(emitter.try_send("one").is_ok());
    /// assert!(emitter.try_send("two").is_ok());
    /// assert!(matches!(emitter.try_send("three"), Err(TrySendError::Full(_))));
    /// ```
    pub const fn capacity(mut self, events: usize, bytes: usize) -> Self {
        self.settings.set_capacity(events, bytes);
        self
    }

    /// Makes the emitter.
    #[must_use]
    pub fn build(self) -> SseEmitter {
        SseEmitter::with(self.settings)
    }
}

impl From<ConnSettings> for SseEmitterBuilder {
    fn from(settings: ConnSettings) -> Self {
        Self { settings }
    }
}

impl From<SseEmitterBuilder> for ConnSettings {
    fn from(builder: SseEmitterBuilder) -> Self {
        builder.settings
    }
}
