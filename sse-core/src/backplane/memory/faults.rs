//! `Faults` and `NodeFaults`: what goes wrong with a store, on purpose.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    MemoryEngine, MemoryStore,
    log::Log,
    node::{Inbox, Node, Script},
    store::Store,
};
use crate::backplane::{Epoch, FeedItem, NodeId, Record};

/// How many records are remembered for [`NodeFaults::mend`] to repeat.
const RECENT: usize = 256;

/// What goes wrong with a whole store. Feature `test-util`.
///
/// Every fault is there when the call returns, and none ends by itself: a script decides when, by a seed.
///
/// ```
/// # use sse_tower_core::backplane::{Engine, EngineErrorKind, Feed, memory::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), sse_tower_core::backplane::EngineError> {
/// let store = MemoryStore::new();
/// let engine = store.engine();
/// engine.start(Feed::new(|_| {})).await?;
/// store.faults().away();
/// assert_eq!(engine.mark().await.unwrap_err().kind(), EngineErrorKind::Unavailable);
/// store.faults().back();
/// engine.mark().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Faults(Arc<Store>);

/// What goes wrong between one node and the store. Feature `test-util`. Stays usable after the engine was given away.
#[derive(Clone)]
pub struct NodeFaults(Arc<Node>);

/// Everything that a store knew at one moment.
#[derive(Clone)]
pub struct Snapshot(Log);

/// What a new connection brings before it says that it is whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mend {
    /// How many records that came before come once more.
    pub repeat: usize,
    /// The newest of them first, as when an old connection and a new one both still bring something.
    pub newest_first: bool,
}

impl MemoryStore {
    /// Makes this store fail on purpose.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults(self.0.clone())
    }
}

impl MemoryEngine {
    /// Makes the connection of this node fail on purpose.
    #[must_use]
    pub fn faults(&self) -> NodeFaults {
        NodeFaults(self.node.clone())
    }
}

impl Faults {
    /// The store does not answer, and the feeds of all nodes break.
    pub fn away(&self) {
        self.each(NodeFaults::away);
    }

    /// It answers again, and the feeds are whole.
    pub fn back(&self) {
        self.each(NodeFaults::back);
    }

    /// The store as it is now, for [`restore`](Self::restore).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.0.lock().log.clone())
    }

    /// The store restarts without what was stored since: the tail is lost, answers to batches among it. Positions that
    /// were given are not given again. The epoch is the same, since the store does not know; the feeds break and
    /// are whole again.
    pub fn restore(&self, snapshot: &Snapshot) {
        self.each(|node| node.break_feed());
        let mut inner = self.0.lock();
        let given = inner.log.given();
        inner.log = snapshot.0.clone();
        inner.log.never_below(given);
        drop(inner);
        self.each(|node| node.mend(Mend::default()));
    }

    /// The store loses everything and begins a new life. No connection breaks, as with a flush.
    pub fn new_epoch(&self, epoch: Epoch) {
        let mut inner = self.0.lock();
        let given = inner.log.given();
        inner.log = Log::new(epoch);
        inner.log.never_below(given);
    }

    /// Sets the store's clock back by this much. Not added to what was set before.
    pub fn set_clock_back(&self, by: Duration) {
        self.0.lock().back = by;
    }

    /// Lets the lease of a node run out, whatever the node says: what it holds can be reaped.
    pub fn expire_lease(&self, node: NodeId) {
        // Rows in memory can all be read.
        drop(self.0.queue(|queue| queue.expire(node), |()| false));
    }

    fn each(&self, fault: impl Fn(&NodeFaults)) {
        let nodes = self.0.lock().nodes();
        for node in nodes {
            fault(&NodeFaults(node));
        }
    }
}

impl NodeFaults {
    /// The feed breaks, and says so. Nothing comes until [`mend`](Self::mend).
    pub fn break_feed(&self) {
        self.change(|inbox| {
            if !inbox.script.broken {
                inbox.script.broken = true;
                inbox.say(FeedItem::Broke);
            }
        });
    }

    /// The feed of a broken connection is whole again.
    pub fn mend(&self, how: Mend) {
        self.change(|inbox| {
            if !inbox.script.broken || inbox.script.away {
                return;
            }
            inbox.script.broken = false;
            inbox.script.deaf = false;
            inbox.repeat(how);
            inbox.say(FeedItem::Whole);
        });
    }

    /// Loses the next `items` items with records, and nobody says so.
    pub fn lose(&self, items: usize) {
        self.change(|inbox| inbox.script.lose = items);
    }

    /// Nothing comes any more, and nobody says so, until [`Engine::restart_feed`](crate::backplane::Engine::restart_feed).
    pub fn deafen(&self) {
        self.change(|inbox| inbox.script.deaf = true);
    }

    /// What comes is kept back, in order, until [`release_feed`](Self::release_feed).
    pub fn hold_feed(&self) {
        self.change(|inbox| inbox.script.held = true);
    }

    /// What was kept back comes.
    pub fn release_feed(&self) {
        self.change(|inbox| inbox.script.held = false);
    }

    /// The store does not answer this node, and its feed breaks.
    pub fn away(&self) {
        self.break_feed();
        self.change(|inbox| inbox.script.away = true);
    }

    /// To the store and to all others this process is dead, whatever it still does: [`away`](Self::away) for good.
    pub fn kill(&self) {
        self.change(|inbox| inbox.script.dead = true);
        self.away();
    }

    /// It answers again, and the feed is whole.
    pub fn back(&self) {
        self.change(|inbox| inbox.script.away = inbox.script.dead);
        self.mend(Mend::default());
    }

    /// Lets the next `appends` appends fail: nothing of them is stored.
    pub fn fail_appends_before_storing(&self, appends: usize) {
        self.change(|inbox| inbox.script.fail_before = appends);
    }

    /// Lets the next `appends` appends fail although they are stored. Counted after those that fail before.
    pub fn fail_appends_after_storing(&self, appends: usize) {
        self.change(|inbox| inbox.script.fail_after = appends);
    }

    /// Lets the next `loads` loads fail.
    pub fn fail_loads(&self, loads: usize) {
        self.change(|inbox| inbox.script.fail_loads = loads);
    }

    /// Delays the answer of each load by this time after it has read, until set otherwise.
    pub fn slow_loads(&self, by: Duration) {
        self.change(|inbox| inbox.script.slow_load = by);
    }

    /// Lets the next `settles` calls of `settle` fail: nothing of them is done.
    pub fn fail_settles_before_storing(&self, settles: usize) {
        self.change(|inbox| inbox.script.settle_before = settles);
    }

    /// Lets the next `settles` calls of `settle` fail although all is done. Counted after those that fail before.
    pub fn fail_settles_after_storing(&self, settles: usize) {
        self.change(|inbox| inbox.script.settle_after = settles);
    }

    /// Stores what a call of `settle` says, and answers, so much later, until set otherwise.
    pub fn slow_settles(&self, by: Duration) {
        self.change(|inbox| inbox.script.slow_settle = by);
    }

    /// Stops the renewal of leases (`beat` fails), or lets it go on.
    pub fn freeze_renewals(&self, frozen: bool) {
        self.change(|inbox| inbox.script.no_beats = frozen);
    }

    /// Loses all bells, or lets them come again.
    pub fn lose_bells(&self, lost: bool) {
        self.change(|inbox| inbox.script.no_bells = lost);
    }

    fn change(&self, fault: impl FnOnce(&mut Inbox)) {
        self.0.inbox(fault);
        self.0.drain();
    }
}

impl Inbox {
    fn repeat(&mut self, how: Mend) {
        let from = self.script.recent.len().saturating_sub(how.repeat);
        let mut again: Vec<_> = self.script.recent.range(from..).cloned().collect();
        if how.newest_first {
            again.reverse();
        }
        for (epoch, record) in again {
            self.say(FeedItem::Records { epoch, records: vec![record] });
        }
    }
}

impl Script {
    pub(super) fn remember(&mut self, item: &FeedItem) {
        let FeedItem::Records { epoch, records } = item else { return };
        let newest = records.len().saturating_sub(RECENT);
        self.recent
            .extend(records[newest..].iter().map(|record: &Record| (*epoch, record.clone())));
        let over = self.recent.len().saturating_sub(RECENT);
        self.recent.drain(..over);
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}

impl fmt::Debug for NodeFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeFaults").field("node", &self.0.number).finish_non_exhaustive()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("mark", &self.0.mark()).finish_non_exhaustive()
    }
}
