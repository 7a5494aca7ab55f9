//! One connection's cursor in the log of one key.

use std::task::{Poll, Waker};

use tokio::time::Instant;

use super::{
    hub::{Hub, Key},
    link::Link,
    snapshot::Renewing,
    topic::Topic,
};
use crate::{
    event::{EventId, GapReason},
    log::{
        Cursor, Lag, Offset, Overtaken, Piece, Position, Read, ReaderId, Record, Sign, Source,
        State, Until,
    },
    sync::Arc,
};

/// One connection's cursor in the log of one key. Dropped, it leaves the log.
pub(super) struct TopicCursor<K: Key> {
    pub(super) hub: Arc<Hub<K>>,
    pub(super) topic: Arc<Topic<K>>,
    pub(super) id: ReaderId,
    /// The position after which its reader began.
    pub(super) start: Position,
    /// It came to a connection that was reading already.
    pub(super) inserted: bool,
    /// Where the state of the key can be asked for.
    pub(super) state: Option<Box<Renewing<K>>>,
}

impl<K: Key> Cursor for TopicCursor<K> {
    fn read(&mut self, until: Offset, sign: Sign<'_>) -> Read {
        let mut log = self.topic.lock();
        // Where somebody reads the log is not at rest.
        let Some(log) = log.awake() else { return Read::Careful };
        if sign.is_given() {
            return Read::Careful;
        }
        if let Some(newest) = log.read_newest(self.id, until) {
            return Read::Piece(Piece::of(newest));
        }
        if log.is_overtaken(self.id) {
            return Read::Careful;
        }
        log.read(self.id, until).map_or(Read::Nothing, Read::Piece)
    }

    fn overtaken(&mut self, apart: usize) -> Option<(GapReason, Overtaken)> {
        self.topic.log().overtaken(self.id, apart)
    }

    fn peek(&mut self, until: Until, budget: usize) -> (Vec<Record>, bool) {
        self.topic.log().peek(self.id, until, budget)
    }

    fn advance_past(&mut self, position: Position) {
        self.topic.log().advance_past(self.id, position);
    }

    fn newest_by_name(&mut self, until: Until) -> (Vec<Record>, u64) {
        self.topic.log().newest_by_name(self.id, until)
    }

    fn source(&self) -> Source {
        self.hub.link.as_ref().map_or_else(|| Source::of(&*self.hub), Link::source)
    }

    fn watermark(&self) -> Position {
        self.hub.watermark()
    }

    fn sync_watermark(&self) {
        // Offsets are given and records appended under this lock.
        match &self.hub.link {
            None => self.hub.shard_of(&self.topic).help(&self.topic, self.hub.bounds()),
            Some(link) => link.node().shared().between(),
        }
    }

    fn start(&self) -> Position {
        self.start
    }

    fn next_position(&self) -> Option<Position> {
        self.topic.log().next_position(self.id)
    }

    fn is_in_order(&self) -> bool {
        !self.inserted
    }

    fn id_at(&self, position: Position, got: bool) -> EventId {
        let own = if got { self.topic.log().own_id_at(position).cloned() } else { None };
        own.unwrap_or_else(|| self.hub.id_at(position))
    }

    fn lag(&self) -> Lag {
        let default = if self.state.is_some() { Lag::Snapshot } else { Lag::Gap };
        self.hub.config.lag.unwrap_or(default)
    }

    fn has_state(&self) -> bool {
        self.state.is_some()
    }

    fn begins_anew(&mut self) -> bool {
        self.state.as_mut().is_some_and(|state| state.begins_anew())
    }

    fn renew(&mut self, waker: &Waker) -> Option<Instant> {
        self.state.as_mut()?.begin(&self.hub, &self.topic, self.id, waker)
    }

    fn poll_state(&mut self, waker: &Waker) -> Poll<Option<State>> {
        let Some(state) = &mut self.state else { return Poll::Ready(None) };
        state.poll(&self.hub, &self.topic, self.id, waker)
    }
}

impl<K: Key> Drop for TopicCursor<K> {
    fn drop(&mut self) {
        if let Some(state) = &mut self.state {
            state.leave(&self.hub, &self.topic);
        }
        let now = Instant::now();
        let was_there = {
            let mut registry = self.hub.shard_of(&self.topic);
            let was_there = registry.leave(&self.topic, self.id, self.hub.bounds(), now);
            self.hub.plan_sweep(&mut registry, now);
            was_there
        };
        // The node's lock comes before the shard's.
        if was_there {
            self.hub.left(&self.topic);
        }
        self.hub.relieve(now);
    }
}
