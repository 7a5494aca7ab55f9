//! Which events some durable listener hears, in whatever program that is.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};

/// The names, as the store said last, and those of this program.
#[derive(Debug, Default)]
pub(super) struct Heard {
    own: HashSet<Arc<str>>,
    known: RwLock<HashSet<Arc<str>>>,
}

impl Heard {
    /// Of a program that hears these itself.
    pub(super) fn new(own: HashSet<Arc<str>>) -> Self {
        Self { own, known: RwLock::default() }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.own.contains(name)
            || self.known.read().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    pub(super) fn set(&self, names: Vec<Arc<str>>) {
        let names = names.into_iter().collect();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = names;
    }
}
