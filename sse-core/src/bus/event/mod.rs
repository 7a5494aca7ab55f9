//! Events as the bus sees them: a type, a name, and what is known of one that was published.
//!
//! A program's type becomes an event by [`ApplicationEvent`], and says more of itself by
//! [`EventType`]. Everything above this room knows an event type either by itself (`E`) or by its
//! [`EventKey`], which has the type's id, its name and its supertypes as functions: a listener is
//! declared in constants, and a constant may not ask the program anything.
//!
//! What may be relied on: an [`EventKey`] never calls the program before somebody asks it; a
//! [`PublicationId`] is unique in its process and rises on each thread. Not to be relied on: that ids
//! rise across threads, or that an `event_type()` of a program returns the same twice; each plan
//! asks once and keeps what it heard.

mod codec;
mod event_type;
mod key;
mod meta;
mod name;
mod reader;
mod uid;

pub(crate) use codec::Codec;
pub use event_type::{ApplicationEvent, EventType};
pub(crate) use event_type::{Supertype, describe};
pub(crate) use key::EventKey;
pub(crate) use meta::{Durable, Journey};
pub use meta::{EventMeta, EventOrigin, PublicationId};
pub(crate) use name::{EventDescription, readable_name, short_name};
pub(crate) use reader::Reader;
pub use uid::EventUid;
