//! Components: the program's own objects, one of each type, fixed when the context is built.

use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    fmt,
    hash::{BuildHasherDefault, Hasher},
    ops::Deref,
    sync::Arc,
};

/// A map by type. A `TypeId` is a hash already.
pub(crate) type TypeMap<V> = HashMap<TypeId, V, BuildHasherDefault<Identity>>;

/// The hasher of what is a hash already.
#[derive(Default)]
pub(crate) struct Identity(u64);

impl Hasher for Identity {
    fn write(&mut self, bytes: &[u8]) {
        // `TypeId` writes one `u64`; this is for the day when it does not.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    #[inline]
    fn write_u64(&mut self, id: u64) {
        self.0 = id;
    }
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// A component of the context, shared. Dereferences to the component; cheap to clone.
///
/// Listeners and handlers take it as a parameter. A listener that takes `&Component<T>` does not
/// even touch its count.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, Component, WiringError};
/// struct Shop { name: &'static str }
///
/// let context = ApplicationContext::bare().component(Shop { name: "corner" }).build()?;
/// let shop: Option<Component<Shop>> = context.component();
/// assert_eq!(shop.map(|shop| shop.name), Some("corner"));
/// # Ok::<(), WiringError>(())
/// ```
pub struct Component<T: ?Sized>(Arc<T>);

impl<T: ?Sized> Component<T> {
    /// The shared object itself.
    #[must_use]
    pub fn into_arc(self) -> Arc<T> {
        self.0
    }
}

impl<T: ?Sized> From<Arc<T>> for Component<T> {
    fn from(component: Arc<T>) -> Self {
        Self(component)
    }
}

impl<T: ?Sized> Clone for Component<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> Deref for Component<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Component<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Component").field(&&*self.0).finish()
    }
}

/// The type of a component, as a constant.
#[derive(Clone, Copy)]
pub struct ComponentRef {
    pub(crate) type_id: fn() -> TypeId,
    pub(crate) type_name: fn() -> &'static str,
    /// Of what people who are used to sharing by hand give instead.
    pub(crate) arc_id: fn() -> TypeId,
}

impl ComponentRef {
    /// The component type `T`.
    #[must_use]
    pub const fn of<T: Send + Sync + 'static>() -> Self {
        Self { type_id: TypeId::of::<T>, type_name: type_name::<T>, arc_id: TypeId::of::<Arc<T>> }
    }
}

impl fmt::Debug for ComponentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str((self.type_name)())
    }
}

/// The components of one context, each with Rust's name of its type.
#[derive(Default)]
pub(crate) struct Components(TypeMap<(&'static str, Arc<dyn Any + Send + Sync>)>);

impl Components {
    /// False if there is one of that type already.
    pub(crate) fn add(
        &mut self,
        type_id: TypeId,
        type_name: &'static str,
        component: Arc<dyn Any + Send + Sync>,
    ) -> bool {
        match self.0.entry(type_id) {
            std::collections::hash_map::Entry::Occupied(_) => false,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert((type_name, component));
                true
            }
        }
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Component<T>> {
        let component = Arc::clone(&self.0.get(&TypeId::of::<T>())?.1);
        component.downcast().ok().map(Component)
    }

    pub(crate) fn contains(&self, type_id: TypeId) -> bool {
        self.0.contains_key(&type_id)
    }

    /// The name of a component that differs from `type_name` in its parameters alone, as
    /// `Emitters<u32>` does from `Emitters<u64>`. The first by name, if there are several.
    pub(crate) fn namesake(&self, type_name: &str) -> Option<&'static str> {
        let generic = type_name.split_once('<')?.0;
        let alike = |name: &&str| name.split_once('<').is_some_and(|it| it.0 == generic);
        self.0.values().map(|(name, _)| *name).filter(alike).min()
    }
}

impl fmt::Debug for Components {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Components").field("count", &self.0.len()).finish()
    }
}
