//! Telling a client of events that it does not get: each in its place, and once.
//!
//! What `stream-gap` carries as its id is a place from which nothing is skipped, and behind what it
//! tells of. With one key that is easy. With several the events of the others stand between those that
//! are missing: so what is missing is told in its place among what is given out, as events are, and
//! what follows each other without an event between is one `stream-gap`. Where nobody knows the place,
//! the client is told at once and its position stays.

use super::{
    output::Output,
    reader::{Lost, Reader},
};
use crate::{
    event::{GapReason, frame_with_id, gap},
    log::{Missed, Overtaken, Position, Source},
    observe,
};

impl Reader {
    /// Notes events of which the client will be told that they are lost.
    pub(super) fn lose(&mut self, cursor: usize, reason: GapReason, overtaken: &Overtaken) {
        let Some(source) = self.cursors.get(cursor).map(|cursor| cursor.source()) else { return };
        let Overtaken { missed, ref positions } = *overtaken;
        let lost = |missed, position| Lost { source, cursor, reason, missed, position };
        let several = self.cursors.len() > 1;
        let all = &mut self.aside.get_or_insert_default().lost;
        let newest = positions.last().copied().unwrap_or(Position::ZERO);
        match missed {
            Missed::None => {}
            _ if !several => all.push(lost(missed, newest)),
            Missed::Some(count) => {
                let apart = positions.len() as u64;
                if count > apart {
                    all.push(lost(Missed::Some(count - apart), Position::ZERO));
                }
                all.extend(positions.iter().map(|at| lost(Missed::Some(1), *at)));
            }
            Missed::Unknown => {
                all.push(lost(Missed::Unknown, Position::ZERO));
                all.push(lost(Missed::Unknown, newest));
            }
        }
    }

    /// Like [`lose`](Self::lose), where what follows begins behind `position`.
    pub(super) fn lose_before(
        &mut self,
        cursor: usize,
        reason: GapReason,
        missed: Missed,
        position: Position,
    ) {
        self.lose(cursor, reason, &Overtaken { missed, positions: vec![position] });
    }

    /// Tells of everything of this source that was lost up to `position`.
    pub(super) fn tell_lost(&mut self, source: Source, position: Position, out: &mut Output) {
        let Some(aside) = &mut self.aside else { return };
        if aside.lost.is_empty() {
            return;
        }
        let all = std::mem::take(&mut aside.lost);
        let (mut due, left): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|lost| lost.source == source && lost.position <= position);
        aside.lost = left;
        due.sort_by_key(|lost| lost.position);
        let mut told: Option<Lost> = None;
        for lost in due {
            match &mut told {
                Some(told) if told.reason == lost.reason => {
                    told.missed = told.missed.and(lost.missed);
                    (told.position, told.cursor) = (lost.position, lost.cursor);
                }
                _ => {
                    if let Some(told) = told.replace(lost) {
                        self.tell(&told, out);
                    }
                }
            }
        }
        if let Some(told) = told {
            self.tell(&told, out);
        }
    }

    /// Tells of what was lost before everything that waits. `cuts` are up to where each source is
    /// complete.
    pub(super) fn tell_lost_before_what_waits(
        &mut self,
        cuts: &[(Source, Position)],
        out: &mut Output,
    ) {
        if !self.has_lost() {
            return;
        }
        for &(source, cut) in cuts {
            let of_it = self.cursors.iter().filter(|cursor| cursor.source() == source);
            let waits = of_it.filter_map(|cursor| cursor.next_position()).min();
            self.tell_lost(source, waits.map_or(cut, |waits| cut.min(waits.before())), out);
        }
    }

    /// Tells of everything that was lost: the stream ends.
    pub(super) fn tell_all_lost(&mut self, out: &mut Output) {
        let Some(aside) = &mut self.aside else { return };
        for mut lost in std::mem::take(&mut aside.lost) {
            lost.position = Position::ZERO;
            self.tell(&lost, out);
        }
    }

    fn has_lost(&self) -> bool {
        self.aside.as_ref().is_some_and(|aside| !aside.lost.is_empty())
    }

    fn tell(&mut self, lost: &Lost, out: &mut Output) {
        let missed = match lost.missed {
            Missed::Some(missed) => Some(missed),
            Missed::None | Missed::Unknown => None,
        };
        observe::gap(lost.reason.as_str(), missed);
        if lost.position != Position::ZERO {
            let here = self.cursors.get(self.of).map(|cursor| cursor.source());
            if here != Some(lost.source) || lost.position > self.position {
                (self.of, self.position, self.got) = (lost.cursor, lost.position, false);
            }
        }
        let frame = gap(lost.reason, missed).encode();
        out.push(match self.client_id() {
            Some(id) => frame_with_id(&frame, &id),
            None => frame,
        });
    }
}
