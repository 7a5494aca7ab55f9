//! Which publication this thread is in: how deep, and through which events it came.

use std::{cell::Cell, fmt::Write as _, marker::PhantomData, panic::Location, sync::Arc};

use crate::bus::event::{EventDescription, EventMeta, Journey, PublicationId};

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
    /// From the outermost to the one it is in, as many as it is deep. What follows is left over.
    chain: [Cell<Option<Link>>; MAX_PUBLICATION_DEPTH],
    /// By depth, hence nothing at 0; of those that were entered elsewhere, only the innermost.
    ids: [Cell<Option<PublicationId>>; MAX_PUBLICATION_DEPTH + 1],
}

impl Current {
    #[inline]
    fn publication(&self) -> Option<PublicationId> {
        self.ids.get(self.depth.get())?.get()
    }
}

// Constant and without a destructor: an access is a plain load.
thread_local! {
    static CURRENT: Current = const {
        Current {
            depth: Cell::new(0),
            ids: [const { Cell::new(None) }; MAX_PUBLICATION_DEPTH + 1],
            chain: [const { Cell::new(None) }; MAX_PUBLICATION_DEPTH],
        }
    };
}

/// While it lives, this thread is in the publication. What was before is restored by dropping it.
pub(crate) struct Scope {
    /// What listeners are called with. Its depth is what was before.
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
            let (Some(place), Some(id_place)) =
                (current.chain.get(depth), current.ids.get(depth + 1))
            else {
                return Err(name_cycle(current, link));
            };
            let parent = current.publication();
            place.set(Some(link));
            id_place.set(Some(id));
            current.depth.set(depth + 1);
            // Less than `MAX_PUBLICATION_DEPTH`.
            let depth = depth as u32;
            let meta =
                EventMeta { event_id: id, published_at: at, depth, parent, journey: Journey::NONE };
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
    /// The origin of publication `id`, which this thread is in.
    pub(crate) fn current(id: PublicationId) -> Self {
        CURRENT.with(|current| {
            let chain = current.chain.iter().take(current.depth.get()).filter_map(Cell::get);
            let ancestors = (current.depth.get() > 1).then(|| chain.clone().collect());
            Self { id, chain: ancestors, link: chain.last() }
        })
    }

    /// The origin of the publication that this thread is in, if it is in one.
    pub(crate) fn outer() -> Option<Self> {
        CURRENT.with(Current::publication).map(Self::current)
    }

    /// Runs `f` inside that publication again.
    pub(crate) fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        let _back = CURRENT.with(|current| {
            let links = self.chain.as_deref().unwrap_or(self.link.as_slice());
            let innermost = links.len();
            let id = current.ids.get(innermost).and_then(|place| place.replace(Some(self.id)));
            let back = Back {
                depth: current.depth.get(),
                id: (innermost, id),
                chain: std::array::from_fn(|i| current.chain.get(i).and_then(Cell::get)),
            };
            for (place, link) in current.chain.iter().zip(links) {
                place.set(Some(*link));
            }
            current.depth.set(links.len());
            back
        });
        f()
    }
}

struct Back {
    depth: usize,
    id: (usize, Option<PublicationId>),
    chain: [Option<Link>; MAX_PUBLICATION_DEPTH],
}

impl Drop for Back {
    fn drop(&mut self) {
        CURRENT.with(|current| {
            current.depth.set(self.depth);
            if let Some(place) = current.ids.get(self.id.0) {
                place.set(self.id.1);
            }
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
