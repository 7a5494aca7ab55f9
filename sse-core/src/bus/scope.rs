//! Which publication this thread is in: how deep, and through which events it came.

use std::{cell::Cell, fmt::Write as _, marker::PhantomData, panic::Location, sync::Arc};

use super::event::{EventDescription, EventMeta, Journey, PublicationId};

/// How many publications may be nested, each made by a listener of the one before: 32.
///
/// The one that would be deeper is not delivered: it fails with
/// [`RepublishedTooDeep`](crate::RepublishedTooDeep), which names the cycle. The count follows returned
/// events, and publications made while a listener runs, on its thread or in its future; a task that a
/// listener spawns by itself starts at 0.
pub const MAX_PUBLICATION_DEPTH: usize = 32;

/// An event type in the chain: cheap to note, asked only when a cycle has to be named.
pub(crate) type Link = fn() -> EventDescription;

/// A publication that this thread is in.
#[derive(Clone, Copy)]
struct Place {
    link: Link,
    id: PublicationId,
}

type Chain = [Cell<Option<Place>>; MAX_PUBLICATION_DEPTH];

struct Current {
    depth: Cell<usize>,
    /// From the outermost to the one it is in, as many as it is deep. What follows is left over.
    chain: Chain,
}

impl Current {
    /// The places that it is in, from the outermost on.
    fn places(&self) -> impl Iterator<Item = Place> + Clone {
        self.chain.iter().take(self.depth.get()).filter_map(Cell::get)
    }
}

// Constant and without a destructor: an access is a plain load.
thread_local! {
    static CURRENT: Current = const {
        Current { depth: Cell::new(0), chain: [const { Cell::new(None) }; MAX_PUBLICATION_DEPTH] }
    };
}

/// While it lives, this thread is in the publication. What was before is restored by dropping it.
pub(crate) struct Scope {
    /// How deep the thread was before.
    depth: usize,
    /// It restores this thread's state.
    not_send: PhantomData<*const ()>,
}

impl Scope {
    /// Enters a new publication. The error is the cycle that led here.
    #[inline(always)]
    pub(crate) fn enter(link: Link, id: PublicationId) -> Result<Self, Arc<str>> {
        CURRENT.with(|current| {
            let depth = current.depth.get();
            let Some(place) = current.chain.get(depth) else {
                return Err(name_cycle(current, link));
            };
            place.set(Some(Place { link, id }));
            current.depth.set(depth + 1);
            Ok(Self { depth, not_send: PhantomData })
        })
    }
}

impl Drop for Scope {
    #[inline(always)]
    fn drop(&mut self) {
        CURRENT.with(|current| current.depth.set(self.depth));
    }
}

/// What is known of publication `id`, which this thread is in.
pub(crate) fn meta(id: PublicationId, published_at: &'static Location<'static>) -> EventMeta {
    CURRENT.with(|current| {
        let depth = current.depth.get().saturating_sub(1);
        let parent = depth.checked_sub(1).and_then(|above| current.chain.get(above)?.get());
        EventMeta {
            event_id: id,
            published_at,
            // Less than `MAX_PUBLICATION_DEPTH`.
            depth: depth as u32,
            parent: parent.map(|place| place.id),
            journey: Journey::NONE,
        }
    })
}

/// What a publication that goes on later, perhaps on another thread, takes along.
#[derive(Clone)]
pub(crate) struct Origin {
    /// Itself.
    place: Option<Place>,
    /// From the outermost to itself; `None` if it is the outermost, which is most of them.
    chain: Option<Arc<[Place]>>,
}

impl Origin {
    /// The origin of the publication that this thread is in.
    pub(crate) fn current() -> Self {
        CURRENT.with(|current| {
            let places = current.places();
            let nested = current.depth.get() > 1;
            Self { chain: nested.then(|| places.clone().collect()), place: places.last() }
        })
    }

    /// The same, if it is in one.
    pub(crate) fn outer() -> Option<Self> {
        let origin = Self::current();
        origin.place.is_some().then_some(origin)
    }

    /// Runs `f` inside that publication again.
    pub(crate) fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        let mut back = Back { depth: 0, chain: None };
        CURRENT.with(|current| {
            back.depth = current.depth.get();
            // Mostly it is in none, and what was left over is no loss.
            if back.depth > 0 {
                back.save(&current.chain);
            }
            let places = self.chain.as_deref().unwrap_or(self.place.as_slice());
            for (to, place) in current.chain.iter().zip(places) {
                to.set(Some(*place));
            }
            current.depth.set(places.len());
        });
        f()
    }
}

struct Back {
    depth: usize,
    chain: Option<[Option<Place>; MAX_PUBLICATION_DEPTH]>,
}

impl Back {
    #[cold]
    fn save(&mut self, chain: &Chain) {
        self.chain = Some(std::array::from_fn(|i| chain.get(i).and_then(Cell::get)));
    }

    #[cold]
    fn restore(saved: &[Option<Place>], chain: &Chain) {
        for (to, place) in chain.iter().zip(saved) {
            to.set(*place);
        }
    }
}

impl Drop for Back {
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| {
            current.depth.set(self.depth);
            if let Some(saved) = &self.chain {
                Self::restore(saved, &current.chain);
            }
        });
    }
}

/// The shortest repetition at the end of the chain, `A → B → A`; without one, its last events.
#[cold]
fn name_cycle(current: &Current, link: Link) -> Arc<str> {
    const SHOWN: usize = 8;
    let mut names: Vec<String> = current.places().map(|place| (place.link)().label()).collect();
    names.push(link().label());
    let (last, before) = match names.split_last() {
        Some((last, before)) => (last, before),
        None => return Arc::from(""),
    };
    let from = before.iter().rposition(|name| name == last);
    let mut text = String::new();
    let from = from.unwrap_or_else(|| {
        text.push_str("… → ");
        names.len().saturating_sub(SHOWN)
    });
    for (i, name) in names.iter().skip(from).enumerate() {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{}{name}", if i == 0 { "" } else { " → " });
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> EventDescription {
        let (name, version) = (Some("paid"), None);
        let (broadcast, stored, optional) = (false, false, false);
        EventDescription { type_name: "Paid", name, version, broadcast, stored, optional }
    }

    fn enter() -> (PublicationId, Scope) {
        let id = PublicationId::next();
        (id, Scope::enter(link, id).unwrap())
    }

    fn parent_of(id: PublicationId) -> Option<PublicationId> {
        meta(id, Location::caller()).parent
    }

    #[test]
    fn what_goes_on_within_an_origin_leaves_the_publications_around_it_as_they_were() {
        let elsewhere = {
            let (_id, _scope) = enter();
            Origin::current()
        };
        let (outer, _outer) = enter();
        let (inner, _inner) = enter();
        // Nested as deep as `inner` is.
        elsewhere.within(|| assert_ne!(parent_of(enter().0), Some(outer)));
        assert_eq!(parent_of(inner), Some(outer));
        let (innermost, _innermost) = enter();
        assert_eq!(parent_of(innermost), Some(inner));
    }

    #[test]
    fn an_origin_knows_the_publications_that_it_is_nested_in() {
        let (outer, origin, inner) = {
            let (outer, _outer) = enter();
            let (inner, _inner) = enter();
            (outer, Origin::current(), inner)
        };
        assert!(Origin::outer().is_none());
        origin.within(|| {
            assert_eq!(parent_of(inner), Some(outer));
            let (innermost, _innermost) = enter();
            assert_eq!(parent_of(innermost), Some(inner));
        });
        assert!(Origin::outer().is_none());
    }
}
