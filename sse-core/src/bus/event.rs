//! What an application event is, and how its type is named.

use std::{
    any::{TypeId, type_name},
    fmt,
    sync::Arc,
};

use super::{
    call::Call,
    prepared::{Bound, Prepared},
    slot::{AnySlot, Slot, Sources},
};

/// Any value that can be published on the bus.
///
/// Usually derived: `#[derive(ApplicationEvent)]`. By hand it is one line; what the derive's
/// `#[event(..)]` says is said through [`EventType`].
///
/// ```
/// use sse_tower_core::{ApplicationEvent, EventType};
///
/// struct PayCompleted { pay_record_id: u64 }
///
/// impl ApplicationEvent for PayCompleted {
///     fn event_type() -> EventType<Self> {
///         EventType::new().name("pay.completed").version(1)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an application event",
    label = "not an application event",
    note = "add `#[derive(ApplicationEvent)]` to `{Self}`; a listener takes the event first, by `&{Self}` or `Arc<{Self}>`"
)]
pub trait ApplicationEvent: Send + Sync + Sized + 'static {
    /// What is to be known of this type. The default knows nothing but Rust's name of it.
    fn event_type() -> EventType<Self> {
        EventType::new()
    }
}

/// What the program says of one event type: its stable name, its version, the traits by which
/// listeners may hear it.
///
/// ```
/// # use sse_tower_core::{ApplicationEvent, EventType};
/// struct PayCompleted;
///
/// impl ApplicationEvent for PayCompleted {
///     fn event_type() -> EventType<Self> {
///         EventType::new().name("pay.completed").version(2).optional()
///     }
/// }
/// ```
pub struct EventType<E> {
    pub(crate) description: EventDescription,
    pub(crate) supertypes: Vec<Supertype<E>>,
}

/// The part of an [`EventType`] that does not depend on the type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventDescription {
    pub(crate) type_name: &'static str,
    pub(crate) name: Option<&'static str>,
    pub(crate) version: Option<u32>,
    pub(crate) reach: Reach,
    /// Nobody need hear it: not counted as unheard.
    pub(crate) optional: bool,
}

impl EventDescription {
    /// The name for people: the stable one, else Rust's without its path.
    pub(crate) fn label(&self) -> String {
        match self.name {
            Some(name) => name.to_owned(),
            None => short_name(self.type_name),
        }
    }
}

/// How far an event is meant to travel, once there are several nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Here,
    Broadcast,
    Queue(&'static str),
}

/// How listeners of `D` are made to hear `E`.
pub(crate) struct Supertype<E> {
    pub(crate) type_id: TypeId,
    pub(crate) type_name: &'static str,
    adapt: Adapt<E>,
}

type Adapt<E> =
    Box<dyn Fn(&(dyn std::any::Any + Send + Sync)) -> Option<Prepared<E>> + Send + Sync>;

impl<E> Supertype<E> {
    pub(crate) fn adapt(
        &self,
        prepared: &(dyn std::any::Any + Send + Sync),
    ) -> Option<Prepared<E>> {
        (self.adapt)(prepared)
    }
}

impl<E: ApplicationEvent> EventType<E> {
    /// A type of which nothing is said.
    #[must_use]
    pub fn new() -> Self {
        Self {
            description: EventDescription {
                type_name: type_name::<E>(),
                name: None,
                version: None,
                reach: Reach::Here,
                optional: false,
            },
            supertypes: Vec::new(),
        }
    }

    /// A stable name, such as `pay.completed`. It must not be used by two types of one program;
    /// [`build`](crate::ContextBuilder::build) refuses that.
    #[must_use]
    pub fn name(mut self, name: &'static str) -> Self {
        self.description.name = Some(name);
        self
    }

    /// The version of the event's shape, for those who read stored or sent ones.
    #[must_use]
    pub fn version(mut self, version: u32) -> Self {
        self.description.version = Some(version);
        self
    }

    /// Meant for every node. Kept with the type; on one node it changes nothing.
    #[must_use]
    pub fn broadcast(mut self) -> Self {
        self.description.reach = Reach::Broadcast;
        self
    }

    /// Meant for one node of the group `queue`. Kept with the type; on one node it changes nothing.
    #[must_use]
    pub fn queue(mut self, queue: &'static str) -> Self {
        self.description.reach = Reach::Queue(queue);
        self
    }

    /// It is no mistake if nobody listens: such events are not counted as unheard.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, EventType};
    /// struct Ticked;
    ///
    /// impl ApplicationEvent for Ticked {
    ///     fn event_type() -> EventType<Self> {
    ///         EventType::new().optional()
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let context = ApplicationContext::bare().build()?;
    /// let before = context.unheard();
    /// context.publish_event(Ticked).await?;
    /// assert_eq!(context.unheard(), before);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.description.optional = true;
        self
    }

    /// Lets listeners of the trait object `D` hear this event.
    ///
    /// Both functions do nothing but coerce: `.supertype::<dyn Auditable>(|event| event, |event| event)`.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationEvent, EventType};
    /// trait Auditable: Send + Sync { fn line(&self) -> String; }
    ///
    /// struct Paid;
    /// impl Auditable for Paid { fn line(&self) -> String { "paid".into() } }
    ///
    /// impl ApplicationEvent for Paid {
    ///     fn event_type() -> EventType<Self> {
    ///         EventType::new().supertype::<dyn Auditable>(|event| event, |event| event)
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn supertype<D: ?Sized + 'static>(
        mut self,
        by_ref: fn(&E) -> &D,
        shared: fn(Arc<E>) -> Arc<D>,
    ) -> Self {
        self.supertypes.push(Supertype {
            type_id: TypeId::of::<D>(),
            type_name: type_name::<D>(),
            adapt: Box::new(move |prepared| {
                let prepared = prepared.downcast_ref::<Prepared<D>>()?;
                let bound = match &prepared.bound {
                    Bound::Ref(f) => {
                        let f = Arc::clone(f);
                        Bound::by_ref(move |event: &E, call: &Call<'_>| f(by_ref(event), call))
                    }
                    Bound::Shared(f) => {
                        let f = Arc::clone(f);
                        Bound::Shared(Arc::new(move |event, call| f(shared(event), call)))
                    }
                    Bound::Future(f) => {
                        let f = Arc::clone(f);
                        Bound::Future(Arc::new(move |event, call| f(shared(event), call)))
                    }
                    // Only a sized event can be lent.
                    Bound::Lent(_) => return None,
                };
                let condition =
                    prepared.condition.clone().map(|condition| -> super::prepared::Condition<E> {
                        Arc::new(move |event: &E| condition(by_ref(event)))
                    });
                Some(Prepared { bound, condition })
            }),
        });
        self
    }
}

impl<E: ApplicationEvent> Default for EventType<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> fmt::Debug for EventType<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let supertypes: Vec<_> =
            self.supertypes.iter().map(|supertype| supertype.type_name).collect();
        f.debug_struct("EventType")
            .field("description", &self.description)
            .field("supertypes", &supertypes)
            .finish()
    }
}

/// What a listener hears, without its type: an event, or a trait that events are declared to have.
#[derive(Clone, Copy)]
pub struct EventRef {
    pub(crate) type_id: fn() -> TypeId,
    pub(crate) type_name: fn() -> &'static str,
    pub(crate) event: Option<EventFns>,
}

#[derive(Clone, Copy)]
pub(crate) struct EventFns {
    pub(crate) describe: fn() -> EventDescription,
    pub(crate) slot: fn(&Sources) -> Arc<dyn AnySlot>,
    /// Type ids and names of its supertypes.
    pub(crate) supertypes: fn() -> Vec<(TypeId, &'static str)>,
}

impl EventRef {
    /// The event type `E`.
    #[must_use]
    pub const fn of<E: ApplicationEvent>() -> Self {
        Self {
            type_id: TypeId::of::<E>,
            type_name: type_name::<E>,
            event: Some(EventFns {
                describe: describe::<E>,
                slot: |sources| Arc::new(Slot::<E>::new(sources)),
                supertypes: || {
                    E::event_type().supertypes.iter().map(|it| (it.type_id, it.type_name)).collect()
                },
            }),
        }
    }

    /// The trait object `D`.
    #[must_use]
    pub const fn supertype<D: ?Sized + 'static>() -> Self {
        Self { type_id: TypeId::of::<D>, type_name: type_name::<D>, event: None }
    }

    pub(crate) fn id(&self) -> TypeId {
        (self.type_id)()
    }

    /// The name for people.
    pub(crate) fn label(&self) -> String {
        match &self.event {
            Some(event) => (event.describe)().label(),
            None => short_name((self.type_name)()),
        }
    }
}

impl fmt::Debug for EventRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str((self.type_name)())
    }
}

pub(crate) fn describe<E: ApplicationEvent>() -> EventDescription {
    E::event_type().description
}

/// What stands between two paths in the name of a type.
const AROUND_PATHS: [char; 11] = ['<', '>', ',', ' ', '(', ')', '&', '[', ']', ';', '+'];

/// `app::pay::Paid<app::Card>` → `Paid<Card>`: Rust's paths say too much for a sentence.
pub(crate) fn short_name(type_name: &str) -> String {
    let mut out = String::with_capacity(type_name.len());
    for part in type_name.split_inclusive(AROUND_PATHS) {
        out.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    out
}

/// `app::Paid<core::option::Option<u8>>` → `app::Paid<Option<u8>>`: without the private paths of
/// libraries, which nobody has written, but with the program's own, which tell two types apart.
pub(crate) fn readable_name(type_name: &str) -> String {
    const PRIVATE: [&str; 5] = ["alloc::", "core::", "std::", "sse_tower_core::", "sse_tower::"];
    let mut out = String::with_capacity(type_name.len());
    for part in type_name.split_inclusive(AROUND_PATHS) {
        let private = PRIVATE.iter().any(|path| part.starts_with(path));
        out.push_str(if private { part.rsplit("::").next().unwrap_or(part) } else { part });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{readable_name, short_name};

    #[test]
    fn readable_names_keep_the_paths_of_the_program() {
        assert_eq!(
            readable_name(
                "app::Paid<sse_tower_core::emitters::handle::Emitters<alloc::string::String>>"
            ),
            "app::Paid<Emitters<String>>"
        );
    }

    #[test]
    fn short_names_lose_every_path() {
        assert_eq!(short_name("app::pay::Paid"), "Paid");
        assert_eq!(
            short_name("app::Paid<app::Card, core::option::Option<u8>>"),
            "Paid<Card, Option<u8>>"
        );
        assert_eq!(short_name("dyn app::Auditable"), "dyn Auditable");
    }
}
