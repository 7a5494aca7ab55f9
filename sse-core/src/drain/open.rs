//! `OpenStreams`: which streams are open.

use std::{fmt, sync::Arc};

use tokio::sync::watch;

use super::handle::StreamHandle;
use crate::{
    close_reason::CloseReason,
    observe, panics,
    slot_map::{SlotKey, SlotMap},
    sync::plain::{Mutex, lock},
};

/// How many streams one context keeps open. The next one is refused, as by a limit.
pub const MAX_OPEN_STREAMS: usize = 1 << 20;

/// Where a context stands between its first stream and its last.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, DrainPhase, WiringError};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), WiringError> {
/// let context = ApplicationContext::bare().build()?;
/// assert_eq!(context.streams().phase(), DrainPhase::Running);
/// context.drain().await;
/// assert_eq!(context.streams().phase(), DrainPhase::Closed);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DrainPhase {
    /// Streams are welcome.
    #[default]
    Running,
    /// New streams are refused, and those that are open are told goodbye. A readiness probe
    /// answers "not ready" from here on.
    Draining,
    /// The drain is over.
    Closed,
}

/// When a drain comes to a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamOrder {
    /// In turn, oldest first: the client comes back and resumes elsewhere.
    #[default]
    InTurn,
    /// After all others, and not before the last quarter of the drain's deadline: the stream cannot
    /// be resumed, so it gets what time there is to finish by itself.
    Last,
}

/// Why [`OpenStreams::register`] did not take a stream.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The context is being drained, or was: the client should dial another process.
    #[error("context is draining and takes no new stream; tell the client to dial again")]
    Draining,
    /// [`MAX_OPEN_STREAMS`] are open.
    #[error(
        "{MAX_OPEN_STREAMS} streams are open, which is the most; tell the client to dial later"
    )]
    Full,
}

crate::error_chain::debug_with_causes!(RegisterError);

/// The streams of one context that are open now: what a drain goes through, and where their number is.
///
/// A clone is the same registry. Layers register what they carry; programs have no need to.
///
/// ```
/// # use std::sync::Arc;
/// # use sse_tower_core::{CloseReason, OpenStreams, SseEvent, StreamHandle, StreamOrder};
/// struct Mine;
/// impl StreamHandle for Mine {
///     fn end(&self, _: CloseReason, _: Option<SseEvent>) { /* write the farewell, then end */ }
/// }
/// let streams = OpenStreams::default();
/// let open = streams.register(Arc::new(Mine), StreamOrder::InTurn)?;
/// assert_eq!(streams.len(), 1);
/// open.close(CloseReason::Completed);
/// assert!(streams.is_empty());
/// # Ok::<(), sse_tower_core::RegisterError>(())
/// ```
#[derive(Clone, Default)]
pub struct OpenStreams {
    pub(super) inner: Arc<Inner>,
}

#[derive(Default)]
pub(super) struct Inner {
    state: Mutex<State>,
    /// The phase, for whoever waits for it; written after `state`, outside its lock.
    pub(super) phase: watch::Sender<DrainPhase>,
    /// How many are open while a drain waits for them; out of date at other times.
    pub(super) left: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    phase: DrainPhase,
    in_turn: SlotMap<Arc<dyn StreamHandle>>,
    last: SlotMap<Arc<dyn StreamHandle>>,
}

impl State {
    fn len(&self) -> usize {
        self.in_turn.len() + self.last.len()
    }

    const fn of(&mut self, order: StreamOrder) -> &mut SlotMap<Arc<dyn StreamHandle>> {
        match order {
            StreamOrder::InTurn => &mut self.in_turn,
            StreamOrder::Last => &mut self.last,
        }
    }
}

impl OpenStreams {
    /// Counts a stream as open until the returned guard is closed or dropped; a drain ends it
    /// through `handle`.
    ///
    /// # Errors
    /// [`RegisterError`] while draining and when [`MAX_OPEN_STREAMS`] are open.
    pub fn register(
        &self,
        handle: Arc<dyn StreamHandle>,
        order: StreamOrder,
    ) -> Result<OpenStream, RegisterError> {
        let key = {
            let mut state = lock(&self.inner.state);
            if state.phase != DrainPhase::Running {
                return Err(RegisterError::Draining);
            }
            if state.len() >= MAX_OPEN_STREAMS {
                return Err(RegisterError::Full);
            }
            state.of(order).insert(handle)
        };
        Ok(OpenStream {
            streams: Some(self.clone()),
            key,
            order,
            opened: observe::stream_opened(),
            span: observe::stream_span(),
        })
    }

    /// How many streams are open.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.inner.state).len()
    }

    /// Whether no stream is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the context stands.
    #[must_use]
    pub fn phase(&self) -> DrainPhase {
        lock(&self.inner.state).phase
    }

    /// Waits until the phase is `phase` or a later one.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing is lost by dropping the future.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, DrainPhase, WiringError};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), WiringError> {
    /// let context = ApplicationContext::bare().build()?;
    /// let streams = context.streams().clone();
    /// let poller = tokio::spawn(async move {
    ///     // Work that nobody needs any more once the streams leave.
    ///     streams.reached(DrainPhase::Draining).await;
    /// });
    /// context.drain().await;
    /// # poller.await.unwrap();
    /// # Ok(()) }
    /// ```
    pub async fn reached(&self, phase: DrainPhase) {
        let mut watch = self.inner.phase.subscribe();
        // The sender lives in `self`, so this cannot fail.
        let _ = watch.wait_for(|now| *now as u8 >= phase as u8).await;
    }

    /// Goes to `phase`, never back. `false` if it is reached already.
    pub(crate) fn advance(&self, phase: DrainPhase) -> bool {
        {
            let mut state = lock(&self.inner.state);
            if state.phase as u8 >= phase as u8 {
                return false;
            }
            state.phase = phase;
        }
        // Whoever waits for it is the program's.
        panics::contain(|| {
            self.inner.phase.send_replace(phase);
        });
        self.inner.left.send_replace(self.len());
        true
    }

    /// The open streams of this order, oldest first.
    pub(super) fn keys(&self, order: StreamOrder) -> Vec<SlotKey> {
        let mut keys: Vec<_> = {
            let mut state = lock(&self.inner.state);
            state.of(order).iter().map(|(key, _)| key).collect()
        };
        keys.sort_unstable();
        keys
    }

    /// The handle of an open stream of this order; `None` if it is over.
    pub(super) fn handle(&self, order: StreamOrder, key: SlotKey) -> Option<Arc<dyn StreamHandle>> {
        lock(&self.inner.state).of(order).get(key).map(Arc::clone)
    }

    fn remove(&self, order: StreamOrder, key: SlotKey) {
        // The handle is dropped after the lock is released: its drop may be user code.
        let (handle, left, draining) = {
            let mut state = lock(&self.inner.state);
            let handle = state.of(order).remove(key);
            (handle, state.len(), state.phase != DrainPhase::Running)
        };
        drop(handle);
        if draining {
            self.inner.left.send_replace(left);
        }
    }
}

impl fmt::Debug for OpenStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenStreams")
            .field("phase", &self.phase())
            .field("open", &self.len())
            .finish()
    }
}

/// A guard that counts one stream among the [open ones](OpenStreams). Dropping it is [`close`](Self::close) with
/// [`CloseReason::ClientGone`].
#[derive(Debug)]
#[must_use = "dropping the guard says that the stream is over"]
pub struct OpenStream {
    streams: Option<OpenStreams>,
    key: SlotKey,
    order: StreamOrder,
    opened: observe::StreamOpened,
    span: observe::Span,
}

impl OpenStream {
    /// Notes that the stream is over, and why.
    pub fn close(mut self, reason: CloseReason) {
        self.finish(reason);
    }

    fn finish(&mut self, reason: CloseReason) {
        if let Some(streams) = self.streams.take() {
            streams.remove(self.order, self.key);
            self.span.closed(reason);
            self.opened.closed(reason);
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.finish(CloseReason::ClientGone);
    }
}
