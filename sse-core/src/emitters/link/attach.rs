//! Attaching connections to keys of a backplane.

use tokio::time::Instant;

use super::{
    super::{
        cursor::TopicCursor,
        hub::{Hub, Key},
        last_event_id::LastEventId,
        one_per_key::come_back,
        registry::Locked,
        seat::{Seat, refuse},
        snapshot::{Of, Renewing},
        topic::Topic,
    },
    claims::replace,
    disconnecting::Disconnect,
    sink::KeySink,
    to::Link,
    topic::TopicLink,
};
use crate::{
    backplane::{self, Joined},
    emitter::Conn,
    spread,
    sync::{Arc, plain},
};

impl<K: Key> Hub<K> {
    /// Attaches a connection to keys of a backplane: at once if their logs are complete here, otherwise once they
    /// are.
    pub(in crate::emitters) fn attach_linked(
        self: &Arc<Self>,
        link: &Link<K>,
        conn: &Arc<Conn>,
        keys: Vec<K>,
        last: &LastEventId,
        own: Option<&Of<K>>,
    ) {
        let mut named = Vec::with_capacity(keys.len());
        for key in keys {
            let Ok(name) = link.name(&key) else {
                return refuse(conn, last, Some(spread::A_DAY));
            };
            named.push((key, name));
        }
        // A key may be forgotten between the look for it and the lock: then it is looked for again.
        while !self.attach_named(link, conn, &named, last, own) {}
    }

    /// Attaches it to these topics. `false` if a key was forgotten meanwhile.
    fn attach_named(
        self: &Arc<Self>,
        link: &Link<K>,
        conn: &Arc<Conn>,
        named: &[(K, backplane::Topic)],
        last: &LastEventId,
        own: Option<&Of<K>>,
    ) -> bool {
        let topic = |(key, name): &(K, backplane::Topic)| {
            let of_topic = || Some(Box::new(TopicLink::new(name.clone())));
            (self.find_or_link(key, of_topic), name.clone())
        };
        let mut named: Vec<_> = named.iter().map(topic).collect();
        let mut were_there = true;
        let mut in_vain = Vec::new();
        link.node().shared().join(|joining| {
            let mut all = self.all_shards();
            let now = Instant::now();
            let inserted = conn.has_followed();
            if inserted {
                named.retain(|((topic, _), _)| !Self::follows(conn, topic));
            }
            were_there = named.iter().all(|((topic, _), _)| topic.is_current());
            if named.is_empty() || !conn.is_open() || !were_there {
                in_vain.extend(named.drain(..).map(|(topic, _)| topic));
                return;
            }
            all.iter_mut().for_each(|registry| registry.sweep(self.bounds(), now));
            let mut replaced = Vec::new();
            let topics = named.iter().map(|((topic, _), _)| &**topic);
            if !self.is_admitted(topics, &mut replaced) {
                in_vain.extend(named.drain(..).map(|(topic, _)| topic));
                let (conn, last) = (Arc::clone(conn), last.clone());
                joining.after.then(move || refuse(&conn, &last, Some(come_back())));
                return;
            }
            let known = (self.epoch(), self.newest());
            let mut waits = self.is_suspicious(last);
            let mut seats = Vec::with_capacity(named.len());
            let mut names = Vec::with_capacity(named.len());
            for ((topic, _), name) in named.drain(..) {
                let registry = all.of(topic.hash);
                let (seat, joined) = self.take_seat(link, joining, registry, (topic, &name), conn);
                waits |= joined == Joined::Waits;
                names.push(name);
                seats.push(seat);
            }
            if !replaced.is_empty() {
                joining.after.then(move || replace(&replaced));
            }
            if waits {
                self.wait(link, joining, conn, seats, &names, (last, own), known, inserted);
            } else {
                self.begin_at_once(joining, conn, seats, (last, own), inserted, now);
            }
            all.iter_mut().for_each(|registry| self.plan_sweep(registry, now));
            drop(all);
            let evicted = self.relieve_later(now);
            if !evicted.is_empty() {
                let hub = Arc::clone(self);
                joining.after.then(move || hub.evict(&evicted));
            }
        });
        self.let_go(&in_vain);
        were_there
    }

    /// Gives the connection a place at one key, and says whether the key's log is complete here.
    fn take_seat(
        self: &Arc<Self>,
        link: &Link<K>,
        joining: &mut backplane::Joining<'_>,
        registry: &mut Locked<'_, K>,
        (topic, name): (Arc<Topic<K>>, &backplane::Topic),
        conn: &Arc<Conn>,
    ) -> (Seat<K>, Joined) {
        let sink = || Arc::new(KeySink::new(Arc::downgrade(self), Arc::clone(&topic))) as _;
        let joined = joining.join(name, link.owner, sink);
        let id = {
            let mut log = topic.log();
            let end = log.end();
            if self.config.one_per_key.is_some() {
                log.hold(conn);
            }
            log.join(Arc::clone(conn), end)
        };
        registry.joined(&topic);
        self.note_disconnect(link, &topic, name, conn);
        if self.config.one_per_key.is_some() {
            self.claim(&topic, conn, joining.after);
        }
        (Seat { topic, id }, joined)
    }

    /// Lets a connection read whose logs are complete here.
    fn begin_at_once(
        self: &Arc<Self>,
        joining: &mut backplane::Joining<'_>,
        conn: &Arc<Conn>,
        seats: Vec<Seat<K>>,
        (last, own): (&LastEventId, Option<&Of<K>>),
        inserted: bool,
        now: Instant,
    ) {
        let has_state = own.is_some() || self.snapshots.of.is_some();
        let mut opening = self.plan(&seats, last, has_state, &[], now);
        for Seat { topic, id } in seats {
            let (count, start) = (Arc::clone(&topic) as _, opening.start);
            let state = Renewing::new(self, own, opening.anew);
            let cursor = TopicCursor { hub: Arc::clone(self), topic, id, start, inserted, state };
            opening.unwanted.extend(conn.follow(Box::new(cursor), count).err());
        }
        let (hub, conn, last) = (Arc::clone(self), Arc::clone(conn), last.clone());
        joining.after.then(move || hub.tell(&conn, opening, &last, None));
    }

    /// Notes that the connection came after the disconnects that this node has asked for. Whether one is still to come
    /// nobody knows where the store has answered more than its feed has brought.
    fn note_disconnect(
        &self,
        link: &Link<K>,
        topic: &Topic<K>,
        name: &backplane::Topic,
        conn: &Arc<Conn>,
    ) {
        let answered = self.newest();
        let call = link.disconnecting.newest(name);
        let call = call.or_else(|| (answered > self.watermark()).then(|| Disconnect::at(answered)));
        if let (Some(call), Some(link)) = (call, &topic.link) {
            plain::lock(&link.state).came_after(conn, call, self.watermark());
        }
    }

    /// Whether this client has seen what this node has not, or names an epoch that this node does not know. Then the
    /// store has to be asked how far it is: a node may know less than its client.
    pub(super) fn is_suspicious(&self, last: &LastEventId) -> bool {
        last.token()
            .is_some_and(|token| token.epoch != self.epoch() || token.position > self.watermark())
    }
}
