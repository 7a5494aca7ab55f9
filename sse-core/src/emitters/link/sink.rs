//! `KeySink`: the log of a key, filled by a node.

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    super::{
        hub::{Hub, Key},
        registry::Registry,
        topic::Topic,
        wake::wake_readers,
    },
    body,
    to::keep,
    topic::{TopicLink, address},
};
use crate::{
    backplane::{self, After, Change, Found, Position, Sink, Wanted},
    close_reason::CloseReason,
    emitter::{Conn, STATE},
    event::reset,
    log::{Record, clock},
    sync::{Arc, Weak, plain},
};

/// Takes the changes of one key from the node.
pub(super) struct KeySink<K: Key> {
    hub: Weak<Hub<K>>,
    topic: Arc<Topic<K>>,
}

/// Everything that a change may touch, under the node's lock and the shard's.
struct Filling<'a, K: Key> {
    hub: &'a Arc<Hub<K>>,
    registry: &'a mut Registry<K>,
    topic: &'a Arc<Topic<K>>,
    link: &'a TopicLink,
    now: Instant,
    after: &'a mut After,
}

/// Something that belongs in a log, by its position.
enum Item {
    Record(Record),
    /// An event of the key itself.
    Event(Bytes),
    Change(Change),
}

impl<K: Key> KeySink<K> {
    pub(super) fn new(hub: Weak<Hub<K>>, topic: Arc<Topic<K>>) -> Self {
        Self { hub, topic }
    }

    /// Does something with the log, unless the emitters are gone.
    fn fill(&self, after: &mut After, fill: impl FnOnce(&mut Filling<'_, K>)) {
        let (Some(hub), Some(link)) = (self.hub.upgrade(), &self.topic.link) else { return };
        let topic = &self.topic;
        let mut registry = hub.shard_of(topic);
        let now = Instant::now();
        fill(&mut Filling { hub: &hub, registry: &mut registry, topic, link, now, after });
        hub.plan_sweep(&mut registry, now);
        drop(registry);
        let evicted = hub.relieve_later(now);
        if !evicted.is_empty() {
            after.then(move || hub.evict(&evicted));
        }
    }
}

impl<K: Key> Sink for KeySink<K> {
    fn wanted(&self, again: bool) -> Wanted {
        let (Some(hub), Some(link)) = (self.hub.upgrade(), &self.topic.link) else {
            return Wanted { after: Position::ZERO, events: 0, bytes: 0 };
        };
        let keep = keep(hub.bounds());
        // The newest that is here comes once more: if it does not, the key was forgotten meanwhile.
        let newest = plain::lock(&link.state).newest;
        let after = if again { newest.before() } else { Position::ZERO };
        Wanted { after, events: keep.events, bytes: keep.bytes }
    }

    fn load(&self, found: Found, after: &mut After) {
        self.fill(after, |filling| filling.load(found));
    }

    fn apply(&self, record: backplane::Record, after: &mut After) -> bool {
        let is_event = matches!(record.change, Change::Event { .. });
        self.fill(after, |filling| filling.change(record.position, record.change));
        is_event
    }

    fn pause(&self) {
        if let Some(link) = &self.topic.link {
            plain::lock(&link.state).live = false;
        }
    }

    fn reset(&self, after: &mut After) {
        self.fill(after, |filling| filling.reset());
    }

    fn unfollowed(&self) {
        if let Some(hub) = self.hub.upgrade() {
            hub.shard_of(&self.topic).discard(&self.topic);
        }
    }

    fn wake(&self) {
        let readers = self.topic.log().snapshot();
        wake_readers(&self.topic, readers);
    }
}

impl<K: Key> Filling<'_, K> {
    fn load(&mut self, found: Found) {
        let Found { loaded, aside, again, .. } = found;
        let head = loaded.head.unwrap_or_default();
        let oldest = loaded.records.first();
        // Everything between this and the first that is here was dropped, or never came.
        let floor = match loaded.head {
            // Of what came up to the watermark nothing is missing, whatever the store has forgotten since.
            None if again && loaded.forgotten <= self.hub.watermark() => Position::ZERO,
            None => loaded.forgotten,
            Some(head) => oldest.map_or(head.newest, |oldest| oldest.previous),
        };
        let (newest, announced) = {
            let state = plain::lock(&self.link.state);
            (state.newest, state.announced)
        };
        let dropped = self.hub.dropped_for_all();
        if again {
            let still_there = loaded.records.iter().any(|record| record.position == newest);
            // What the store has lost of its newest stays here: it was given out.
            let forgotten = !still_there && head.newest >= newest;
            self.catch_up(newest, floor, forgotten);
            if dropped > announced {
                self.skip_to(dropped);
            }
            if head.completed.is_none() || head.completed != self.topic.log().completed() {
                self.reopen();
            }
        } else {
            self.topic.log().begin_at(floor.max(dropped));
        }
        let mut items = Vec::with_capacity(loaded.records.len() + aside.len());
        for record in loaded.records.into_iter().filter(|record| record.position > newest) {
            if let Change::Event { body, .. } = record.change {
                items.push((record.position, Item::Event(body)));
            }
        }
        // Also what stands before something that is here: of that it is told that it is missing.
        let of_all = self.hub.sent_to_all_after(announced);
        let announced = of_all.last().map_or(dropped.max(announced), |record| record.position);
        items.extend(of_all.into_iter().map(|record| (record.position, Item::Record(record))));
        if let Some(completed) = head.completed {
            items.push((completed, Item::Change(Change::Complete)));
        }
        items.extend(aside.into_iter().map(|r| (r.position, Item::Change(r.change))));
        // Stable, and what is at one position cannot be but one thing.
        items.sort_by_key(|(position, _)| *position);
        for (position, item) in items {
            match item {
                Item::Event(body) => self.event(position, body),
                Item::Record(record) => self.announce(record),
                Item::Change(change) => self.change(position, change),
            }
        }
        self.disconnect(head.disconnected);
        if let Some((position, holder)) = head.claimed {
            self.link.settle_claims(self.after, |claims| claims.newest(position, holder));
        }
        {
            let mut state = plain::lock(&self.link.state);
            (state.live, state.announced) = (true, announced);
        }
        self.registry.trim(self.topic, self.hub.bounds(), self.now);
    }

    /// Brings a log up to date that was live before: it may have been forgotten meanwhile, or lack something that the
    /// store has dropped.
    fn catch_up(&mut self, newest: Position, floor: Position, forgotten: bool) {
        if forgotten && self.topic.log().holds_position(newest) {
            self.registry.clear(self.topic);
        }
        if floor > newest {
            self.skip_to(floor);
        }
    }

    fn skip_to(&mut self, position: Position) {
        skip_to(self.topic, self.link, position, self.after);
    }

    /// Lets those readers who can have the state get it when they read next.
    fn miss(&self, anew: bool) {
        let planned = |conn: &Arc<Conn>| !self.link.is_waiting(conn) && conn.renews();
        self.topic.log().miss(anew, planned);
    }

    /// Wakes a connection later, for which something was queued.
    fn wake_later(&mut self, conn: &Arc<Conn>) {
        let conn = Arc::clone(conn);
        self.after.then(move || {
            conn.notify(STATE);
        });
    }

    /// The connections that read and have begun to.
    fn planned(&self) -> Vec<Arc<Conn>> {
        let readers = self.topic.log().snapshot();
        readers.iter().filter(|conn| !self.link.is_waiting(conn)).map(Arc::clone).collect()
    }

    fn change(&mut self, position: Position, change: Change) {
        match change {
            Change::Event { body, .. } => self.event(position, body),
            Change::Complete => self.complete(position),
            Change::Forget => {
                self.reopen();
                self.registry.clear(self.topic);
            }
            Change::Disconnect => self.disconnect(position),
            Change::Claim { holder } => {
                self.link.settle_claims(self.after, |claims| claims.newest(position, holder));
            }
            _ => {}
        }
    }

    fn event(&mut self, position: Position, body: Bytes) {
        plain::lock(&self.link.state).newest = position;
        if self.topic.log().newest() >= position {
            // What went to all keys was here first, since this was missed. It cannot be put before it.
            return self.skip_to(position);
        }
        match self.hub.record_of(position, body, self.now) {
            Some(record) => {
                self.registry.append_old(self.topic, record, self.hub.bounds(), self.now);
            }
            None => self.skip_to(position),
        }
    }

    /// Appends an event that went to all keys.
    fn announce(&mut self, record: Record) {
        let (newest, completed) = {
            let log = self.topic.log();
            (log.newest(), log.completed().is_some())
        };
        if completed {
            return;
        }
        if newest >= record.position {
            return self.skip_to(record.position);
        }
        self.registry.append_old(self.topic, record, self.hub.bounds(), self.now);
    }

    fn complete(&mut self, position: Position) {
        {
            let mut log = self.topic.log();
            if log.completed().is_some() {
                return;
            }
            log.complete(position);
        }
        let readers = self.planned();
        self.after.then(move || readers.iter().for_each(|conn| conn.log_completed()));
    }

    fn reopen(&mut self) {
        {
            let mut log = self.topic.log();
            if log.completed().is_none() {
                return;
            }
            log.reopen();
        }
        let readers = self.planned();
        self.after.then(move || readers.iter().for_each(|conn| conn.log_reopened()));
    }

    /// Ends the connections that came before `position`.
    fn disconnect(&mut self, position: Position) {
        let readers = self.topic.log().snapshot();
        let mut state = plain::lock(&self.link.state);
        if position <= state.disconnected {
            return;
        }
        let concerned = readers.iter().filter(|conn| state.concerns(conn, position));
        let ended: Vec<_> = concerned.map(Arc::clone).collect();
        state.disconnected(position);
        self.after.then(move || {
            for conn in ended {
                conn.close(CloseReason::Completed, None);
            }
        });
    }

    /// Begins anew: the store lost its past.
    fn reset(&mut self) {
        self.reopen();
        self.registry.reset(self.topic);
        plain::lock(&self.link.state).reset();
        plain::lock(&self.link.claims).forget();
        self.miss(true);
        for conn in self.planned() {
            if conn.renews() {
                self.wake_later(&conn);
                continue;
            }
            // One that follows several keys hears it once.
            if self.after.tells_first(address(&conn)) {
                conn.queue_reset(reset("epoch"));
                self.wake_later(&conn);
            }
        }
    }
}

/// Notes that something of this key up to `position` never came: whoever reads is told before what stands behind it,
/// and so is whoever comes back from before it.
pub(super) fn skip_to<K: Key>(
    topic: &Topic<K>,
    link: &TopicLink,
    position: Position,
    after: &mut After,
) {
    let reads = |conn: &Arc<Conn>| !link.is_waiting(conn);
    let told = topic.log().skip_to_and_tell(position, reads);
    after.then(move || {
        for conn in told {
            conn.notify(STATE);
        }
    });
}

impl<K: Key> Hub<K> {
    /// The record of a body that stands at `position`. `None` if it cannot be read.
    pub(super) fn record_of(
        &self,
        position: Position,
        body: Bytes,
        now: Instant,
    ) -> Option<Record> {
        let body = body::decode(body)?;
        Some(Record {
            offset: clock::next(),
            position,
            frame: self.counted(body.frame(|| self.id_at(position))),
            at: now.checked_sub(body.age()).unwrap_or(now),
            name: body.name,
            own_id: body.own_id,
        })
    }
}
