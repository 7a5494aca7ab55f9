//! Which events some durable listener hears, in whatever program that is.

use std::{
    collections::HashSet,
    sync::{Arc, RwLock},
};

use crate::sync::{read_std as read, write_std as write};

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
        self.own.contains(name) || read(&self.known).contains(name)
    }

    pub(super) fn set(&self, names: Vec<Arc<str>>) {
        let names = names.into_iter().collect();
        *write(&self.known) = names;
    }
}
