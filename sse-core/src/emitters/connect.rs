//! Opening connections: who is admitted, where each begins, and what it is told.

use std::collections::HashSet;

use smallvec::SmallVec;
use tokio::time::Instant;

use super::{
    cursor::TopicCursor,
    hub::{Hub, Key},
    last_event_id::{LastEventId, Seen},
    link::{Gate, replace},
    one_per_key::{Second, come_back},
    seat::{Seat, refuse},
    snapshot::{Of, Renewing},
    topic::Topic,
};
use crate::{
    emitter::{Conn, STATE, SseEmitter},
    event::{ready, reset},
    log::{After, Cursor, GAPS_APART, Log, Missed, Place, Position, ReaderId, Token},
    sync::{Arc, lock},
};

/// How many keys one connection can follow. A connection to more of them is refused politely.
pub const MAX_KEYS_PER_CONNECTION: usize = 1024;

/// The topics of one connection, and whether each was made for it; mostly one.
type Topics<K> = SmallVec<[(Arc<Topic<K>>, bool); 1]>;

impl<K: Key> Hub<K> {
    pub(super) fn connect(
        self: &Arc<Self>,
        keys: impl IntoIterator<Item = K>,
        last: &LastEventId,
        own: Option<&Of<K>>,
    ) -> SseEmitter {
        let emitter = SseEmitter::with(self.config.settings);
        if last.0 == Seen::Head {
            // A `HEAD` request wants the headers: nothing is opened, nobody is replaced.
            emitter.complete();
            return emitter;
        }
        let mut keys = keys.into_iter();
        let mut distinct: SmallVec<[K; 1]> = keys.by_ref().take(1).collect();
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
        self.attach(emitter.conn(), distinct, last, own, false);
        emitter
    }

    pub(super) fn insert(self: &Arc<Self>, key: K, emitter: &SseEmitter) {
        self.attach(
            emitter.conn(),
            SmallVec::from_iter([key]),
            &LastEventId::default(),
            None,
            true,
        );
    }

    /// Whether this connection follows the key already.
    pub(super) fn follows(conn: &Arc<Conn>, topic: &Topic<K>) -> bool {
        let readers = topic.log().snapshot();
        readers.iter().any(|reader| Arc::ptr_eq(reader, conn))
    }

    fn attach(
        self: &Arc<Self>,
        conn: &Arc<Conn>,
        keys: SmallVec<[K; 1]>,
        last: &LastEventId,
        own: Option<&Of<K>>,
        is_insert: bool,
    ) {
        if let Some(link) = &self.link {
            return self.attach_linked(link, conn, keys.into_vec(), last, own);
        }
        let now = Instant::now();
        let mut topics: Topics<K> = keys.iter().map(|key| self.find_or_create(key)).collect();
        // So that of two who come at once one is the second, and of two who insert the same emitter
        // one does nothing.
        let admission =
            (is_insert || self.config.one_per_key.is_some()).then(|| lock(&self.admission));
        if is_insert {
            topics.retain(|(topic, _)| !Self::follows(conn, topic));
        }
        let mut replaced = Vec::new();
        let open = !topics.is_empty() && conn.is_open();
        let logs = topics.iter().map(|(topic, _)| &**topic);
        if !open || !self.is_admitted(logs, &mut replaced) {
            drop(admission);
            self.let_go(&topics);
            if open {
                refuse(conn, last, Some(come_back()));
            }
            return;
        }
        let opening = self.open(conn, topics, last, own, now);
        drop(admission);
        replace(&replaced);
        self.tell(conn, opening, last, None);
    }

    /// Whether there is room at these keys. Who has to go for that is added to `replaced`.
    pub(super) fn is_admitted<'a>(
        &self,
        topics: impl IntoIterator<Item = &'a Topic<K>>,
        replaced: &mut Vec<Arc<Conn>>,
    ) -> bool {
        let Some(second) = self.config.one_per_key else { return true };
        let holders = topics.into_iter().filter_map(|topic| topic.log().holder());
        replaced.extend(holders.filter(|conn| conn.is_open()));
        second == Second::Replaces || replaced.is_empty()
    }

    /// Gives the connection a cursor at each of these keys: one at a time, so that nobody who
    /// sends waits for the rest. At each key nothing is sent between the look at its history and the
    /// first live event.
    fn open(
        self: &Arc<Self>,
        conn: &Arc<Conn>,
        topics: Topics<K>,
        last: &LastEventId,
        own: Option<&Of<K>>,
        now: Instant,
    ) -> Opening {
        let has_state = own.is_some() || self.snapshots.of.is_some();
        self.catch_up(topics.iter().map(|(topic, _)| topic));
        let all = topics.iter().map(|(topic, _)| &**topic);
        let (after, mut opening) = self.resume(all.clone(), last, has_state);
        // Of interest after a reset alone.
        let complete =
            opening.reset.is_some() && all.clone().all(|topic| topic.log().completed().is_some());
        let inserted = conn.has_followed();
        let (count, apart) = (topics.len(), apart(topics.len()));
        let after = after.of(complete, opening.reset.is_some());
        for (mut topic, _) in topics {
            let mut registry = self.shard_of(&topic);
            while !topic.is_current() {
                drop(registry);
                topic = self.find_or_create(&topic.key).0;
                registry = self.shard_of(&topic);
            }
            registry.help(&topic, self.bounds());
            self.catch_up_one(&mut registry, &topic, now);
            registry.joined(&topic);
            let (id, start) = {
                let mut log = topic.log();
                let end = log.end();
                let id = log.join(Arc::clone(conn), end);
                if self.config.one_per_key.is_some() {
                    log.hold(conn);
                }
                (id, self.begin(&mut opening, &mut log, id, after, apart, None, now))
            };
            let count = Arc::clone(&topic) as _;
            let state = Renewing::new(self, own, opening.anew);
            let cursor = TopicCursor { hub: Arc::clone(self), topic, id, start, inserted, state };
            // Under the shard's lock, so that whoever completes the key next finds it counted.
            opening.unwanted.extend(conn.follow(Box::new(cursor), count).err());
            registry.sweep(self.bounds(), now);
            self.plan_sweep(&mut registry, now);
        }
        self.relieve(now);
        opening.complete = opening.completed.len() == count;
        opening
    }

    /// Where a connection begins in each of these logs. One that has waited for them gets everything that came after
    /// the position in `since` of each, be that more than the history.
    pub(super) fn plan(
        &self,
        seats: &[Seat<K>],
        last: &LastEventId,
        has_state: bool,
        since: &[Position],
        now: Instant,
    ) -> Opening {
        let topics = seats.iter().map(|seat| &*seat.topic);
        let (after, mut opening) = self.resume(topics, last, has_state);
        let complete = seats.iter().all(|seat| seat.topic.log().completed().is_some());
        let after = after.of(complete, opening.reset.is_some());
        for (index, seat) in seats.iter().enumerate() {
            let since = since.get(index).copied();
            let (mut log, apart) = (seat.topic.log(), apart(seats.len()));
            self.begin(&mut opening, &mut log, seat.id, after, apart, since, now);
        }
        opening.complete = complete;
        opening
    }

    /// Puts the cursor of one log where it begins, and says after which position all of them begin so
    /// far.
    #[expect(clippy::too_many_arguments, reason = "one step of `open` and `plan`")]
    fn begin(
        &self,
        opening: &mut Opening,
        log: &mut Log<Conn>,
        reader: ReaderId,
        after: After,
        apart: usize,
        since: Option<Position>,
        now: Instant,
    ) -> Position {
        let history = &self.bounds().history;
        let mut start = log.start(after, history, now, apart);
        if let Some(since) = since {
            log.waited(&mut start, after, since, history, now, apart);
        }
        opening.is_cut |= after == After::Nothing && log.is_cut(history, now);
        opening.completed.extend(log.completed());
        opening.missed = opening.missed.and(start.missed);
        opening.waiting += start.waiting;
        let begins = match after {
            After::Position(position) if start.missed != Missed::None => position,
            // What is before the first that waits was seen.
            _ => log.position_at(start.next).map_or_else(|| self.begins(), Position::before),
        };
        log.begin(reader, start);
        if let (After::Position(seen), Some(_)) = (after, &self.link) {
            log.has_seen(reader, seen);
        }
        opening.start = if opening.has_begun { opening.start.min(begins) } else { begins };
        opening.has_begun = true;
        opening.start
    }

    /// A connection that begins now has everything up to here behind it: in the logs, or not for it.
    fn begins(&self) -> Position {
        if self.link.is_some() { self.watermark() } else { self.newest() }
    }

    /// What a client has seen, from what it says; and whether that means nothing here, or whether it is to begin with
    /// the state of its keys, if that can be had, since it cannot go on from where it was: at all of them or at none,
    /// so that one id says where it stands.
    fn resume<'a>(
        &self,
        mut topics: impl Iterator<Item = &'a Topic<K>> + Clone,
        last: &LastEventId,
        has_state: bool,
    ) -> (After, Opening) {
        let mut opening = Opening::default();
        let (after, reset) = self.seen(topics.clone(), last, &mut opening);
        let goes_on = match after {
            After::Position(position) => {
                topics.all(|topic| topic.log().missed_after(position) == Missed::None)
            }
            After::Nothing | After::Everything => false,
        };
        if !has_state || goes_on {
            opening.reset = reset;
            return (after, opening);
        }
        opening.anew = true;
        (After::Everything, opening)
    }

    /// What a client has seen, from what it says; and whether that means nothing here.
    ///
    /// Nobody of another life has seen anything of this one: it gets the history. Of an id that
    /// stands nowhere nobody knows what was seen.
    fn seen<'a>(
        &self,
        topics: impl IntoIterator<Item = &'a Topic<K>>,
        last: &LastEventId,
        opening: &mut Opening,
    ) -> (After, Option<&'static str>) {
        let watermark = self.begins();
        match &last.0 {
            Seen::Nothing | Seen::Head => (After::Nothing, None),
            Seen::Earliest => (After::Position(Position::ZERO), None),
            Seen::Unreadable => (After::Everything, Some("unknown")),
            Seen::UpTo(id) => match Token::parse(id.as_str()) {
                Some(token) if token.epoch == self.epoch() && token.position <= watermark => {
                    (After::Position(token.position), None)
                }
                Some(_) => (After::Nothing, Some("epoch")),
                None => {
                    opening.has_own_id = true;
                    let places = topics.into_iter().map(|topic| topic.log().find(id));
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
            && !opening.anew
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
            // Until it has the state it stands nowhere else; and an id that the library did not give is
            // one that what it says itself must leave to the client.
            None if opening.anew || opening.has_own_id => {
                last.id().into_iter().for_each(|id| conn.client_holds(id.clone()));
            }
            None => {}
        }
        drop(opening.unwanted);
        if let Some(gate) = gate {
            if opening.anew {
                gate.begin_anew();
            }
            gate.open();
        }
        conn.notify(STATE);
        if self.config.ready_event {
            conn.send_control(ready(opening.waiting, !told && !opening.is_cut), false);
        }
        // Moves the client's position to the end: with one that means nothing, or nothing certain, it
        // would come back for ever.
        let end = opening.completed.iter().max().filter(|_| opening.complete && told);
        conn.logs_completed(opening.completed.len(), end.map(|end| self.id_at(*end)));
    }
}

/// Of how many missed events the positions are wanted.
fn apart(keys: usize) -> usize {
    if keys == 1 { 1 } else { GAPS_APART }
}

/// What a new connection found at its keys, and what it is to be told.
#[derive(Default)]
pub(super) struct Opening {
    /// Given back by a connection that is over; they leave when dropped, under no lock.
    pub(super) unwanted: Vec<Box<dyn Cursor>>,
    /// The position that its reader begins after.
    pub(super) start: Position,
    /// It is said by at least one log.
    has_begun: bool,
    reset: Option<&'static str>,
    /// What the client says that it has seen is no id of the library's.
    has_own_id: bool,
    missed: Missed,
    /// How many events wait for it.
    waiting: u64,
    /// The positions at which its complete keys ended.
    completed: Vec<Position>,
    /// All its keys are complete.
    complete: bool,
    /// It begins with the state of its keys.
    pub(super) anew: bool,
    /// It has seen nothing, and the history does not reach back to the first event.
    is_cut: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        emitter::{IntoResponseState, Queue},
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
        let mut queued = Queue::default();
        emitter.conn().take_queue(&mut queued);
        let frames = queued.iter().flat_map(|queued| queued.frame.to_vec()).collect();
        String::from_utf8(frames).unwrap()
    }

    #[test]
    fn a_position_of_this_life_is_resumed_from_in_silence() {
        let hub = hub();
        let (seen, _) = (send(&hub, 7), send(&hub, 7));
        assert_eq!(told(&hub.connect([7], &from(seen), None)), "");
    }

    #[test]
    fn a_position_that_was_not_reached_yet_means_nothing_here() {
        let hub = hub();
        let ahead = Position::new(hub.watermark().get() + 1);
        let told = told(&hub.connect([7], &from(hub.id_at(ahead)), None));
        assert_eq!(told, "event:stream-reset\ndata:{\"reason\":\"epoch\"}\n\n");
    }

    #[test]
    fn a_position_of_another_life_means_nothing_here() {
        let (here, elsewhere) = (hub(), hub());
        let told = told(&here.connect([7], &from(elsewhere.position()), None));
        assert!(told.contains("\"epoch\""), "{told}");
    }

    #[test]
    fn an_own_id_is_resumed_from_where_it_was_used_once() {
        let hub = hub();
        let event = || SseEvent::builder().id("own").data("x").build().unwrap();
        hub.send(&7, event()).unwrap();
        let own = EventId::from_static("own");
        assert_eq!(told(&hub.connect([7], &from(own.clone()), None)), "");
        hub.send(&7, event()).unwrap();
        assert!(told(&hub.connect([7], &from(own), None)).contains("\"unknown\""));
    }

    #[test]
    fn one_key_given_twice_is_one_connection() {
        let hub = hub();
        let emitter = hub.connect([7, 8, 7, 7], &LastEventId::default(), None);
        assert_eq!(hub.connections(), 2);
        hub.insert(7, &emitter);
        assert_eq!(hub.connections(), 2);
    }

    #[test]
    fn too_many_keys_are_refused_politely() {
        let hub: Arc<Hub<usize>> = Hub::new(Config::default(), None);
        let emitter = hub.connect(0..=MAX_KEYS_PER_CONNECTION, &LastEventId::default(), None);
        assert!(emitter.is_closed() && hub.connections() == 0);
        assert!(told(&emitter).contains("\"refused\""));
    }

    #[test]
    fn the_second_of_two_is_told_to_come_back_in_minutes() {
        let config = Config { one_per_key: Some(Second::Refused), ..Config::default() };
        let hub: Arc<Hub<u8>> = Hub::new(config, None);
        let first = hub.connect([7], &LastEventId::default(), None);
        let second = hub.connect([7], &LastEventId::default(), None);
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
        let seen = hub.connect([7], &from(last), None);
        assert_eq!(seen.conn().take(), IntoResponseState::NoContent);
        let fresh = hub.connect([7], &LastEventId::default(), None);
        assert_eq!(fresh.conn().take(), IntoResponseState::Stream);
    }
}
