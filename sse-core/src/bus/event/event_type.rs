//! Which values are events, and what a program says of their type.

use std::{
    any::{Any, TypeId, type_name},
    fmt,
    marker::PhantomData,
};

use super::{
    codec::{Codec, Upcast},
    name::EventDescription,
};

/// Any value that can be published on the bus.
///
/// Usually derived: `#[derive(ApplicationEvent)]`. By hand it is one line; what the derive's
/// `#[event(..)]` says is said through [`EventType`].
///
/// ```
/// # use sse_tower_core::{ApplicationEvent, EventType};
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
    /// How it is written and read; without one it stays in this process.
    pub(crate) codec: Option<Codec<E>>,
    pub(crate) upcasts: Vec<Upcast<E>>,
}

/// A trait object by which listeners hear `E`, and the way from a listener of the one to a listener
/// of the other.
///
/// Without the types of listeners, which are made of events and not the other way round: who makes one
/// of these ([`EventType::supertype`], written beside `Handler`) and who uses it (`Plan`) know both.
pub(crate) struct Supertype<E> {
    pub(crate) type_id: TypeId,
    pub(crate) type_name: &'static str,
    adapt: Adapt,
    event: PhantomData<fn(&E)>,
}

/// From a `Handler<D>` to a `Handler<E>`, both erased. `None` for anything else.
type Adapt = Box<dyn Fn(&(dyn Any + Send + Sync)) -> Option<Box<dyn Any>> + Send + Sync>;

impl<E> Supertype<E> {
    pub(crate) fn new<D: ?Sized + 'static>(
        adapt: impl Fn(&(dyn Any + Send + Sync)) -> Option<Box<dyn Any>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            type_id: TypeId::of::<D>(),
            type_name: type_name::<D>(),
            adapt: Box::new(adapt),
            event: PhantomData,
        }
    }

    /// The listener of `D` as a listener of `E`.
    pub(crate) fn adapt(&self, handler: &(dyn Any + Send + Sync)) -> Option<Box<dyn Any>> {
        (self.adapt)(handler)
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
                broadcast: false,
                stored: false,
                optional: false,
            },
            supertypes: Vec::new(),
            codec: None,
            upcasts: Vec::new(),
        }
    }

    /// A stable name, such as `pay.completed`. It must not be used by two types of one program;
    /// [`build`](crate::ContextBuilder::build) refuses that.
    #[must_use]
    pub fn name(mut self, name: &'static str) -> Self {
        self.description.name = Some(name);
        self
    }

    /// The version of the event's form, 1 unless said. A form that old readers cannot read is a new version; a field
    /// that may be missing is not.
    #[must_use]
    pub fn version(mut self, version: u32) -> Self {
        self.description.version = Some(version);
        self
    }

    /// Heard on every node of the [backplane](crate::ContextBuilder::backplane): here at once, elsewhere as soon as it
    /// comes. Without a backplane it changes nothing. Needs a [`name`](Self::name) and a form, [`json`](Self::json).
    #[must_use]
    pub fn broadcast(mut self) -> Self {
        self.description.broadcast = true;
        self
    }

    /// Stored for durable listeners even where none is known: for programs that publish, and have no such listener
    /// themselves. Without it an event is stored as soon as some durable listener of any program hears it.
    #[must_use]
    pub fn stored(mut self) -> Self {
        self.description.stored = true;
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
}

#[cfg(feature = "json")]
impl<E: ApplicationEvent + serde::Serialize + serde::de::DeserializeOwned> EventType<E> {
    /// Its form is JSON, by serde: what an event needs that leaves its process. Feature `json`.
    #[must_use]
    pub fn json(mut self) -> Self {
        self.codec = Some(Codec {
            encode: |event| serde_json::to_vec(event).map_err(Into::into),
            decode: |body| serde_json::from_slice(body).map_err(Into::into),
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

pub(crate) fn describe<E: ApplicationEvent>() -> EventDescription {
    E::event_type().description
}
