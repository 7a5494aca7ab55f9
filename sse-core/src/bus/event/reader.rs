//! `Reader`: reads every version of an event. It knows both the type and its form, which do not know each other's
//! type.

use std::fmt;

use super::{
    codec::{Codec, Upcast},
    event_type::{ApplicationEvent, EventType, describe},
    name::EventDescription,
};
use crate::boxed::BoxError;

impl<E: ApplicationEvent> EventType<E> {
    /// Reads events of the version before, which `Old` is: an event type of the same name, with a form of its own.
    /// `Old` may be upcast in turn.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationEvent, EventType};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct PaidV1 { amount: u64 }
    /// #[derive(Serialize, Deserialize)]
    /// struct Paid { cents: u64 }
    ///
    /// impl ApplicationEvent for PaidV1 {
    ///     fn event_type() -> EventType<Self> {
    ///         EventType::new().name("paid").version(1).json()
    ///     }
    /// }
    /// impl ApplicationEvent for Paid {
    ///     fn event_type() -> EventType<Self> {
    ///         EventType::new().name("paid").version(2).json().upcast(|old: PaidV1| Paid { cents: old.amount * 100 })
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn upcast<Old: ApplicationEvent>(
        mut self,
        upcast: impl Fn(Old) -> E + Send + Sync + 'static,
    ) -> Self {
        self.upcasts.push(Upcast::new(upcast));
        self
    }
}

impl<E> Upcast<E> {
    pub(crate) fn new<Old: ApplicationEvent>(
        upcast: impl Fn(Old) -> E + Send + Sync + 'static,
    ) -> Self {
        Self {
            describe: describe::<Old>,
            versions: || Reader::<Old>::of().map(|old| old.versions()).unwrap_or_default(),
            read: Box::new(move |version, body| {
                let old = Reader::<Old>::of().ok_or("its older form cannot be read")?;
                old.read(version, body).map(&upcast)
            }),
        }
    }
}

/// Reads every version of `E` that this program knows.
pub(crate) struct Reader<E> {
    pub(crate) name: &'static str,
    version: u32,
    codec: Codec<E>,
    upcasts: Vec<Upcast<E>>,
}

impl<E: ApplicationEvent> Reader<E> {
    /// `None` for a type that does not travel: without a name, or without a form.
    pub(crate) fn of() -> Option<Self> {
        let event_type = E::event_type();
        let description = event_type.description;
        let version = description.wire_version();
        let mut upcasts = event_type.upcasts;
        // What is not older than what it is made into is a mistake, which `fault` names; here it would go round for ever.
        upcasts.retain(|it| (it.describe)().wire_version() < version);
        Some(Self { name: description.name?, version, codec: event_type.codec?, upcasts })
    }

    /// The versions that can be read, newest first.
    pub(crate) fn versions(&self) -> Vec<u32> {
        let older = self.upcasts.iter().flat_map(|it| (it.versions)());
        newest_first(std::iter::once(self.version).chain(older).collect())
    }

    pub(crate) fn read(&self, version: u32, body: &[u8]) -> Result<E, BoxError> {
        if version == self.version {
            return (self.codec.decode)(body);
        }
        match self.upcasts.iter().find(|it| (it.versions)().contains(&version)) {
            Some(upcast) => (upcast.read)(version, body),
            None => Err(format!("version {version} of `{}` cannot be read", self.name).into()),
        }
    }
}

impl<E> fmt::Debug for Reader<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({} v{})", self.name, self.version)
    }
}

fn newest_first(mut versions: Vec<u32>) -> Vec<u32> {
    versions.sort_unstable();
    versions.dedup();
    versions.reverse();
    versions
}

/// What is wrong with what is said of how `E` travels, as the rest of a sentence.
pub(crate) fn fault<E: ApplicationEvent>() -> Option<String> {
    let EventType { description, codec, upcasts, .. } = E::event_type();
    fault_of(&description, codec.is_some(), upcasts.iter().map(|it| (it.describe)()).collect())
}

fn fault_of(
    description: &EventDescription,
    has_form: bool,
    upcasts: Vec<EventDescription>,
) -> Option<String> {
    if description.travels_by_itself() && description.name.is_none() {
        return Some("is to leave its process and has no name; add `name = \"..\"`".to_owned());
    }
    if description.travels_by_itself() && !has_form {
        return Some(
            "is to leave its process and has no form; derive `Serialize` and `Deserialize`, and say `.json()`"
                .to_owned(),
        );
    }
    let version = description.wire_version();
    let mut seen = Vec::new();
    for old in upcasts {
        let from = old.wire_version();
        if old.name != description.name {
            return Some(format!(
                "is upcast from `{}`, which is another event; give it the same `name`",
                old.label()
            ));
        }
        if from.checked_add(1) != Some(version) {
            return Some(format!(
                "of version {version} is upcast from version {from}; upcast from the version before it, which may be upcast in turn"
            ));
        }
        if seen.contains(&from) {
            return Some(format!("is upcast from version {from} twice; keep one of the two"));
        }
        seen.push(from);
    }
    None
}
