//! Waiting for the state of keys, where the client cannot go on from where it was.
//!
//! A reader that waits reads nothing: not of its other keys either, since one id says where a client stands in all of
//! them. What it waits for is written as one piece, before everything else; only the last of several has an id, so that
//! a client that gets a part of it comes back as one that got nothing.

use std::{
    task::{Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    awaited::{Awaited, AwaitedKey},
    output::Output,
    reader::Reader,
};
use crate::{
    close_reason::CloseReason,
    event::{bye, id_line},
    log::{Offset, Position},
    spread,
    sync::Arc,
};

/// How often a stream that waits looks for itself: whoever was to be woken for it may not be polled.
const LOOK: Duration = Duration::from_secs(1);

impl Reader {
    /// Begins to wait for the keys that begin with their state.
    pub(super) fn begin_anew(&mut self) {
        for index in 0..self.cursors.len() {
            if self.cursors[index].begins_anew() && self.renew(index) {
                self.renewal().nowhere = true;
            }
        }
    }

    /// If `is_gone`, forgets where the client stands: it means nothing any more.
    pub(super) fn forget_place_if(&mut self, is_gone: bool) {
        if is_gone {
            self.renewal().nowhere = true;
            if let Some(aside) = &mut self.aside {
                aside.own = None;
            }
        }
    }

    fn renewal(&mut self) -> &mut Awaited {
        self.aside.get_or_insert_default().renewal.get_or_insert_default()
    }

    /// Whether there is no place that the client could come back to.
    pub(super) fn is_nowhere(&self) -> bool {
        let renewal = self.aside.as_ref().and_then(|aside| aside.renewal.as_ref());
        renewal.is_some_and(|renewal| renewal.nowhere)
    }

    /// Whether this stream has no use for a state any more.
    fn ends_without_state(&self) -> bool {
        self.is_ending() && self.conn.lifecycle().closed() != Some(CloseReason::Completed)
    }

    /// Begins to wait for the state of this key, if it can be had.
    pub(super) fn renew(&mut self, index: usize) -> bool {
        if self.ends_without_state() {
            return false;
        }
        let waker = Waker::from(Arc::clone(&self.conn));
        let Some(until) = self.cursors[index].renew(&waker) else { return false };
        let renewal = self.renewal();
        renewal.keys.retain(|key| key.cursor != index);
        renewal.keys.push(AwaitedKey { cursor: index, state: None, until });
        // What it was not told of yet is in the state.
        if let Some(aside) = &mut self.aside {
            aside.lost.retain(|lost| lost.cursor != index);
        }
        self.waits = true;
        self.more = true;
        true
    }

    /// Whether everything that it waits for is there. If so it is written, and the reader reads on.
    pub(super) fn is_renewed(&mut self, out: &mut Output) -> bool {
        // What the client came with, if anything.
        self.give_local(Offset::FIRST.after(), out);
        if self.ends_without_state() {
            self.end_here(out);
            return false;
        }
        let waker = Waker::from(Arc::clone(&self.conn));
        let Some(renewal) = self.aside.as_mut().and_then(|aside| aside.renewal.as_mut()) else {
            self.waits = false;
            return true;
        };
        let mut pending: Option<Instant> = None;
        for key in renewal.keys.iter_mut().filter(|key| key.state.is_none()) {
            let Some(cursor) = self.cursors.get_mut(key.cursor) else { continue };
            match cursor.poll_state(&waker) {
                Poll::Pending => {
                    pending = Some(pending.map_or(key.until, |first| first.min(key.until)));
                }
                Poll::Ready(Some(state)) => key.state = Some(state),
                Poll::Ready(None) => {
                    let farewell = bye(CloseReason::Failed, Some(spread::soon()));
                    self.conn.close(CloseReason::Failed, Some(farewell));
                    self.take_over();
                    self.end_here(out);
                    return false;
                }
            }
        }
        if let Some(until) = pending {
            self.look_at(Some(until.min(Instant::now() + LOOK)));
            return false;
        }
        self.look_at(None);
        self.give_states(out);
        true
    }

    fn look_at(&mut self, at: Option<Instant>) {
        if let Some(timing) = &mut self.timing {
            timing.look_at(at, &self.conn);
        }
    }

    /// Writes the states, and stands at the first of their places.
    fn give_states(&mut self, out: &mut Output) {
        self.waits = false;
        let renewal = self.aside.as_mut().and_then(|aside| aside.renewal.take());
        let Some(Awaited { keys, .. }) = renewal else { return };
        // Where it stood before counts for the others, if that means anything.
        let of_all = keys.len() == self.cursors.len();
        let mut states: Vec<_> =
            keys.into_iter().filter_map(|key| Some((key.cursor, key.state?))).collect();
        let before = if of_all { Position::LAST } else { self.position };
        let first = states.iter().min_by_key(|(_, state)| state.place);
        if let Some((cursor, state)) = first
            && state.place <= before
        {
            (self.of, self.position, self.got) = (*cursor, state.place, false);
            self.began = Position::LAST;
            // That is another place than what the client came with.
            if let Some(aside) = &mut self.aside {
                aside.own = None;
            }
        }
        let Some((cursor, last)) = states.pop() else { return };
        for (_, state) in states {
            out.push(state.frame);
        }
        match self.client_id() {
            _ if self.of == cursor && self.position == last.place => out.push(last.with_id),
            Some(id) => {
                out.push(id_line(&id));
                out.push(last.frame);
            }
            None => out.push(last.frame),
        }
    }

    /// Ends without the state: what is for this connection alone it still gets, and can come back from where it was.
    fn end_here(&mut self, out: &mut Output) {
        let id = self.client_id();
        self.cursors.clear();
        if let Some(aside) = &mut self.aside {
            aside.renewal = None;
        }
        self.waits = false;
        if let Some(id) = id {
            self.holds(id);
        }
        loop {
            self.give_all(out);
            self.take_over();
            if !self.queued && self.local.is_empty() {
                break;
            }
        }
        self.at_end = true;
    }
}
