//! `Component`: a component as listeners and handlers have it.

use std::{fmt, marker::PhantomData, ops::Deref, sync::Arc};

/// A component of the context, shared. Dereferences to the component; cheap to clone.
///
/// Listeners and handlers take it as a parameter. A listener that takes `&Component<T>` does not
/// even touch its count.
///
/// `T` may be a trait object, `Component<dyn Mailer>`: what was given by
/// [`component_as`](crate::ContextBuilder::component_as), so that a test can give something else. `N` is a
/// [name](crate::ComponentName) where there are several of one type.
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
pub struct Component<T: ?Sized, N = ()> {
    shared: Arc<T>,
    name: PhantomData<fn() -> N>,
}

impl<T: ?Sized, N> Component<T, N> {
    pub(crate) fn new(shared: Arc<T>) -> Self {
        Self { shared, name: PhantomData }
    }

    /// The shared object itself.
    #[must_use]
    pub fn into_arc(self) -> Arc<T> {
        self.shared
    }
}

impl<T: ?Sized> From<Arc<T>> for Component<T> {
    fn from(component: Arc<T>) -> Self {
        Self::new(component)
    }
}

impl<T: ?Sized, N> Clone for Component<T, N> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl<T: ?Sized, N> Deref for Component<T, N> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.shared
    }
}

impl<T: ?Sized + fmt::Debug, N> fmt::Debug for Component<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Component").field(&&*self.shared).finish()
    }
}
