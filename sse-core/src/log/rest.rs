//! `Rest`: what is left of a log that nobody reads and that keeps nothing.

use super::{Dropped, Log, OwnIds, Position, Seq, dropped::Few};

/// A log at rest, in as little memory as possible: there may be many.
#[derive(Debug)]
pub(crate) struct Rest {
    /// Numbers go on, since others remember them.
    first: Seq,
    newest: Position,
    /// [`Position::ZERO`] if it is not complete.
    completed: Position,
    dropped: Few,
    own_ids: Option<Box<OwnIds>>,
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            first: Seq::ZERO,
            newest: Position::ZERO,
            completed: Position::ZERO,
            dropped: Few::default(),
            own_ids: None,
        }
    }
}

impl Rest {
    /// The log as it was. Nothing is left here.
    pub(crate) fn wake<T>(&mut self) -> Log<T> {
        let Self { first, newest, completed, dropped, own_ids } = std::mem::take(self);
        let own = own_ids.as_ref().map_or(0, |known| known.cost());
        Log {
            first,
            newest,
            completed: (completed > Position::ZERO).then_some(completed),
            settled: dropped.cost() + own,
            dropped: Dropped::wake(dropped, newest),
            own_ids,
            ..Log::new(Position::ZERO)
        }
    }
}

impl<T> Log<T> {
    pub(super) fn cost_at_rest(&self) -> usize {
        let own = self.own_ids.as_ref().map_or(0, |known| known.cost());
        self.dropped.few(self.newest) * size_of::<Position>() + own
    }

    /// Whether no reader has a place here, not even one that was put out, and nobody is being woken.
    pub(super) fn could_rest(&self) -> bool {
        self.records.is_empty()
            && self.readers.has_no_places()
            && self.missed.is_none()
            && self.walk.is_none()
    }

    /// Whether it may rest, which it may not before it is counted as it will be then.
    pub(crate) fn may_rest(&self) -> bool {
        self.could_rest() && self.settled == self.cost_at_rest()
    }

    /// Puts the log at rest.
    pub(crate) fn rest(&mut self) -> Rest {
        Rest {
            first: self.first,
            newest: self.newest,
            completed: self.completed.unwrap_or(Position::ZERO),
            dropped: self.dropped.rest(self.newest),
            own_ids: self.own_ids.take(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Bounds, Change, History, Missed, reading::tests::append},
        *,
    };
    use crate::sync::Arc;

    #[test]
    fn a_log_that_has_rested_is_as_it_was() {
        let bounds = Bounds { history: History::none(), ..Bounds::default() };
        let mut log: Log<()> = Log::new(Position::ZERO);
        for n in 1..=3 {
            append(&mut log, n, &bounds);
        }
        log.complete(Position::new(9));
        log.shrink();
        assert!(!log.may_rest(), "it is not counted as it rests");
        log.settle();
        assert!(log.may_rest());
        let end = log.end();
        let log: Log<()> = log.rest().wake();
        assert_eq!((log.end(), log.last_position()), (end, Position::new(9)));
        assert_eq!((log.newest(), log.completed()), (Position::new(3), Some(Position::new(9))));
        assert_eq!(log.missed_after(Position::new(1)), Missed::Some(2));
        assert_eq!(log.missed_after(Position::new(3)), Missed::None);
        assert!(log.may_rest());
    }

    #[test]
    fn a_log_does_not_rest_while_somebody_has_a_place_in_it() {
        let mut log: Log<()> = Log::new(Position::ZERO);
        let reader = Arc::new(());
        let id = log.join(Arc::clone(&reader), log.end());
        assert!(!log.may_rest());
        log.put_out(id, &reader);
        assert!(!log.may_rest(), "its number would be somebody else's");
        log.leave(id);
        assert!(log.may_rest());
        append(&mut log, 1, &Bounds::default());
        assert!(!log.may_rest());
        log.clear(&mut Change::default());
        log.settle();
        assert!(log.may_rest());
    }
}
