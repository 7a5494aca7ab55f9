//! Which publication this thread is in: how deep, and through which events it came.

use std::{cell::Cell, fmt::Write as _, marker::PhantomData, panic::Location, sync::Arc};

use super::{
    call::{EventMeta, PublicationId},
    event::EventDescription,
};

/// How many publications may be nested, each made by a listener of the one before: 32.
///
/// The one that would be deeper is not delivered: it fails with
/// [`RepublishedTooDeep`](crate::RepublishedTooDeep), which names the cycle. The count follows returned
/// events, and publications made while a listener runs, on its thread or in its future; a task that a
/// listener spawns by itself starts at 0.
pub const MAX_PUBLICATION_DEPTH: usize = 32;

/// An event type in the chain: cheap to note, asked only when a cycle has to be named.
pub(crate) type Link = fn() -> EventDescription;

struct Current {
    depth: Cell<usize>,
    publication: Cell<Option<PublicationId>>,
    chain: [Cell<Option<Link>>; MAX_PUBLICATION_DEPTH],
}

// Constant and without a destructor: an access is a plain load.
thread_local! {
    static CURRENT: Current = const {
        Current {
            depth: Cell::new(0),
            publication: Cell::new(None),
            chain: [const { Cell::new(None) }; MAX_PUBLICATION_DEPTH],
        }
    };
}

/// While it lives, this thread is in the publication. What was before is restored by dropping it.
pub(crate) struct Scope {
    /// What it is called with, depth and parent of which are what was before.
    meta: EventMeta,
    /// It restores this thread's state.
    not_send: PhantomData<*const ()>,
}

impl Scope {
    /// Enters a new publication. The error is the cycle that led here.
    #[inline]
    pub(crate) fn enter(
        link: Link,
        id: PublicationId,
        at: &'static Location<'static>,
    ) -> Result<Self, Arc<str>> {
        CURRENT.with(|current| {
            let depth = current.depth.get();
            let Some(place) = current.chain.get(depth) else {
                return Err(name_cycle(current, link));
            };
            place.set(Some(link));
            current.depth.set(depth + 1);
            let parent = current.publication.replace(Some(id));
            // Less than `MAX_PUBLICATION_DEPTH`.
            let depth = depth as u32;
            let meta = EventMeta { event_id: id, published_at: at, depth, parent };
            Ok(Self { meta, not_send: PhantomData })
        })
    }

    #[inline]
    pub(crate) fn meta(&self) -> &EventMeta {
        &self.meta
    }
}

impl Drop for Scope {
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| {
            current.depth.set(self.meta.depth as usize);
            current.publication.set(self.meta.parent);
        });
    }
}

/// What a publication that goes on later, perhaps on another thread, takes along.
#[derive(Clone)]
pub(crate) struct Origin {
    id: PublicationId,
    /// The event itself.
    link: Option<Link>,
    /// From the outermost to itself; `None` if it is the outermost, which is most of them.
    chain: Option<Arc<[Link]>>,
}

impl Origin {
    /// Of the publication that this thread is in, which is `id`.
    pub(crate) fn current(id: PublicationId) -> Self {
        CURRENT.with(|current| {
            let chain = current.chain.iter().take(current.depth.get()).filter_map(Cell::get);
            let ancestors = (current.depth.get() > 1).then(|| chain.clone().collect());
            Self { id, chain: ancestors, link: chain.last() }
        })
    }

    /// Of the publication that this thread is in, if it is in one.
    pub(crate) fn outer() -> Option<Self> {
        CURRENT.with(|current| current.publication.get()).map(Self::current)
    }

    /// Runs `f` inside that publication again.
    pub(crate) fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        let _back = CURRENT.with(|current| {
            let back = Back {
                depth: current.depth.get(),
                publication: current.publication.get(),
                chain: std::array::from_fn(|i| current.chain.get(i).and_then(Cell::get)),
            };
            let links = self.chain.as_deref().unwrap_or(self.link.as_slice());
            for (place, link) in current.chain.iter().zip(links) {
                place.set(Some(*link));
            }
            current.depth.set(links.len());
            current.publication.set(Some(self.id));
            back
        });
        f()
    }
}

struct Back {
    depth: usize,
    publication: Option<PublicationId>,
    chain: [Option<Link>; MAX_PUBLICATION_DEPTH],
}

impl Drop for Back {
    fn drop(&mut self) {
        CURRENT.with(|current| {
            current.depth.set(self.depth);
            current.publication.set(self.publication);
            for (place, link) in current.chain.iter().zip(self.chain) {
                place.set(link);
            }
        });
    }
}

/// The shortest repetition at the end of the chain, `A → B → A`; without one, its last events.
#[cold]
fn name_cycle(current: &Current, link: Link) -> Arc<str> {
    const SHOWN: usize = 8;
    let mut names: Vec<String> =
        current.chain.iter().filter_map(Cell::get).map(|link| link().label()).collect();
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
