//! `EmittersBuilder`: sets up emitters.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use super::{
    Emitters,
    hub::{Config, Hub, Key},
    link::LinkTo,
    one_per_key::Second,
    snapshot::{DEFAULT_SNAPSHOT_AGE, DEFAULT_SNAPSHOT_TIMEOUT, Of, Snapshots, of},
};
use crate::{
    backplane::Node,
    boxed::BoxError,
    emitter::{ConnSettings, SseEmitterBuilder},
    event::IntoEvent,
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
#[must_use = "a builder makes nothing until `build`"]
pub struct EmittersBuilder<K> {
    config: Config,
    link: Option<LinkTo<K>>,
    snapshot: Option<Of<K>>,
    snapshot_age: Duration,
    snapshot_timeout: Duration,
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

    /// What happens to a client that reads too slowly. Default: [`Lag::Snapshot`] where there is a
    /// [snapshot](Self::snapshot), and otherwise [`Lag::Gap`].
    pub const fn lag(mut self, lag: Lag) -> Self {
        self.config.lag = Some(lag);
        self
    }

    /// How a client gets the state of a key that cannot go on from where it was: on its first visit, with a position
    /// that means nothing here, where the history does not reach back, and when it was overtaken. It then gets this event,
    /// and after it what changes, and neither `stream-gap` nor `stream-reset`. A client that can go on gets no
    /// snapshot.
    ///
    /// The connection takes its place among the events of the key *before* the function is asked, and the snapshot
    /// has that place as its id, whatever id it is given here. So no change falls between the two. A change that is in the snapshot already
    /// may come once more behind it: let changes carry what *is* (`unread: 4`), not what was done to it (`one more`), or
    /// let it be harmless to apply one twice. Whatever changes the state does that first, and sends then.
    ///
    /// The function is run by the streams that wait for it, beside the heads of their responses, and once for all
    /// who come to a key at a time: see [`snapshot_age`](Self::snapshot_age). It is dropped when the last of them has left. If it fails,
    /// panics, or takes longer than its [timeout](Self::snapshot_timeout), those who wait get `stream-bye` with a
    /// `retry:` of some seconds, each of its own, and the end; the log says why, with the feature `tracing`.
    ///
    /// What depends on who asks is for [`connect_with`](Emitters::connect_with).
    ///
    /// ```
    /// # use {futures_util::StreamExt, sse_tower_core::{Emitters, LastEventId, SseEvent}, std::pin::pin};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # #[derive(Clone)] struct Db; impl Db { async fn unread(&self, _: u64) -> Result<u32, std::io::Error> { Ok(5) } }
    /// # let db = Db;
    /// let users: Emitters<u64> = Emitters::builder()
    ///     .snapshot(move |user: u64| {
    ///         let db = db.clone();
    ///         async move { db.unread(user).await.map(|n| SseEvent::builder().name("unread").data(n.to_string())) }
    ///     })
    ///     .build();
    /// let mut page = pin!(users.connect(7, LastEventId::default()).into_stream());
    /// let state = page.next().await.unwrap();
    /// # let state = if state == ":\n" { page.next().await.unwrap() } else { state };
    /// assert!(state.ends_with(b"event:unread\ndata:5\n\n"));
    /// # }
    /// ```
    pub fn snapshot<F, Fut, T, E>(mut self, state_of: F) -> Self
    where
        F: Fn(K) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: IntoEvent,
        E: Into<BoxError>,
    {
        self.snapshot = Some(of(state_of));
        self
    }

    /// How old a snapshot may be that is given to one more client, counted from when its function was asked. Default:
    /// [`DEFAULT_SNAPSHOT_AGE`](crate::DEFAULT_SNAPSHOT_AGE).
    ///
    /// What has changed since then follows it in any case. However short this is, the function runs once at a time for
    /// each key, and all who come while it runs get its result; so 10,000 clients that come back to one key cost one run, or a few. Snapshots that are
    /// kept count into the [total](Self::total), and take no more than half of it.
    pub const fn snapshot_age(mut self, age: Duration) -> Self {
        self.snapshot_age = age;
        self
    }

    /// How long the function may take that makes a [snapshot](Self::snapshot). Default:
    /// [`DEFAULT_SNAPSHOT_TIMEOUT`](crate::DEFAULT_SNAPSHOT_TIMEOUT).
    pub const fn snapshot_timeout(mut self, timeout: Duration) -> Self {
        self.snapshot_timeout = timeout;
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

    /// [`backplane`](Self::backplane), for keys whose text is not their `Display`: two keys are the same to other
    /// processes if `key` gives the same text for them.
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

    /// Makes the emitters.
    #[must_use]
    pub fn build(self) -> Emitters<K> {
        if self.link.is_some() && self.config.one_per_key == Some(Second::Refused) {
            observe::refused_on_each_node_alone();
        }
        let snapshots = Snapshots::new(self.snapshot, self.snapshot_age, self.snapshot_timeout);
        Emitters::with(Hub::with_snapshots(self.config, self.link, snapshots))
    }
}

impl<K> Default for EmittersBuilder<K> {
    fn default() -> Self {
        Self {
            config: Config::default(),
            link: None,
            snapshot: None,
            snapshot_age: DEFAULT_SNAPSHOT_AGE,
            snapshot_timeout: DEFAULT_SNAPSHOT_TIMEOUT,
        }
    }
}

impl<K> Clone for EmittersBuilder<K> {
    fn clone(&self) -> Self {
        Self {
            config: self.config,
            link: self.link.clone(),
            snapshot: self.snapshot.clone(),
            snapshot_age: self.snapshot_age,
            snapshot_timeout: self.snapshot_timeout,
        }
    }
}

impl<K> fmt::Debug for EmittersBuilder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config.fmt(f)
    }
}
