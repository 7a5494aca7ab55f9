//! Components: the program's own objects by type, and by name where there are several of one type. Fixed when the
//! context is built.
//!
//! * `shared` is a component as listeners and handlers have it: [`Component`].
//! * `name` tells several of one type apart: [`ComponentName`].
//! * `reference` is a component that is looked for: its type and its name.
//! * `store` is all of them.

mod name;
mod reference;
mod shared;
mod store;

pub use name::ComponentName;
pub(crate) use reference::ComponentKey;
pub use reference::ComponentRef;
pub use shared::Component;
pub use store::ErasedComponent;
pub(crate) use store::{Components, Identity, TypeMap};
