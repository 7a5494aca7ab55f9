//! `ComponentName`: tells several components of one type apart.

/// The name of a component, as a type: `Component<Pool, Eu>` is the `Pool` that was given by
/// [`.component_named("eu", ..)`](crate::ContextBuilder::component_named).
///
/// A type because it can stand wherever a type can: in a listener's parameters, in a handler's, in a closure's. It is
/// never made, so a unit struct will do. What is called `()` has no name, which is what `Component<Pool>` means.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Component, ComponentName, Listener, WiringError};
/// # use std::sync::Arc;
/// # struct Paid; impl ApplicationEvent for Paid {}
/// struct Pool { server: &'static str }
///
/// struct Eu;
/// impl ComponentName for Eu {
///     const NAME: &'static str = "eu";
/// }
///
/// let context = ApplicationContext::bare()
///     .component_named("eu", Pool { server: "db.eu" })
///     .component_named("us", Pool { server: "db.us" })
///     .build()?;
/// let eu: Option<Component<Pool>> = context.component_named("eu");
/// assert_eq!(eu.map(|pool| pool.server), Some("db.eu"));
///
/// // What a handler or a listener takes.
/// async fn store(pool: Component<Pool, Eu>) {
///     assert_eq!(pool.server, "db.eu");
/// }
/// # Ok::<(), WiringError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the name of a component",
    label = "not the name of a component",
    note = "a name is a type that says it: `impl ComponentName for {Self} {{ const NAME: &'static str = \"eu\"; }}`"
)]
pub trait ComponentName: Send + Sync + 'static {
    /// What was given to [`component_named`](crate::ContextBuilder::component_named).
    const NAME: &'static str;
}

/// No name.
impl ComponentName for () {
    const NAME: &'static str = "";
}
