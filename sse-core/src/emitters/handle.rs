//! `Emitters`: the handle that programs hold.

use std::{borrow::Borrow, fmt, future::Future, hash::Hash, panic::Location};

use super::{
    LastEventId, Sent,
    hub::{Hub, Key},
    snapshot::{of, of_one},
};
use crate::{
    backplane::Change,
    backplane::{StoreIn, StoreInError},
    boxed::BoxError,
    close_reason::CloseReason,
    emitter::SseEmitter,
    event::{EventId, IntoEvent},
    observe,
    sync::Arc,
};

/// Connections by key, with a shared log for each key.
///
/// Cheap to clone; every clone is the same. All methods return at once: nothing that a client does,
/// or fails to do, delays the program or another client.
///
/// # Who sees what
/// Every connection at a key gets the key's events in one order, however many publish, each once; so
/// does whoever comes within the [`History`](crate::History). A connection to several keys gets their
/// events in one order too, and an event to all keys once.
///
/// # Coming back
/// An event without an id gets one, by which a client that lost its connection resumes: with
/// [`connect`](Self::connect) it gets what it missed, then what is new. What it cannot get any more
/// it is told of, with the events `stream-gap` (how many are missing) and `stream-reset` (what it
/// says that it has seen means nothing here). Nothing is left out in silence.
///
/// ```
/// # use {futures_util::StreamExt, sse_tower_core::{Emitters, History, LastEventId}};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sse_tower_core::SendError> {
/// let orders: Emitters<u64> = Emitters::builder().history(History::events(1)).build();
/// let seen = orders.send(&7, "packed").await?.id;
/// orders.send(&7, "shipped"); // while the client dials again, and before
/// orders.send(&7, "delivered"); // this takes its place in the history
/// orders.complete(&7);
///
/// let written: Vec<_> = orders.connect(7, LastEventId::from(seen)).into_stream().collect().await;
/// let text = String::from_utf8(written.concat()).unwrap();
/// assert!(text.starts_with("event:stream-gap\ndata:{\"reason\":\"history\",\"missed\":1}\nid:"));
/// assert!(text.contains("data:delivered\n"));
/// # Ok(()) }
/// ```
///
/// # Lagging
/// A client that reads more slowly than events come delays nobody. Its connection may be behind by the
/// [backlog](crate::EmittersBuilder::backlog) or by the history, whichever is more; beyond that
/// [`Lag`](crate::Lag) says what it gets, with an example.
///
/// # Closing
/// There are three ways to be done with a key, and each leaves something else:
///
/// | | connections | history | who dials again | a later `send` |
/// |---|---|---|---|---|
/// | [`complete`](Self::complete): nothing follows | get what they have not read, then end | stays | gets what is missing, then 204, which stops a browser for good | is refused: [`SendError::Closed`](crate::SendError::Closed) |
/// | [`disconnect`](Self::disconnect): out with you | get what they have not read, then end | stays | is welcome, and goes on where it was | is kept for them |
/// | [`forget`](Self::forget): a new page | stay | is gone, and that the key was complete | begins with what comes from now on | is delivered |
///
/// # Bounds
/// The log of each key is bounded by the [`History`](crate::History), and for connections that are
/// behind by the [backlog](crate::EmittersBuilder::backlog); all together by a
/// [total](crate::EmittersBuilder::total). A key without connection and live history takes no memory but
/// where it ended, for [`MEMORY_AGE`](crate::MEMORY_AGE) and at most
/// [`MEMORY_KEYS`](crate::MEMORY_KEYS).
///
/// # Drop
/// A connection leaves by itself when its response is dropped. When the last clone of this is
/// dropped, nobody can send any more, and every connection that follows nothing else ends.
///
/// ```
/// # use sse_tower_core::{Emitters, LastEventId};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sse_tower_core::SendError> {
/// let emitters = Emitters::<u64>::new();
/// let response = emitters.connect(7, LastEventId::default());
/// let receipt = emitters.send(&7, "paid").await?;
/// assert_eq!(receipt.receivers, 1);
///
/// drop(response); // the client left
/// assert_eq!(emitters.send(&7, "shipped").await?.receivers, 0);
/// # Ok(())
/// # }
/// ```
pub struct Emitters<K: Key> {
    handle: Arc<Handle<K>>,
}

/// Counts the clones.
struct Handle<K: Key> {
    hub: Arc<Hub<K>>,
}

impl<K: Key> Drop for Handle<K> {
    fn drop(&mut self) {
        self.hub.close();
    }
}

impl<K: Key> Emitters<K> {
    pub(super) fn with(hub: Arc<Hub<K>>) -> Self {
        Self { handle: Arc::new(Handle { hub }) }
    }

    fn hub(&self) -> &Arc<Hub<K>> {
        &self.handle.hub
    }

    /// Opens a connection to `key`, going on after `last_event_id`.
    ///
    /// A client that comes for the first time gets the history; one that resumes gets what it
    /// missed, preceded by `stream-gap` if not everything is kept; one whose id means nothing here
    /// gets `stream-reset`, then what is new. For a key that is [complete](Self::complete) the
    /// stream ends after that, and a client that has seen everything is answered with 204.
    ///
    /// ```
    /// # use sse_tower_core::{Emitters, LastEventId};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sse_tower_core::SendError> {
    /// let emitters = Emitters::<String>::new();
    /// let first = emitters.send("orders", "1").await?;
    /// emitters.send("orders", "2").await?;
    /// let resumed = emitters.connect("orders".into(), LastEventId::from(first.id));
    /// # use {futures_core::Stream, std::{future::poll_fn, pin::pin}};
    /// # let mut stream = pin!(resumed.into_stream());
    /// # let bytes = poll_fn(|cx| stream.as_mut().poll_next(cx)).await.unwrap();
    /// assert!(bytes.starts_with(b"data:2\nid:1."));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "the emitter is the response; dropping it closes the connection"]
    pub fn connect(&self, key: K, last_event_id: LastEventId) -> SseEmitter {
        self.hub().connect([key], &last_event_id, None)
    }

    /// Opens one connection to several keys, with their events in one order. One id resumes it on
    /// any set of keys.
    ///
    /// More than [`MAX_KEYS_PER_CONNECTION`](crate::MAX_KEYS_PER_CONNECTION) are refused: the
    /// stream says `stream-bye` and ends.
    ///
    /// ```
    /// # use {futures_util::StreamExt, sse_tower_core::{Emitters, LastEventId}, std::pin::pin};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let rooms = Emitters::<String>::new();
    /// let page = rooms.connect_many(["hall".to_owned(), "kitchen".to_owned()], LastEventId::default());
    /// rooms.send("kitchen", "dinner");
    /// rooms.send("hall", "coats");
    /// let mut stream = pin!(page.into_stream());
    /// let bytes = stream.next().await.unwrap();
    /// let text = String::from_utf8_lossy(&bytes);
    /// assert!(text.find("dinner") < text.find("coats"));
    /// # }
    /// ```
    #[must_use = "the emitter is the response; dropping it closes the connection"]
    pub fn connect_many(
        &self,
        keys: impl IntoIterator<Item = K>,
        last_event_id: LastEventId,
    ) -> SseEmitter {
        self.hub().connect(keys, &last_event_id, None)
    }

    /// [`connect`](Self::connect) where the state of the key depends on who asks: `state` is asked for it, by this
    /// connection alone, whenever the client cannot go on from where it was. All that is said of
    /// [`snapshot`](crate::EmittersBuilder::snapshot) holds, but that nothing is shared.
    ///
    /// ```
    /// # use {futures_util::StreamExt, sse_tower_core::{Emitters, LastEventId, SseEvent}, std::{convert::Infallible, pin::pin}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let documents = Emitters::<u64>::new();
    /// let may_write = true; // this user
    /// let response = documents.connect_with(7, LastEventId::default(), move || async move {
    ///     Ok::<_, Infallible>(SseEvent::builder().name("document").data(format!("may write: {may_write}")))
    /// });
    /// documents.send(&7, "changed");
    ///
    /// let mut stream = pin!(response.into_stream());
    /// let state = stream.next().await.unwrap();
    /// # let state = if state == ":\n" { stream.next().await.unwrap() } else { state };
    /// assert!(state.ends_with(b"event:document\ndata:may write: true\n\n"));
    /// # }
    /// ```
    #[must_use = "the emitter is the response; dropping it closes the connection"]
    pub fn connect_with<F, Fut, T, E>(
        &self,
        key: K,
        last_event_id: LastEventId,
        state: F,
    ) -> SseEmitter
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: IntoEvent,
        E: Into<BoxError>,
    {
        self.hub().connect([key], &last_event_id, Some(&of_one(state)))
    }

    /// [`connect_many`](Self::connect_many) where the state of the keys depends on who asks: one snapshot for each
    /// key, all of them before anything that comes after. See [`connect_with`](Self::connect_with).
    ///
    /// ```
    /// # use {futures_util::StreamExt, sse_tower_core::{Emitters, LastEventId, SseEvent}, std::{convert::Infallible, pin::pin}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let rooms = Emitters::<u64>::new();
    /// let response = rooms.connect_many_with([1, 2], LastEventId::default(), |room| async move {
    ///     Ok::<_, Infallible>(SseEvent::builder().name("room").data(format!("nobody in {room}")))
    /// });
    /// # let mut stream = pin!(response.into_stream());
    /// # let mut text = Vec::new();
    /// # while text.is_empty() || text == b":\n" { text.extend(stream.next().await.unwrap()); }
    /// # assert!(String::from_utf8(text).unwrap().contains("nobody in 2"));
    /// # }
    /// ```
    #[must_use = "the emitter is the response; dropping it closes the connection"]
    pub fn connect_many_with<F, Fut, T, E>(
        &self,
        keys: impl IntoIterator<Item = K>,
        last_event_id: LastEventId,
        state: F,
    ) -> SseEmitter
    where
        F: Fn(K) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: IntoEvent,
        E: Into<BoxError>,
    {
        self.hub().connect(keys, &last_event_id, Some(&of(state)))
    }

    /// Lets a connection that exists already *follow* `key` too: what a map's `insert` would be for emitters that are made
    /// by hand, `SseEmitter::new()` and not [`connect`](Self::connect). It gets the key's history, and then what is sent
    /// to it, until it ends; there is nothing to be removed. Does nothing if it follows the key already or is over.
    ///
    /// ```
    /// # use sse_tower_core::{Emitters, SseEmitter};
    /// let emitters = Emitters::<u64>::new();
    /// let emitter = SseEmitter::new();
    /// emitters.insert(7, &emitter);
    /// assert!(emitters.contains(&7));
    /// ```
    pub fn insert(&self, key: K, emitter: &SseEmitter) {
        self.hub().insert(key, emitter);
    }

    /// Sends `event` to everyone at `key`, and keeps it for those who come within the history.
    ///
    /// The call wakes up to 256 connections itself; more are woken in slices by a task of the runtime
    /// it is called in, so that whoever publishes does not wait for them.
    ///
    /// # Errors
    /// [`SendError::Closed`](crate::SendError::Closed) if the key is complete;
    /// [`SendError::Invalid`](crate::SendError::Invalid) if `event` cannot be written;
    /// [`SendError::Backplane`](crate::SendError::Backplane) if the store does not take it. Nobody at the key is no error.
    ///
    /// ```
    /// # use sse_tower_core::{Emitters, LastEventId, SendError, SseEvent};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), SendError> {
    /// let orders = Emitters::<u64>::new();
    /// let page = orders.connect(7, LastEventId::default());
    ///
    /// orders.send(&7, "packed"); // done by the call, awaited or not
    /// let receipt = orders.send(&7, SseEvent::builder().name("shipped").data("by train")).await?;
    /// assert_eq!(receipt.receivers, 1);
    /// assert!(orders.send(&7, SseEvent::builder().name("a\nb")).await.is_err());
    /// # drop(page);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn send<Q>(&self, key: &Q, event: impl IntoEvent) -> Sent
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        let (event, here) = (event.into_event(), Location::caller());
        if let Some(link) = &self.hub().link {
            return match event {
                Ok(event) => observe::send_span()
                    .run(|| self.hub().send_linked(link, key.to_owned(), event, here)),
                Err(invalid) => Sent::invalid(invalid, here),
            };
        }
        let send = |event| observe::send_span().run(|| self.hub().send(key, event));
        let outcome = event.map_err(Into::into).and_then(send);
        let outcome = outcome.inspect(|receipt| observe::event_sent(receipt.receivers));
        Sent::ready(outcome.inspect_err(|error| observe::not_sent(error, here)))
    }

    /// Sends `event` to `key` when this transaction of the program's database commits, and not if it is rolled back: also
    /// if the process dies right after the commit. It gets its place among others after the commit.
    ///
    /// The transaction is one of a driver that an engine knows ([`StoreIn`]), in the database of the backplane's store.
    ///
    /// # Errors
    /// [`StoreInError`]. After [`Database`](StoreInError::Database) the transaction can only be rolled back.
    ///
    /// ```
    /// # use sse_tower_core::{backplane::{StoreIn, StoreInError}, Emitters};
    /// # async fn pay<D, T: StoreIn<D>>(mut tx: T, orders: Emitters<u64>) -> Result<(), StoreInError> {
    /// // tx.execute("insert into payment ..").await?;
    /// orders.send_in(&mut tx, &7, "paid").await?;
    /// // tx.commit().await?;
    /// # Ok(()) }
    /// ```
    pub async fn send_in<Q, D, T>(
        &self,
        tx: &mut T,
        key: &Q,
        event: impl IntoEvent,
    ) -> Result<(), StoreInError>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
        T: StoreIn<D>,
    {
        let link = self.hub().link.as_ref().ok_or(StoreInError::NoBackplane)?;
        let event = event.into_event().map_err(|error| StoreInError::Event(error.into()))?;
        let entry = self.hub().entry(link, &key.to_owned(), &event)?;
        let engine = link.node().shared().shared_engine();
        tx.store(engine.namespace(), std::slice::from_ref(&entry)).await?;
        engine.outbox_filled();
        Ok(())
    }

    /// Sends `event` to every connection, whatever its keys, with one id, and keeps it for those who come within the
    /// history, whatever their keys: who was away while it was sent gets it in its place, or is told that it is gone.
    /// Keys that are complete do not get it.
    ///
    /// What goes to all is kept once for all keys. Each key with connections has its share of it in its log, and each other
    /// when somebody comes.
    ///
    /// # Errors
    /// [`SendError::Invalid`](crate::SendError::Invalid) if `event` cannot be written;
    /// [`SendError::Backplane`](crate::SendError::Backplane) if the store does not take it.
    ///
    /// ```
    /// # use sse_tower_core::{Emitters, LastEventId, SendError};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), SendError> {
    /// let users = Emitters::<u64>::new();
    /// let tabs = [1, 2, 2].map(|user| users.connect(user, LastEventId::default()));
    /// assert_eq!(users.send_all("back in five minutes").await?.receivers, 3);
    /// # drop(tabs);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn send_all(&self, event: impl IntoEvent) -> Sent {
        let (event, here) = (event.into_event(), Location::caller());
        if let Some(link) = &self.hub().link {
            return match event {
                Ok(event) => {
                    observe::send_span().run(|| self.hub().send_all_linked(link, event, here))
                }
                Err(invalid) => Sent::invalid(invalid, here),
            };
        }
        let send = |event| observe::send_span().run(|| self.hub().send_all(event));
        Sent::ready(
            event
                .map_err(Into::into)
                .map(send)
                .inspect(|receipt| observe::event_sent(receipt.receivers)),
        )
    }

    /// Completes `key`: nothing comes after what was sent to it. Connections get what they have not read yet, then
    /// their streams end; one that follows other keys too ends with the last of them.
    ///
    /// This is remembered: a client that dials again is given what it missed, if anything, and is
    /// otherwise answered with 204, which stops an `EventSource` for good. Sending to the key is an
    /// error until it is forgotten, by [`forget`](Self::forget) or after
    /// [`MEMORY_AGE`](crate::MEMORY_AGE) without connection and history.
    ///
    /// ```
    /// # use sse_tower_core::{Emitters, SendError};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), SendError> {
    /// let orders = Emitters::<u64>::new();
    /// orders.send(&7, "delivered").await?;
    /// orders.complete(&7);
    /// let late = orders.send(&7, "delivered").await;
    /// assert!(matches!(late, Err(SendError::Closed { .. })));
    /// # Ok(()) }
    /// ```
    pub fn complete<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        match &self.hub().link {
            None => self.hub().complete(key),
            Some(link) => self.hub().change(link, &key.to_owned(), Change::Complete),
        }
    }

    /// Ends every connection at `key` once it has got what was sent. Nothing is remembered: clients
    /// may come back.
    ///
    /// ```
    /// # use sse_tower_core::{Emitters, LastEventId};
    /// let users = Emitters::<u64>::new();
    /// let tab = users.connect(7, LastEventId::default());
    /// users.disconnect(&7);
    /// assert!(tab.is_closed());
    /// ```
    pub fn disconnect<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        match &self.hub().link {
            None => self.hub().disconnect(key, CloseReason::Completed),
            Some(link) => self.hub().change(link, &key.to_owned(), Change::Disconnect),
        }
    }

    /// Forgets the history of `key`, and that it is complete. Connections stay.
    ///
    /// ```
    /// # use sse_tower_core::{Emitters, SendError};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), SendError> {
    /// let games = Emitters::<u64>::new();
    /// games.complete(&7);
    /// games.forget(&7); // the same table, another game
    /// games.send(&7, "white to move").await?;
    /// # Ok(()) }
    /// ```
    pub fn forget<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        match &self.hub().link {
            None => self.hub().forget(key),
            Some(link) => self.hub().change(link, &key.to_owned(), Change::Forget),
        }
    }

    /// Whether anybody is connected to `key`.
    ///
    /// ```
    /// # use sse_tower_core::{Emitters, LastEventId};
    /// let users = Emitters::<String>::new();
    /// let alice = users.connect("alice".into(), LastEventId::default());
    /// assert!(users.contains("alice") && !users.contains("bob"));
    /// assert_eq!((users.len(), users.keys()), (1, vec!["alice".to_owned()]));
    /// drop(alice);
    /// assert!(users.is_empty());
    /// ```
    #[must_use]
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        self.hub().contains(key)
    }

    /// How many connections there are; one that follows several keys counts at each.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hub().connections()
    }

    /// Whether nobody is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keys that somebody is connected to, in no order.
    #[must_use]
    pub fn keys(&self) -> Vec<K> {
        self.hub().keys()
    }

    /// Where the events of all keys stand now, as the id of an event.
    ///
    /// For a page that is rendered on the server: take the position, then read the state, write
    /// both into the page, and let it connect with `?lastEventId=`. What happens between rendering
    /// and connecting is then not lost.
    ///
    /// ```
    /// # use {futures_util::StreamExt, sse_tower_core::{Emitters, LastEventId}, std::pin::pin};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let orders = Emitters::<u64>::new();
    /// orders.send(&7, "packed"); // is in the state that is read next
    /// let rendered_at = orders.position();
    /// orders.send(&7, "shipped"); // before the page has connected
    ///
    /// let mut stream = pin!(orders.connect(7, LastEventId::from(rendered_at)).into_stream());
    /// assert!(stream.next().await.unwrap().starts_with(b"data:shipped\n"));
    /// # }
    /// ```
    #[must_use]
    pub fn position(&self) -> EventId {
        self.hub().position()
    }
}

impl<K: Key> Clone for Emitters<K> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle) }
    }
}

impl<K: Key> fmt::Debug for Emitters<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitters").field("connections", &self.len()).finish_non_exhaustive()
    }
}
