//! Opening connections: who is admitted, where each begins, and what it is told.

use std::{collections::HashSet, time::Duration};

use tokio::time::Instant;

use super::{
    cursor::TopicCursor,
    hub::{Hub, Key},
    last_event_id::{LastEventId, Seen},
    link::{Gate, replace},
    one_per_key::{Second, come_back},
    registry::{Registry, Topic},
};
use crate::{
    close_reason::CloseReason,
    emitter::{Conn, STATE, SseEmitter},
    event::{bye, ready, reset},
    log::{After, Cursor, GAPS_APART, Missed, Place, Position, ReaderId, Snapshot, Token},
    sync::{Arc, lock},
};

/// How many keys one connection can follow. A connection to more of them is refused politely.
pub const MAX_KEYS_PER_CONNECTION: usize = 1024;

impl<K: Key> Hub<K> {
    pub(super) fn connect(
        self: &Arc<Self>,
        keys: impl IntoIterator<Item = K>,
        last: &LastEventId,
    ) -> SseEmitter {
        let emitter = SseEmitter::with(self.config.settings);
        if last.0 == Seen::Head {
            // A `HEAD` request wants the headers: nothing is opened, nobody is replaced.
            emitter.complete();
            return emitter;
        }
        let mut keys = keys.into_iter();
        let mut distinct: Vec<K> = keys.by_ref().take(1).collect();
        // Most connections are to one key, and need no set.
        let mut seen = HashSet::new();
        for key in keys {
            seen.extend(distinct.first().filter(|_| seen.is_empty()).cloned());
            if seen.insert(key.clone()) {
                distinct.push(key);
            }
            if distinct.len() > MAX_KEYS_PER_CONNECTION {
                refuse(emitter.conn(), last, None);
                return emitter;
            }
        }
        self.attach(emitter.conn(), distinct, last);
        emitter
    }

    pub(super) fn insert(self: &Arc<Self>, key: K, emitter: &SseEmitter) {
        self.attach(emitter.conn(), vec![key], &LastEventId::default());
    }

    /// Under the registry's lock, so that of two who insert the same emitter one does nothing.
    pub(super) fn follows(registry: &Registry<K>, conn: &Arc<Conn>, key: &K) -> bool {
        registry.get(key).is_some_and(|topic| {
            lock(&topic.log).snapshot().iter().any(|reader| Arc::ptr_eq(reader, conn))
        })
    }

    fn attach(self: &Arc<Self>, conn: &Arc<Conn>, mut keys: Vec<K>, last: &LastEventId) {
        if let Some(link) = &self.link {
            return self.attach_linked(link, conn, keys, last);
        }
        let now = Instant::now();
        let mut replaced = Vec::new();
        let opening = {
            let mut registry = lock(&self.registry);
            // One that has never followed anything is not looked for among all who follow a key.
            if conn.has_followed() {
                keys.retain(|key| !Self::follows(&registry, conn, key));
            }
            if keys.is_empty() || !conn.is_open() {
                return;
            }
            registry.sweep(self.bounds(), now);
            if !self.is_admitted(&registry, &keys, &mut replaced) {
                drop(registry);
                refuse(conn, last, Some(come_back()));
                return;
            }
            let opening = self.open(&mut registry, conn, keys, last, now);
            self.plan_sweep(&registry, now);
            opening
        };
        replace(&replaced);
        self.tell(conn, opening, last, None);
    }

    /// Is there room at these keys, and who has to go? Under the registry's lock, so that of two who
    /// come at once one is the second.
    pub(super) fn is_admitted<'a>(
        &self,
        registry: &Registry<K>,
        keys: impl IntoIterator<Item = &'a K>,
        replaced: &mut Vec<Arc<Conn>>,
    ) -> bool {
        let Some(second) = self.config.one_per_key else { return true };
        let topics = keys.into_iter().filter_map(|key| registry.get(key));
        let snapshots: Vec<_> = topics.map(|topic| lock(&topic.log).snapshot()).collect();
        let open = snapshots.iter().flat_map(Snapshot::iter).filter(|conn| conn.is_open());
        replaced.extend(open.map(Arc::clone));
        second == Second::Replaces || replaced.is_empty()
    }

    /// Gives the connection a cursor at each of these keys. Under the registry's lock, so that
    /// nothing is sent meanwhile.
    fn open(
        self: &Arc<Self>,
        registry: &mut Registry<K>,
        conn: &Arc<Conn>,
        keys: Vec<K>,
        last: &LastEventId,
        now: Instant,
    ) -> Opening {
        let mut seats = Vec::with_capacity(keys.len());
        for key in keys {
            let topic = registry.get_or_create(key);
            let id = {
                let mut log = lock(&topic.log);
                let end = log.end();
                log.join(Arc::clone(conn), end)
            };
            registry.joined();
            seats.push(Seat { topic, id });
        }
        let mut opening = self.plan(registry, &seats, last, &[], now);
        for Seat { topic, id } in seats {
            let (count, start) = (Arc::clone(&topic) as _, opening.start);
            let cursor = TopicCursor { hub: Arc::clone(self), topic, id, start };
            // Under the registry's lock, so that whoever completes the key next finds it counted.
            opening.unwanted.extend(conn.follow(Box::new(cursor), count).err());
        }
        opening
    }

    /// Where a connection begins in each of these logs. One that has waited for them gets everything that came after
    /// the position in `since` of each, be that more than the history.
    pub(super) fn plan(
        &self,
        _: &mut Registry<K>,
        seats: &[Seat<K>],
        last: &LastEventId,
        since: &[Position],
        now: Instant,
    ) -> Opening {
        let watermark = self.watermark();
        let (after, reset) = self.resume(seats, last, watermark);
        let mut opening = Opening { reset, ..Opening::default() };
        let apart = if seats.len() == 1 { 1 } else { GAPS_APART };
        let complete =
            seats.iter().all(|Seat { topic, .. }| lock(&topic.log).completed().is_some());
        // After a reset a key that is complete says everything once more: nothing live will follow.
        let after = match after {
            After::Everything if complete && opening.reset.is_some() => After::Nothing,
            after => after,
        };
        let mut starts: Option<Position> = None;
        for (index, Seat { topic, id }) in seats.iter().enumerate() {
            let mut log = lock(&topic.log);
            let history = &self.bounds().history;
            let mut start = log.start(after, history, now, apart);
            if let Some(since) = since.get(index) {
                log.waited(&mut start, after, *since, history, now);
            }
            opening.completed.extend(log.completed());
            opening.missed = opening.missed.and(start.missed);
            opening.waiting += start.waiting;
            let begins = match after {
                After::Position(position) if start.missed != Missed::None => position,
                // What is before the first that waits was seen.
                _ => log.position_at(start.next).map_or(watermark, Position::before),
            };
            starts = Some(starts.map_or(begins, |earliest| earliest.min(begins)));
            log.begin(*id, start);
        }
        opening.start = starts.unwrap_or(watermark);
        opening.complete = complete;
        opening
    }

    /// What a client has seen, from what it says; and whether that means nothing here.
    ///
    /// Nobody of another life has seen anything of this one: it gets the history. Of an id that
    /// stands nowhere nobody knows what was seen.
    fn resume(
        &self,
        seats: &[Seat<K>],
        last: &LastEventId,
        watermark: Position,
    ) -> (After, Option<&'static str>) {
        match &last.0 {
            Seen::Nothing | Seen::Head => (After::Nothing, None),
            Seen::Unreadable => (After::Everything, Some("unknown")),
            Seen::UpTo(id) => match Token::parse(id.as_str()) {
                Some(token) if token.epoch == self.epoch() && token.position <= watermark => {
                    (After::Position(token.position), None)
                }
                Some(_) => (After::Nothing, Some("epoch")),
                None => {
                    let places = seats.iter().map(|Seat { topic, .. }| lock(&topic.log).find(id));
                    match places.fold(Place::Nowhere, Place::and) {
                        Place::At(position) if position <= watermark => {
                            (After::Position(position), None)
                        }
                        Place::At(_) | Place::Nowhere | Place::Several => {
                            (After::Everything, Some("unknown"))
                        }
                    }
                }
            },
        }
    }

    /// Tells the connection what it has to know, outside every lock.
    pub(super) fn tell(
        &self,
        conn: &Arc<Conn>,
        opening: Opening,
        last: &LastEventId,
        gate: Option<&Gate>,
    ) {
        let told = opening.reset.is_some() || opening.missed != Missed::None;
        if opening.complete
            && opening.waiting == 0
            && !told
            && conn.no_content(opening.completed.len(), gate.is_some())
        {
            if let Some(gate) = gate {
                gate.open();
            }
            return;
        }
        match opening.reset {
            Some(reason) => conn.send_control(reset(reason), true),
            None => holds(conn, last),
        }
        drop(opening.unwanted);
        if let Some(gate) = gate {
            gate.open();
        }
        conn.notify(STATE);
        if self.config.ready_event {
            conn.send_control(ready(opening.waiting, !told), false);
        }
        // Moves the client's position to the end: with one that means nothing, or nothing certain, it
        // would come back for ever.
        let end = opening.completed.iter().max().filter(|_| opening.complete && told);
        conn.logs_completed(opening.completed.len(), end.map(|end| self.id_at(*end)));
    }
}

/// The client holds an id that the library did not give: what it says itself must leave it that.
fn holds(conn: &Conn, last: &LastEventId) {
    if let Seen::UpTo(id) = &last.0
        && Token::parse(id.as_str()).is_none()
    {
        conn.client_holds(id.clone());
    }
}

/// Sends a client away, with the id that it sent.
pub(super) fn refuse(conn: &Conn, last: &LastEventId, retry: Option<Duration>) {
    if let Seen::UpTo(id) = &last.0 {
        conn.client_holds(id.clone());
    }
    conn.close(CloseReason::Refused, Some(bye(CloseReason::Refused, retry)));
}

/// What a new connection found at its keys, and is to be told.
#[derive(Default)]
pub(super) struct Opening {
    /// Given back by a connection that is over; they leave when dropped, under no lock.
    pub(super) unwanted: Vec<Box<dyn Cursor>>,
    /// The position that its reader begins after.
    pub(super) start: Position,
    reset: Option<&'static str>,
    missed: Missed,
    /// How many events wait for it.
    waiting: u64,
    /// Where its complete keys ended.
    completed: Vec<Position>,
    /// All its keys are complete.
    complete: bool,
}

/// A connection's place in the log of one key.
pub(super) struct Seat<K> {
    pub(super) topic: Arc<Topic<K>>,
    pub(super) id: ReaderId,
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::{
        emitter::IntoResponseState,
        emitters::hub::Config,
        event::{EventId, SseEvent},
    };

    fn hub() -> Arc<Hub<u8>> {
        Hub::new(Config::default(), None)
    }

    fn send(hub: &Hub<u8>, key: u8) -> EventId {
        hub.send(&key, SseEvent::data("x")).map(|receipt| receipt.id).unwrap()
    }

    fn from(id: EventId) -> LastEventId {
        LastEventId::from(id)
    }

    /// What a connection is told, besides the events.
    fn told(emitter: &SseEmitter) -> String {
        let mut queued = VecDeque::new();
        emitter.conn().take_queue(&mut queued);
        let frames = queued.iter().flat_map(|queued| queued.frame.to_vec()).collect();
        String::from_utf8(frames).unwrap()
    }

    #[test]
    fn a_position_of_this_life_is_resumed_from_in_silence() {
        let hub = hub();
        let (seen, _) = (send(&hub, 7), send(&hub, 7));
        assert_eq!(told(&hub.connect([7], &from(seen))), "");
    }

    #[test]
    fn a_position_that_was_not_reached_yet_means_nothing_here() {
        let hub = hub();
        let ahead = Position::new(hub.watermark().get() + 1);
        let told = told(&hub.connect([7], &from(hub.id_at(ahead))));
        assert_eq!(told, "event:stream-reset\ndata:{\"reason\":\"epoch\"}\n\n");
    }

    #[test]
    fn a_position_of_another_life_means_nothing_here() {
        let (here, elsewhere) = (hub(), hub());
        let told = told(&here.connect([7], &from(elsewhere.position())));
        assert!(told.contains("\"epoch\""), "{told}");
    }

    #[test]
    fn an_own_id_is_resumed_from_where_it_was_used_once() {
        let hub = hub();
        let event = || SseEvent::builder().id("own").data("x").build().unwrap();
        hub.send(&7, event()).unwrap();
        let own = EventId::from_static("own");
        assert_eq!(told(&hub.connect([7], &from(own.clone()))), "");
        hub.send(&7, event()).unwrap();
        assert!(told(&hub.connect([7], &from(own))).contains("\"unknown\""));
    }

    #[test]
    fn one_key_given_twice_is_one_connection() {
        let hub = hub();
        let emitter = hub.connect([7, 8, 7, 7], &LastEventId::default());
        assert_eq!(hub.connections(), 2);
        hub.insert(7, &emitter);
        assert_eq!(hub.connections(), 2);
    }

    #[test]
    fn too_many_keys_are_refused_politely() {
        let hub: Arc<Hub<usize>> = Hub::new(Config::default(), None);
        let emitter = hub.connect(0..=MAX_KEYS_PER_CONNECTION, &LastEventId::default());
        assert!(emitter.is_closed() && hub.connections() == 0);
        assert!(told(&emitter).contains("\"refused\""));
    }

    #[test]
    fn the_second_of_two_is_told_to_come_back_in_minutes() {
        let config = Config { one_per_key: Some(Second::Refused), ..Config::default() };
        let hub: Arc<Hub<u8>> = Hub::new(config, None);
        let first = hub.connect([7], &LastEventId::default());
        let second = hub.connect([7], &LastEventId::default());
        assert!(!first.is_closed() && second.is_closed());
        let told = told(&second);
        let retry = told.lines().find_map(|line| line.strip_prefix("retry:"));
        let retry: u64 = retry.and_then(|retry| retry.parse().ok()).unwrap();
        assert!((60_000..=120_000).contains(&retry), "{told}");
    }

    #[test]
    fn whoever_has_seen_all_of_a_complete_key_need_not_come_back() {
        let hub = hub();
        let last = send(&hub, 7);
        hub.complete(&7);
        let seen = hub.connect([7], &from(last));
        assert_eq!(seen.conn().take(), IntoResponseState::NoContent);
        let fresh = hub.connect([7], &LastEventId::default());
        assert_eq!(fresh.conn().take(), IntoResponseState::Stream);
    }
}
