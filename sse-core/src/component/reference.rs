//! `ComponentRef`: the type and the name of a component that is looked for.

use std::{
    any::{TypeId, type_name},
    fmt,
    sync::Arc,
};

use super::name::ComponentName;

/// The type and the name of a component, as a constant.
#[derive(Clone, Copy)]
pub struct ComponentRef {
    pub(crate) type_id: fn() -> TypeId,
    pub(crate) type_name: fn() -> &'static str,
    /// The id of `Arc<T>`, which people may give by mistake who are used to sharing by hand.
    pub(crate) arc_id: fn() -> TypeId,
    /// The name; empty for the component without one.
    pub(crate) name: &'static str,
}

/// Tells the components of one context apart: type and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ComponentKey {
    pub(crate) type_id: TypeId,
    pub(crate) name: &'static str,
}

impl ComponentRef {
    /// The component type `T`, without a name.
    #[must_use]
    pub const fn of<T: ?Sized + Send + Sync + 'static>() -> Self {
        Self {
            type_id: TypeId::of::<T>,
            type_name: type_name::<T>,
            arc_id: TypeId::of::<Arc<T>>,
            name: "",
        }
    }

    /// The component of type `T` that is called `N`.
    #[must_use]
    pub const fn named<T: ?Sized + Send + Sync + 'static, N: ComponentName>() -> Self {
        Self::of::<T>().called(N::NAME)
    }

    pub(crate) const fn called(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    pub(crate) fn key(&self) -> ComponentKey {
        ComponentKey { type_id: (self.type_id)(), name: self.name }
    }
}

/// In words: `` `Pool` named `eu` ``.
impl fmt::Display for ComponentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", (self.type_name)())?;
        if self.name.is_empty() { Ok(()) } else { write!(f, " named `{}`", self.name) }
    }
}

impl fmt::Debug for ComponentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str((self.type_name)())?;
        if self.name.is_empty() { Ok(()) } else { write!(f, " named {:?}", self.name) }
    }
}
