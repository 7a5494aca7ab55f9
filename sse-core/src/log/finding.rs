//! Finding the event of an id that the program gave, where that is certain.

use super::{
    Log,
    own_ids::{OwnIds, is_after},
    position::Place,
    record::{Record, Seq},
};
use crate::event::EventId;

impl<T> Log<T> {
    /// Notes that the key had ids of the program's before, of which everything was forgotten.
    pub(crate) fn inherit_own_ids(&mut self) {
        self.own_ids = Some(Box::new(OwnIds::new(Seq::ZERO, true)));
    }

    /// Whether the program ever gave an id here.
    pub(crate) fn has_own_ids(&self) -> bool {
        self.own_ids.is_some()
    }

    /// Where the event with this id stands, if that is certain.
    pub(crate) fn find(&self, id: &EventId) -> Place {
        let Some(known) = &self.own_ids else { return Place::Nowhere };
        if known.may_have_dropped(id) {
            return Place::Several;
        }
        let own = self.records.iter().filter(|record| record.own_id.as_ref() == Some(id));
        own.fold(Place::Nowhere, |all, record| all.and(Place::At(record.position)))
    }

    /// Notes that a record with an id of the program's is about to be appended.
    pub(super) fn own_id_added(&mut self, record: &Record) {
        let (end, id) = (self.end(), record.own_id.as_ref());
        let before = self.own_ids.as_ref().map(|known| {
            let newest = self.get(known.newest).and_then(|newest| newest.own_id.as_ref());
            newest.or(known.dropped.as_ref())
        });
        let rises = match (before, id) {
            (Some(Some(before)), Some(id)) => is_after(id, before),
            _ => true,
        };
        let known = self.own_ids.get_or_insert_with(|| Box::new(OwnIds::new(end, false)));
        known.rising &= rises;
        known.newest = end;
    }

    /// Notes that a record is about to be inserted before others, as number `seq`.
    pub(super) fn own_id_inserted(&mut self, record: &Record, seq: Seq) {
        match &mut self.own_ids {
            Some(known) => {
                if known.newest >= seq {
                    known.newest = known.newest.plus(1);
                }
                known.rising &= record.own_id.is_none();
            }
            None if record.own_id.is_some() => {
                self.own_ids = Some(Box::new(OwnIds::new(seq, false)));
            }
            None => {}
        }
    }

    pub(super) fn own_id_dropped(&mut self, id: EventId) {
        if let Some(known) = &mut self.own_ids {
            known.dropped = Some(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            Bounds, Change, Position,
            reading::tests::{append, record},
        },
        *,
    };

    fn id(text: &str) -> EventId {
        EventId::try_from(text).unwrap()
    }

    /// A log of events with these ids, at positions from 1 on.
    fn log(ids: &[&str]) -> Log<()> {
        let mut log = Log::new(Position::ZERO);
        for (n, own) in (1..).zip(ids) {
            log.append(Record { own_id: Some(id(own)), ..record(n) }, &Bounds::default());
        }
        log
    }

    fn drop_first(log: &mut Log<()>) {
        let first = log.first;
        log.drop_through(first, &mut Change::default());
    }

    fn at(position: u64) -> Place {
        Place::At(Position::new(position))
    }

    #[test]
    fn an_id_that_was_used_once_says_where_its_event_stands() {
        let log = log(&["b", "a"]);
        assert_eq!([log.find(&id("b")), log.find(&id("a"))], [at(1), at(2)]);
        assert_eq!(log.find(&id("c")), Place::Nowhere);
    }

    #[test]
    fn an_id_that_was_used_twice_says_nothing() {
        assert_eq!(log(&["a", "b", "a"]).find(&id("a")), Place::Several);
    }

    #[test]
    fn an_id_whose_first_use_was_dropped_says_nothing() {
        let mut log = log(&["a", "b", "a"]);
        drop_first(&mut log);
        assert_eq!(log.find(&id("a")), Place::Several);
    }

    #[test]
    fn ids_that_rise_stay_certain_when_older_ones_are_dropped() {
        let mut log = log(&["8", "9", "10", "11"]);
        drop_first(&mut log);
        drop_first(&mut log);
        assert_eq!(log.find(&id("11")), at(4));
        append(&mut log, 5, &Bounds::default());
        log.append(Record { own_id: Some(id("12")), ..record(6) }, &Bounds::default());
        assert_eq!(log.find(&id("12")), at(6));
        assert_eq!(log.find(&id("9")), Place::Several, "it may have been any dropped one");
    }

    #[test]
    fn ids_that_fall_once_are_uncertain_as_soon_as_one_is_dropped() {
        let mut log = log(&["8", "9", "7", "10"]);
        assert_eq!(log.find(&id("10")), at(4));
        drop_first(&mut log);
        assert_eq!(log.find(&id("10")), Place::Several);
    }

    #[test]
    fn a_key_that_was_forgotten_with_such_ids_is_never_certain_again() {
        let mut log: Log<()> = Log::new(Position::new(7));
        log.inherit_own_ids();
        log.append(Record { own_id: Some(id("a")), ..record(8) }, &Bounds::default());
        assert_eq!(log.find(&id("a")), Place::Several);
    }
}
