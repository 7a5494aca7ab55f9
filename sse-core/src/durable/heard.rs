//! Which events some durable listener hears, in whatever program that is.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    backplane::{ListenerStats, Registration},
    sync::plain::RwLock,
};

/// The names, as the store said last, and those of this program.
#[derive(Debug, Default)]
pub(super) struct Heard {
    own: HashSet<Arc<str>>,
    /// What each listener of this program hears here.
    declared: HashMap<Arc<str>, HashSet<Arc<str>>>,
    known: RwLock<HashSet<Arc<str>>>,
}

impl Heard {
    /// Of a program that has these listeners itself.
    pub(super) fn new(registrations: &[Registration]) -> Self {
        let mut declared = HashMap::<_, HashSet<_>>::new();
        for one in registrations {
            declared.entry(one.listener.clone()).or_default().extend(one.hears.iter().cloned());
        }
        let own = declared.values().flatten().cloned().collect();
        Self { own, declared, known: RwLock::default() }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.own.contains(name) || self.known.read().contains(name)
    }

    /// Whether the store, as it said last, has a name of this program for nobody.
    pub(super) fn lacks_own(&self) -> bool {
        let known = self.known.read();
        self.own.iter().any(|name| !known.contains(name))
    }

    /// Whether that is anything new.
    pub(super) fn set(&self, names: Vec<Arc<str>>) -> bool {
        let names = names.into_iter().collect();
        let mut known = self.known.write();
        let anew = *known != names;
        *known = names;
        anew
    }

    /// What a listener of this program hears at the store and not here: it is declared otherwise elsewhere. Names are all that
    /// tells one declaration from another, and the store has those of all.
    pub(super) fn only_elsewhere(&self, stats: &ListenerStats) -> Vec<Arc<str>> {
        let Some(here) = self.declared.get(&stats.listener) else { return Vec::new() };
        let mut names: Vec<_> =
            stats.hears.iter().filter(|it| !here.contains(*it)).cloned().collect();
        names.sort_unstable();
        names
    }
}
