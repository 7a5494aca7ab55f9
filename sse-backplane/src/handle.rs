//! `Backplane`: a process's place at a store, as programs hold it.

use sse_tower_core::backplane::{Engine, Health, MemoryStore, Node, NodeOptions};
use tokio::sync::watch;

/// One process's place at a store that all its processes share.
///
/// Cheap to clone. Emitters take it with
/// [`EmittersBuilder::backplane`](sse_tower_core::EmittersBuilder::backplane), a context with
/// [`ContextBuilder::backplane`](sse_tower_core::ContextBuilder::backplane).
///
/// # Drop
/// It lives as long as a clone, or anything that was given one. After that what is queued is still written, for as
/// long as a send may take; to wait for that, call [`close`](Self::close).
#[derive(Clone, Debug)]
pub struct Backplane(Node);

impl Backplane {
    /// A store in this process, gone with it. Emitters of one name that were given the same one behave as those of
    /// several processes do.
    ///
    /// ```
    /// # use {sse_tower_backplane::Backplane, sse_tower_core::{Emitters, LastEventId}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sse_tower_core::SendError> {
    /// let backplane = Backplane::memory();
    /// let [here, there] =
    ///     [(); 2].map(|()| Emitters::<u64>::builder().backplane(&backplane, "orders").build());
    /// let stream = there.connect(7, LastEventId::default()).into_stream();
    /// here.send(&7, "packed").await?;
    /// # use {futures_core::Stream, std::{future::poll_fn, pin::pin}};
    /// # let mut stream = pin!(stream);
    /// let bytes = poll_fn(|cx| stream.as_mut().poll_next(cx)).await;
    /// assert!(bytes.unwrap().starts_with(b"data:packed\n"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn memory() -> Self {
        Self::new(MemoryStore::new().engine())
    }

    /// A backplane over an engine of one's own. It connects in the background, for as long as it takes: see
    /// [`health`](Self::health).
    #[must_use]
    pub fn new(engine: impl Engine) -> Self {
        Self(Node::new(engine, NodeOptions::default()))
    }

    /// Whether it can use its store, now and from now on.
    ///
    /// ```
    /// # use {sse_tower_backplane::Backplane, sse_tower_core::backplane::Health};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// assert_eq!(*Backplane::memory().health().borrow(), Health::Up);
    /// # }
    /// ```
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Health> {
        self.0.health()
    }

    /// How durable the store is, in one sentence.
    #[must_use]
    pub fn durability(&self) -> &'static str {
        self.0.durability()
    }

    /// Writes what is queued, for as long as a send may take, then ends: nothing is sent or delivered any more, and streams
    /// stay as they are.
    ///
    /// # Cancel safety
    /// Once it was polled it is carried out.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

impl AsRef<Node> for Backplane {
    fn as_ref(&self) -> &Node {
        &self.0
    }
}

impl From<Node> for Backplane {
    fn from(node: Node) -> Self {
        Self(node)
    }
}
