//! The synchronisation primitives of the delivery paths: the standard library's, or the model
//! checker's under `--cfg sse_loom`. The one place that knows which.
//!
//! What the checker does not see is always the standard library's: reference counts, whose order is
//! not what is in question, and the timers of a runtime, of which there is none in a model.

#[cfg(not(sse_loom))]
pub(crate) use self::plain::{Mutex, MutexGuard, lock};
#[cfg(sse_loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};
#[cfg(not(sse_loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
/// Always the standard library's: the checker's is no receiver and coerces to no trait object.
pub(crate) use std::sync::{Arc, Weak};

/// Hashes of keys: random, so that nobody can choose keys that get in each other's way; in a model the same in each run.
#[cfg(not(sse_loom))]
pub(crate) use std::hash::RandomState;
#[cfg(sse_loom)]
pub(crate) type RandomState = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// Every interleaving of the delivery paths.
#[cfg(all(test, sse_loom))]
#[path = "model.rs"]
mod model;

/// [`plain::lock`] for what the model checker sees.
#[cfg(sse_loom)]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What the model checker does not see.
///
/// Locks of `parking_lot`, which know no poison: each critical section of this crate leaves its data whole, because no
/// user code runs inside one. And each costs ten instructions less, and six bytes.
pub(crate) mod plain {
    pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

    /// Locks. A function, as it is where the model checker sees.
    pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock()
    }
}
