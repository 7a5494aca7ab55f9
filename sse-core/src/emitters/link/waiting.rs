//! A connection whose logs are not complete yet: it counts, and reads nothing.
//!
//! It has a cursor at each of its logs from the beginning, so that nothing which comes meanwhile is dropped before it
//! was planned, and a [`Gate`] before them. Once the node says that its logs are complete it is decided where it begins, as
//! for any connection; what it has to be told is queued, and the gate opens.

use super::{
    super::{
        cursor::TopicCursor,
        hub::{Hub, Key},
        last_event_id::LastEventId,
        seat::{Seat, refuse},
        snapshot::{Of, Renewing},
    },
    gate::{Gate, GatedCursor},
    to::Link,
    topic::address,
};
use crate::{
    backplane::{self, After, Epoch, Position, Waiter},
    emitter::Conn,
    spread,
    sync::Arc,
};
use tokio::time::Instant;

/// A connection that waits.
struct Waiting<K: Key> {
    hub: Arc<Hub<K>>,
    conn: Arc<Conn>,
    seats: Vec<Seat<K>>,
    last: LastEventId,
    has_state: bool,
    /// The epoch in which it came.
    epoch: Epoch,
    gate: Arc<Gate>,
}

impl<K: Key> Waiter for Waiting<K> {
    fn plan(&self, after: &mut After) {
        let all = self.hub.all_shards();
        // Of another epoch everything came later.
        let same_epoch = self.epoch == self.hub.epoch();
        let mut since = Vec::with_capacity(self.seats.len());
        for Seat { topic, .. } in &self.seats {
            let known = topic.link.as_ref().and_then(|l| l.stop_waiting(address(&self.conn)));
            since.push(known.filter(|_| same_epoch).unwrap_or(Position::ZERO));
        }
        if self.gate.is_gone() {
            return;
        }
        let now = Instant::now();
        let opening = self.hub.plan(&self.seats, &self.last, self.has_state, &since, now);
        drop(all);
        self.gate.begins_after(opening.start);
        let (hub, conn, gate) =
            (Arc::clone(&self.hub), Arc::clone(&self.conn), Arc::clone(&self.gate));
        let last = self.last.clone();
        after.then(move || {
            hub.tell(&conn, opening, &last, Some(&gate));
            conn.end_waiting();
        });
    }

    fn refuse(&self, after: &mut After) {
        let (conn, last) = (Arc::clone(&self.conn), self.last.clone());
        after.then(move || {
            refuse(&conn, &last, Some(spread::soon()));
            conn.end_waiting();
        });
    }
}

impl<K: Key> Hub<K> {
    /// Lets a connection wait whose logs are not complete here.
    #[expect(clippy::too_many_arguments, reason = "one step of `attach_linked`")]
    pub(super) fn wait(
        self: &Arc<Self>,
        link: &Link<K>,
        joining: &mut backplane::Joining<'_>,
        conn: &Arc<Conn>,
        seats: Vec<Seat<K>>,
        names: &[backplane::Topic],
        (last, own): (&LastEventId, Option<&Of<K>>),
        known: (Epoch, Position),
        inserted: bool,
    ) {
        let seen = last.token().filter(|token| token.epoch == known.0);
        let gate = Arc::new(Gate::new(seen.map_or(Position::ZERO, |token| token.position)));
        let mut unwanted = Vec::new();
        conn.begin_waiting();
        for Seat { topic, id } in &seats {
            if let Some(of_topic) = &topic.link {
                of_topic.wait(conn, known.1);
            }
            let cursor = TopicCursor {
                hub: Arc::clone(self),
                topic: Arc::clone(topic),
                id: *id,
                start: Position::ZERO,
                inserted,
                state: Renewing::new(self, own, false),
            };
            let cursor = GatedCursor::new(cursor, Arc::clone(&gate), address(conn));
            unwanted.extend(conn.follow(Box::new(cursor), Arc::clone(topic) as _).err());
        }
        let waiter = Arc::new(Waiting {
            hub: Arc::clone(self),
            conn: Arc::clone(conn),
            seats,
            last: last.clone(),
            has_state: own.is_some() || self.snapshots.of.is_some(),
            epoch: known.0,
            gate: Arc::clone(&gate),
        });
        let suspicious = self.is_suspicious(last);
        let id = joining.wait(names, link.owner, suspicious, waiter);
        gate.is_known_as(id);
        // Of a connection that is over: they leave when no lock is held.
        joining.after.then(move || drop(unwanted));
    }
}
