//! How an event is written for other processes, and how older versions of it are read.

use super::name::EventDescription;
use crate::boxed::BoxError;

/// Writing and reading events of one type.
pub(crate) struct Codec<E> {
    pub(crate) encode: fn(&E) -> Result<Vec<u8>, BoxError>,
    pub(crate) decode: fn(&[u8]) -> Result<E, BoxError>,
}

impl<E> Clone for Codec<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Codec<E> {}

pub(super) type Read<E> = dyn Fn(u32, &[u8]) -> Result<E, BoxError> + Send + Sync;

/// From an older version to `E`. Functions, not values: two types that name each other would otherwise ask for each
/// other for ever.
pub(crate) struct Upcast<E> {
    pub(super) describe: fn() -> EventDescription,
    pub(super) versions: fn() -> Vec<u32>,
    pub(super) read: Box<Read<E>>,
}
