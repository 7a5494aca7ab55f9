//! Emitters that are set up.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    Emitters,
    hub::{Config, Hub, Key},
    link::LinkTo,
    one_per_key::Second,
};
use crate::{
    backplane::Node,
    emitter::{ConnSettings, SseEmitterBuilder},
    log::{History, Lag},
    observe,
};

/// Sets up [`Emitters`].
///
/// ```
/// # use {sse_tower_core::{Emitters, History, Lag, Second}, std::time::Duration};
/// let users: Emitters<u64> = Emitters::builder()
///     .history(History::events(20))
///     .lag(Lag::Close)
///     .one_per_key(Second::Replaces)
///     .timeout(Duration::from_secs(300))
///     .build();
/// # assert!(users.is_empty());
/// ```
#[derive(Clone)]
#[must_use = "a builder makes nothing until `build`"]
pub struct EmittersBuilder<K> {
    config: Config,
    link: Option<LinkTo<K>>,
}

impl<K: Key> Emitters<K> {
    /// Emitters with default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Sets up emitters.
    pub fn builder() -> EmittersBuilder<K> {
        EmittersBuilder::default()
    }
}

impl<K: Key> Default for Emitters<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Key> EmittersBuilder<K> {
    /// What is kept for those who come later. Default: [`History::default`].
    pub const fn history(mut self, history: History) -> Self {
        self.config.bounds.history = history;
        self
    }

    /// What happens to a client that reads too slowly. Default: [`Lag::Gap`].
    pub const fn lag(mut self, lag: Lag) -> Self {
        self.config.lag = lag;
        self
    }

    /// How far a connection may fall behind, beyond what the history keeps anyway. Defaults:
    /// [`DEFAULT_BACKLOG_EVENTS`](crate::DEFAULT_BACKLOG_EVENTS),
    /// [`DEFAULT_BACKLOG_BYTES`](crate::DEFAULT_BACKLOG_BYTES).
    ///
    /// ```
    /// # use sse_tower_core::{Emitters, History, Lag};
    /// // Live or not at all: nothing is kept for later, and who is 50 events behind is ended.
    /// let quotes: Emitters<String> = Emitters::builder()
    ///     .history(History::none())
    ///     .backlog(50, 64 * 1024)
    ///     .lag(Lag::Close)
    ///     .build();
    /// # drop(quotes);
    /// ```
    pub const fn backlog(mut self, events: usize, bytes: usize) -> Self {
        self.config.bounds.backlog_events = events;
        self.config.bounds.backlog_bytes = bytes;
        self
    }

    /// What all keys keep together; beyond it the oldest events of any key are dropped. Defaults:
    /// [`DEFAULT_TOTAL_EVENTS`](crate::DEFAULT_TOTAL_EVENTS),
    /// [`DEFAULT_TOTAL_BYTES`](crate::DEFAULT_TOTAL_BYTES).
    pub const fn total(mut self, events: usize, bytes: usize) -> Self {
        self.config.bounds.total_events = events;
        self.config.bounds.total_bytes = bytes;
        self
    }

    /// Allows one connection per key, and says what happens to a second. Default: many.
    ///
    /// ```
    /// # use sse_tower_core::{Emitters, LastEventId, Second};
    /// let users: Emitters<u64> = Emitters::builder().one_per_key(Second::Replaces).build();
    /// let first = users.connect(7, LastEventId::default());
    /// let second = users.connect(7, LastEventId::default());
    /// assert!(first.is_closed() && !second.is_closed());
    /// ```
    pub const fn one_per_key(mut self, second: Second) -> Self {
        self.config.one_per_key = Some(second);
        self
    }

    /// Ends each connection after this long; without it each lives as long as its client. See
    /// [`SseEmitterBuilder::timeout`].
    pub fn timeout(self, timeout: Duration) -> Self {
        self.settings(|emitter| emitter.timeout(timeout))
    }

    /// How long the wire may be silent. Default: [`DEFAULT_KEEP_ALIVE`](crate::DEFAULT_KEEP_ALIVE).
    /// See [`SseEmitterBuilder::keep_alive`].
    pub fn keep_alive(self, interval: Duration) -> Self {
        self.settings(|emitter| emitter.keep_alive(interval))
    }

    /// Writes no keep-alive comments. See [`SseEmitterBuilder::without_keep_alive`].
    pub fn without_keep_alive(self) -> Self {
        self.settings(SseEmitterBuilder::without_keep_alive)
    }

    /// How long a client waits before it dials again; without it each browser has its own idea of
    /// that, some seconds. See [`SseEmitterBuilder::retry`].
    pub fn retry(self, retry: Duration) -> Self {
        self.settings(|emitter| emitter.retry(retry))
    }

    fn settings(mut self, set: impl FnOnce(SseEmitterBuilder) -> SseEmitterBuilder) -> Self {
        let settings: ConnSettings = self.config.settings;
        self.config.settings = set(SseEmitterBuilder::from(settings)).into();
        self
    }

    /// Tells each client with `stream-ready` that everything from history was written: JSON with
    /// `replayed`, how many, and `complete`, whether nothing was missing.
    ///
    /// ```
    /// # use {futures_util::StreamExt, sse_tower_core::{Emitters, LastEventId}, std::pin::pin};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let emitters: Emitters<u64> = Emitters::builder().ready_event().build();
    /// let mut stream = pin!(emitters.connect(7, LastEventId::default()).into_stream());
    /// let bytes = stream.next().await.unwrap();
    /// // ...and then its `id:`, where the client stands.
    /// assert!(bytes.starts_with(b"event:stream-ready\ndata:{\"replayed\":0,\"complete\":true}\nid:"));
    /// # }
    /// ```
    pub const fn ready_event(mut self) -> Self {
        self.config.ready_event = true;
        self
    }

    /// Shares these keys with every process that has emitters of the same `name` at the same backplane: an event
    /// that is sent in one is delivered in all, in one order, and a client that comes back to another process goes on there.
    ///
    /// `name` tells these emitters from others at the backplane; `Display` tells their keys apart. It should stay the
    /// same from release to release. A key's text may have about 500 bytes; connections to a longer one are refused.
    /// History and bounds should be the same in all processes.
    ///
    /// ```
    /// # use sse_tower_core::{Emitters, backplane::{MemoryStore, Node, NodeOptions}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = MemoryStore::new();
    /// # let backplane = Node::open(store.engine(), NodeOptions::default()).await?;
    /// let payments: Emitters<u64> = Emitters::builder().backplane(&backplane, "payments").build();
    /// payments.send(&7, "paid").await?; // stored, for every process
    /// # Ok(()) }
    /// ```
    pub fn backplane(self, backplane: &impl AsRef<Node>, name: &str) -> Self
    where
        K: fmt::Display,
    {
        self.backplane_with(backplane, name, K::to_string)
    }

    /// The same, for keys that say otherwise what they are called: two keys are the same to other processes if
    /// `key` gives the same text for them.
    ///
    /// ```
    /// # use sse_tower_core::{Emitters, backplane::{MemoryStore, Node, NodeOptions}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = MemoryStore::new();
    /// # let backplane = Node::open(store.engine(), NodeOptions::default()).await?;
    /// #[derive(Clone, PartialEq, Eq, Hash)]
    /// struct Seat { row: u8, number: u8 }
    ///
    /// let seats: Emitters<Seat> = Emitters::builder()
    ///     .backplane_with(&backplane, "seats", |seat: &Seat| format!("{}-{}", seat.row, seat.number))
    ///     .build();
    /// # drop(seats);
    /// # Ok(()) }
    /// ```
    pub fn backplane_with<T: fmt::Display>(
        mut self,
        backplane: &impl AsRef<Node>,
        name: &str,
        key: impl Fn(&K) -> T + Send + Sync + 'static,
    ) -> Self {
        let key = Arc::new(move |value: &K| key(value).to_string());
        self.link = Some(LinkTo::new(backplane.as_ref(), name, key));
        self
    }

    /// Makes them.
    #[must_use]
    pub fn build(self) -> Emitters<K> {
        if self.link.is_some() && self.config.one_per_key == Some(Second::Refused) {
            observe::refused_on_each_node_alone();
        }
        Emitters::with(Hub::new(self.config, self.link))
    }
}

impl<K> Default for EmittersBuilder<K> {
    fn default() -> Self {
        Self { config: Config::default(), link: None }
    }
}

impl<K> fmt::Debug for EmittersBuilder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config.fmt(f)
    }
}
