//! `Components`: all components of one context.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use super::reference::{ComponentKey, ComponentRef};

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

/// A component without its type: an `Arc<T>` of any `T`, trait objects too.
#[derive(Clone)]
pub struct ErasedComponent(Arc<dyn Any + Send + Sync>);

impl ErasedComponent {
    pub(crate) fn new<T: ?Sized + Send + Sync + 'static>(component: Arc<T>) -> Self {
        Self(Arc::new(component))
    }

    pub(crate) fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.downcast_ref::<Arc<T>>().map(Arc::clone)
    }

    /// The object as another type. `None` if it is no `T`.
    #[must_use]
    pub fn offer<T, U>(&self, cast: fn(Arc<T>) -> Arc<U>) -> Option<Self>
    where
        T: Send + Sync + 'static,
        U: ?Sized + Send + Sync + 'static,
    {
        self.get::<T>().map(|component| Self::new(cast(component)))
    }
}

impl fmt::Debug for ErasedComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErasedComponent")
    }
}

/// The components of one type: one without a name, or some with one each.
struct OfType {
    /// Rust's name of it.
    type_name: &'static str,
    /// By name: few, and searched from the first on. `None` for one that was promised and could not be made.
    each: Vec<(&'static str, Option<ErasedComponent>)>,
}

/// The components of one context.
#[derive(Default)]
pub(crate) struct Components(TypeMap<OfType>);

impl Components {
    /// Adds a component. `false` if there is one of this type and name already.
    pub(crate) fn add(&mut self, of: ComponentRef, component: ErasedComponent) -> bool {
        self.put(of, Some(component))
    }

    /// Notes a component whose lack was reported, so that it is not reported again as missing.
    pub(crate) fn promise(&mut self, of: ComponentRef) {
        self.put(of, None);
    }

    fn put(&mut self, of: ComponentRef, component: Option<ErasedComponent>) -> bool {
        let each = &mut self
            .0
            .entry((of.type_id)())
            .or_insert_with(|| OfType { type_name: (of.type_name)(), each: Vec::new() })
            .each;
        let free = each.iter().all(|(name, _)| *name != of.name);
        if free {
            each.push((of.name, component));
        }
        free
    }

    pub(crate) fn erased(&self, type_id: TypeId, name: &str) -> Option<&ErasedComponent> {
        self.find(type_id, name)?.as_ref()
    }

    pub(crate) fn get<T: ?Sized + Send + Sync + 'static>(&self, name: &str) -> Option<Arc<T>> {
        self.erased(TypeId::of::<T>(), name)?.get()
    }

    /// Whether it is there, or was promised.
    pub(crate) fn contains(&self, key: ComponentKey) -> bool {
        self.find(key.type_id, key.name).is_some()
    }

    fn find(&self, type_id: TypeId, name: &str) -> Option<&Option<ErasedComponent>> {
        let each = &self.0.get(&type_id)?.each;
        each.iter().find(|(its, _)| *its == name).map(|(_, component)| component)
    }

    /// The names that components of this type have, in alphabetical order.
    pub(crate) fn names(&self, type_id: TypeId) -> Vec<&'static str> {
        let each = self.0.get(&type_id).map(|it| &*it.each).unwrap_or_default();
        let mut names: Vec<_> = each.iter().map(|it| it.0).filter(|it| !it.is_empty()).collect();
        names.sort_unstable();
        names
    }

    /// The name of a component that differs from `type_name` in its parameters alone, as
    /// `Emitters<u32>` does from `Emitters<u64>`. The first by name, if there are several.
    pub(crate) fn namesake(&self, type_name: &str) -> Option<&'static str> {
        let generic = type_name.split_once('<')?.0;
        let alike = |name: &&str| name.split_once('<').is_some_and(|it| it.0 == generic);
        self.0.values().map(|it| it.type_name).filter(|it| *it != type_name).filter(alike).min()
    }
}

impl fmt::Debug for Components {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count: usize = self.0.values().map(|it| it.each.len()).sum();
        f.debug_struct("Components").field("count", &count).finish()
    }
}
