//! Emitters that are set up.

use std::time::Duration;

use super::{
    SseEmitter,
    settings::{KeepAlive, Settings},
};

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
    settings: Settings,
}

impl SseEmitterBuilder {
    /// Ends the stream after this long, counted from when the response begins; `on_timeout` is
    /// called and the client may come back. Without it a stream lives as long as its client.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = Some(timeout);
        self
    }

    /// Writes a comment when nothing was written for this long: at the latest then, and at the
    /// earliest after half of it, so that many connections do not beat together. Default:
    /// [`DEFAULT_KEEP_ALIVE`](crate::DEFAULT_KEEP_ALIVE).
    pub const fn keep_alive(mut self, interval: Duration) -> Self {
        self.settings.keep_alive = KeepAlive::Every(interval);
        self
    }

    /// Writes no keep-alive comments. Proxies and peers that vanished are then on their own.
    pub const fn without_keep_alive(mut self) -> Self {
        self.settings.keep_alive = KeepAlive::Never;
        self
    }

    /// Tells the client at the start how long to wait before it dials again.
    pub const fn retry(mut self, retry: Duration) -> Self {
        self.settings.retry = Some(retry);
        self
    }

    /// Bounds the emitter's own queue. One event is always taken by an empty queue, also if it is
    /// larger than `bytes`. Defaults:
    /// [`DEFAULT_CAPACITY_EVENTS`](crate::DEFAULT_CAPACITY_EVENTS),
    /// [`DEFAULT_CAPACITY_BYTES`](crate::DEFAULT_CAPACITY_BYTES).
    pub const fn capacity(mut self, events: usize, bytes: usize) -> Self {
        self.settings.capacity_events = events;
        self.settings.capacity_bytes = bytes;
        self
    }

    /// Makes the emitter.
    #[must_use]
    pub fn build(self) -> SseEmitter {
        SseEmitter::with(self.settings)
    }
}

impl From<Settings> for SseEmitterBuilder {
    fn from(settings: Settings) -> Self {
        Self { settings }
    }
}

impl From<SseEmitterBuilder> for Settings {
    fn from(builder: SseEmitterBuilder) -> Self {
        builder.settings
    }
}
