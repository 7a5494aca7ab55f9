//! The synchronisation primitives of the delivery paths: the standard library's, or the model
//! checker's under `--cfg sse_loom`. The one place that knows which.
//!
//! What the checker does not see is always the standard library's: reference counts, whose order is
//! not what is in question, and the timers of a runtime, of which there is none in a model.

pub(crate) use std::sync::Mutex as StdMutex;
/// Always the standard library's: the checker's is no receiver and coerces to no trait object.
pub(crate) use std::sync::{Arc, Weak};
use std::sync::{
    MutexGuard as StdMutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

#[cfg(sse_loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};
#[cfg(not(sse_loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

/// Hashes of keys: random, so that nobody can choose keys that get in each other's way; in a model the same in each run.
#[cfg(not(sse_loom))]
pub(crate) use std::hash::RandomState;
#[cfg(sse_loom)]
pub(crate) type RandomState = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// Every interleaving of the delivery paths.
#[cfg(all(test, sse_loom))]
#[path = "model.rs"]
mod model;

/// Locks, also after a panic elsewhere: each critical section of this crate leaves its data whole,
/// because no user code runs inside one.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// [`lock`] for what the model checker does not see.
pub(crate) fn lock_std<T: ?Sized>(mutex: &StdMutex<T>) -> StdMutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// [`lock_std`] for a lock that many may read.
pub(crate) fn read_std<T: ?Sized>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// [`lock_std`] for who changes what many may read.
pub(crate) fn write_std<T: ?Sized>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
