//! What one connection gets, and whether that is right.

use std::collections::{BTreeMap, BTreeSet};

use sse_tower_core::SseEmitter;

/// One shared event. Its place in the order of all events is its data.
pub(crate) struct Published {
    pub(crate) keys: BTreeSet<u8>,
    /// A key that was complete when it was sent may have been forgotten since, and get it.
    pub(crate) to_all: bool,
    pub(crate) at: tokio::time::Instant,
    /// Where all events stood when it had been sent: its own position.
    pub(crate) position: Token,
}

/// A position as clients hold it. `None` of any other id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    epoch: u64,
    position: u64,
}

impl Token {
    pub(crate) fn read(id: &str) -> Option<Self> {
        let (epoch, position) = id.strip_prefix("1.")?.split_once('.')?;
        let epoch = u64::from_str_radix(epoch, 16).ok()?;
        Some(Self { epoch, position: position.parse().ok()? })
    }

    /// The newest event that somebody with this position has seen, or was told of.
    fn place(self, order: &Order) -> u64 {
        // Positions rise over all lives: here they follow one clock.
        let seen = order.iter().rev().find(|(_, event)| event.position.position <= self.position);
        seen.map_or(0, |(place, _)| *place)
    }
}

/// All shared events there were, by their place in the order.
pub(crate) type Order = BTreeMap<u64, Published>;

/// What a client knows when it dials.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Its `Last-Event-ID`, empty if it has none, and the place in the order where it got that.
    pub(crate) id: String,
    pub(crate) place: u64,
    /// Which `Emitters` gave it the id.
    pub(crate) epoch: u64,
}

/// Which events a connection has to get, of those that were published before it.
pub(crate) enum Before {
    /// Exactly these.
    These(BTreeSet<u64>),
    /// Any that are there.
    Any,
}

pub(crate) struct Connection {
    pub(crate) name: String,
    pub(crate) keys: BTreeSet<u8>,
    pub(crate) emitter: SseEmitter,
    pub(crate) seen: Seen,
    pub(crate) epoch: u64,
    /// The newest event when it was opened.
    pub(crate) opened: u64,
    before: Before,
    /// The newest event when it was told to end.
    pub(crate) ending: Option<u64>,
    /// Own events that were accepted, by the newest shared event before each.
    pub(crate) own: Vec<(u64, String)>,
    got_own: usize,
    got: BTreeSet<u64>,
    last_place: u64,
    missed: u64,
    missed_unknown: bool,
    /// An event to several keys may have been counted for each of them.
    pub(crate) counts_may_be_high: bool,
    pub(crate) was_reset: bool,
    pub(crate) said_goodbye: bool,
    /// All its keys were complete when it was opened.
    pub(crate) of_complete_keys: bool,
    /// It was read to the end of the stream.
    pub(crate) ended: bool,
    pub(crate) over: bool,
}

impl Connection {
    pub(crate) fn new(
        name: String,
        keys: BTreeSet<u8>,
        emitter: SseEmitter,
        seen: Seen,
        epoch: u64,
        opened: u64,
        before: Before,
    ) -> Self {
        Self {
            name,
            keys,
            emitter,
            seen,
            epoch,
            opened,
            before,
            ending: None,
            own: Vec::new(),
            got_own: 0,
            got: BTreeSet::new(),
            last_place: 0,
            missed: 0,
            missed_unknown: false,
            counts_may_be_high: false,
            was_reset: false,
            said_goodbye: false,
            of_complete_keys: false,
            ended: false,
            over: false,
        }
    }

    /// One item of the stream: whole events.
    pub(crate) fn read(&mut self, item: &str, order: &Order, epoch: u64) {
        // A comment, or `retry`, ends with its line; anything else with a blank one.
        let alone = item.split_terminator('\n').all(|line| line.starts_with([':', 'r']));
        assert!(alone || item.ends_with("\n\n"), "{}: not whole: {item:?}", self.name);
        // Closed for being slow: shared events before its own are left for when it comes back.
        // That is one item, since nothing else moves the clock while it is made.
        let is_closed = item.contains(r#"data:{"reason":"lagged"}"#);
        if std::env::var_os("SSE_TRACE").is_some() {
            eprintln!("{}: {item:?}", self.name);
        }
        for block in item.split_terminator("\n\n") {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            let (name, data, id) = (field("event:"), field("data:"), field("id:"));
            match (name, data) {
                (Some("stream-gap"), Some(data)) => self.gap(data),
                (Some("stream-reset"), Some(_)) => self.reset(order),
                (Some("stream-bye"), Some(_)) => self.said_goodbye = true,
                (Some("stream-ready"), Some(_)) => {}
                (_, Some(data)) => match data.strip_prefix("own ") {
                    Some(text) => self.own_event(text, is_closed),
                    None => self.shared(data.parse().unwrap(), order),
                },
                // Nothing but an id: everything was said.
                (_, None) if id.is_some() => {
                    self.last_place = self.last_place.max(self.latest(order));
                }
                (_, None) => assert!(block.starts_with(':') || block.starts_with("retry:")),
            }
            let is_control = name.is_some_and(|name| name.starts_with("stream-"));
            if let Some(id) = id
                // Given back as it was, be it of another life.
                && !(is_control && id == self.seen.id)
            {
                let place = match Token::read(id) {
                    Some(token) => token.place(order),
                    None => self.last_place,
                };
                assert!(
                    is_control || data.is_none() || place == self.last_place,
                    "{}: {id} stands at {place}, and its event at {}",
                    self.name,
                    self.last_place
                );
                self.seen = Seen { id: id.to_owned(), place, epoch };
            }
        }
    }

    fn latest(&self, order: &Order) -> u64 {
        let newest = order.last_key_value().map_or(0, |(place, _)| *place);
        self.ending.map_or(newest, |ending| ending.min(newest))
    }

    fn gap(&mut self, data: &str) {
        let missed = data.rsplit(':').next().unwrap().trim_end_matches('}');
        match missed.parse::<u64>() {
            Ok(0) => panic!("{}: a gap of nothing", self.name),
            Ok(missed) => self.missed += missed,
            Err(_) => self.missed_unknown = true,
        }
    }

    fn reset(&mut self, _: &Order) {
        assert!(!self.seen.id.is_empty(), "{}: reset, but it had no id", self.name);
        assert!(self.got.is_empty() && !self.was_reset, "{}: reset in the middle", self.name);
        let ours = self.seen.id.starts_with("1.") && self.seen.epoch == self.epoch;
        assert!(!ours, "{}: an id of this very epoch was not known", self.name);
        self.was_reset = true;
        // Of another life nobody has seen anything of this one.
        if Token::read(&self.seen.id).is_none() {
            self.before = Before::Any;
        }
    }

    fn own_event(&mut self, text: &str, is_closed: bool) {
        let Some((place, expected)) = self.own.get(self.got_own) else {
            panic!("{}: got an own event that was not sent: {text}", self.name);
        };
        assert_eq!(text, expected, "{}: own events changed places", self.name);
        assert!(self.last_place <= *place, "{}: {text} came after later shared events", self.name);
        if !is_closed {
            self.last_place = *place;
        }
        self.got_own += 1;
    }

    fn shared(&mut self, place: u64, order: &Order) {
        let name = &self.name;
        let event = order.get(&place).unwrap_or_else(|| panic!("{name}: {place} was never sent"));
        assert!(
            event.to_all || !event.keys.is_disjoint(&self.keys),
            "{name}: {place} is of another key"
        );
        assert!(
            place > self.last_place || self.got.is_empty() && place > 0 && self.got_own == 0,
            "{name}: {place} after {}",
            self.last_place
        );
        assert!(self.got.insert(place), "{name}: {place} came twice");
        if !self.seen.id.is_empty() && self.seen.epoch == self.epoch && !self.was_reset {
            assert!(place > self.seen.place, "{name}: {place} again, after {:?}", self.seen);
        }
        if let Some(ending) = self.ending {
            assert!(place <= ending, "{name}: {place} came after the end at {ending}");
        }
        let own = self.own.get(self.got_own);
        assert!(own.is_none_or(|(at, _)| *at >= place), "{name}: {place} overtook an own event");
        self.last_place = place;
        let missing = self.missing(order, place);
        assert!(
            self.missed_unknown || missing <= self.missed,
            "{name}: {missing} missing before {place}, told of {}; got {:?}",
            self.missed,
            self.got
        );
    }

    /// Did it get a shared event?
    pub(crate) fn got_any(&self) -> bool {
        !self.got.is_empty()
    }

    /// How many events up to `until` it should have got and has not.
    fn missing(&self, order: &Order, until: u64) -> u64 {
        let due = order.range(..=until).filter(|(place, event)| {
            let mine = !event.keys.is_disjoint(&self.keys);
            let wanted = match &self.before {
                _ if **place > self.opened => true,
                Before::These(these) => these.contains(place),
                Before::Any => false,
            };
            mine && wanted && !self.got.contains(place)
        });
        due.count() as u64
    }

    /// Everything that was to come has come.
    pub(crate) fn check_all(&self, order: &Order, until: u64) {
        let name = &self.name;
        let missing = self.missing(order, until);
        // Dropped before this slow connection came to its end, though not meant for it any more.
        let mut later = order.range(until + 1..).map(|(_, event)| event);
        let high = matches!(self.before, Before::Any)
            || later.any(|event| !event.keys.is_disjoint(&self.keys));
        let right = self.missed_unknown
            || missing == self.missed
            || (high || self.counts_may_be_high) && missing < self.missed;
        assert!(
            right,
            "{name}: {missing} missing up to {until}, told of {}; got {:?}, opened {}",
            self.missed, self.got, self.opened
        );
        assert_eq!(self.got_own, self.own.len(), "{name}: own events are missing");
    }
}
