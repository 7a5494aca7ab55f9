//! Events that listeners returned: they go out breadth first.
//!
//! An event is heard by all of its listeners before anything goes out that one of them returned, and what was returned
//! goes out in the order in which it was. So whoever hears two events hears them in the order in which they came to be.

use std::collections::VecDeque;

use crate::{
    boxed::BoxFuture,
    bus::{
        event::EventMeta,
        failure::Failure,
        listener::{Delivered, More, Returned, TooManyReturned},
        state::Bus,
    },
};

/// How many returned events may wait in one publication: 262 144.
///
/// What is more is not published: the publication fails with [`TooManyReturned`](crate::TooManyReturned).
pub const MAX_RETURNED_EVENTS: usize = 262_144;

/// Those that wait in one publication, or one transaction.
#[derive(Default)]
pub(super) struct Returns {
    waiting: VecDeque<Returned>,
    /// Whether it was reported that there are too many.
    told: bool,
}

/// The result of publishing the next one.
pub(super) enum Next {
    /// There is none.
    None,
    /// Its listeners ran.
    Ran,
    /// Some of its listeners are asynchronous.
    Rest(BoxFuture<More>),
}

impl Returns {
    /// Takes what listeners of one event returned, up to [`MAX_RETURNED_EVENTS`].
    pub(super) fn take(
        &mut self,
        bus: &Bus,
        meta: &EventMeta,
        returned: &mut Vec<Returned>,
        failures: &mut Vec<Failure>,
    ) {
        let room = MAX_RETURNED_EVENTS.saturating_sub(self.waiting.len());
        let too_many = returned.len() > room;
        self.waiting.extend(returned.drain(..returned.len().min(room)));
        returned.clear();
        if too_many && !std::mem::replace(&mut self.told, true) {
            let error = TooManyReturned { limit: MAX_RETURNED_EVENTS };
            failures.push(Failure::of_bus(bus.failures(), meta, error));
        }
    }

    /// Takes the result of one of them: its listeners' failures, and what they returned in turn.
    pub(super) fn took(
        &mut self,
        bus: &Bus,
        meta: &EventMeta,
        mut more: More,
        failures: &mut Vec<Failure>,
    ) {
        failures.append(&mut more.failures);
        self.take(bus, meta, &mut more.returned, failures);
    }

    /// Publishes the next one, which has waited longest.
    pub(super) fn next(
        &mut self,
        bus: &Bus,
        meta: &EventMeta,
        failures: &mut Vec<Failure>,
    ) -> Next {
        let Some(event) = self.waiting.pop_front() else { return Next::None };
        let Delivered { done, rest } = event(bus);
        self.took(bus, meta, done, failures);
        rest.map_or(Next::Ran, Next::Rest)
    }

    /// Drops all of them without publishing.
    pub(super) fn discard(&mut self) {
        self.waiting.clear();
    }
}

/// Publishes what was returned, and what listeners of that return, and so on. Returns the failures.
pub(super) async fn deliver_all(
    bus: &Bus,
    meta: &EventMeta,
    mut returned: Vec<Returned>,
) -> Vec<Failure> {
    let (mut returns, mut failures) = (Returns::default(), Vec::new());
    returns.take(bus, meta, &mut returned, &mut failures);
    loop {
        match returns.next(bus, meta, &mut failures) {
            Next::None => return failures,
            Next::Ran => {}
            Next::Rest(rest) => returns.took(bus, meta, rest.await, &mut failures),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::fixture::{bus, meta},
        *,
    };

    fn nothing() -> Returned {
        Box::new(|_| Delivered { done: More::default(), rest: None })
    }

    #[test]
    fn no_more_returned_events_wait_than_are_allowed_and_it_is_said_once() {
        let (bus, meta) = (bus(Vec::new()), meta());
        let (mut returns, mut failures) = (Returns::default(), Vec::new());
        let mut many: Vec<_> = (0..MAX_RETURNED_EVENTS).map(|_| nothing()).collect();
        returns.take(&bus, &meta, &mut many, &mut failures);
        assert!(failures.is_empty());
        for _ in 0..2 {
            returns.take(&bus, &meta, &mut vec![nothing()], &mut failures);
        }
        assert_eq!((failures.len(), returns.waiting.len()), (1, MAX_RETURNED_EVENTS));
        assert!(failures[0].source.is::<TooManyReturned>());
    }
}
