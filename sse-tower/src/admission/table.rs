//! `Table`: the places that are taken under each limit.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use http::Request;
use parking_lot::Mutex;
use sse_tower_core::{__private::A_DAY, CloseReason, StreamHandle, bye};

use super::{
    limits::{AtLimit, Limits, Rule, Scope},
    refusal::Why,
};

/// The limits, and the places taken under each. Bounded by `MAX_OPEN_STREAMS`, since a place lives
/// no longer than the admission of its stream.
pub(crate) struct Table {
    limits: Limits,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    next: u64,
    /// For each rule, by key: the places taken, oldest first. A key without a place has no entry.
    taken: Vec<HashMap<String, BTreeMap<u64, Taken>>>,
}

type Taken = Arc<dyn StreamHandle>;

impl Table {
    pub(crate) fn new(limits: Limits) -> Self {
        let taken = limits.rules.iter().map(|_| HashMap::new()).collect();
        Self { limits, places: Mutex::new(Places { next: 0, taken }) }
    }

    /// The key under each rule; `None` where the rule does not count this request. User code runs
    /// here, and no lock is held.
    /// Whether there is anything to be asked.
    pub(crate) fn asks_for_head(&self) -> bool {
        !self.limits.rules.is_empty()
    }

    pub(crate) fn keys(&self, head: &Request<()>) -> Vec<Option<String>> {
        let key = |rule: &Rule| match &rule.key {
            Some(key) => key(head),
            None => Some(String::new()),
        };
        self.limits.rules.iter().map(key).collect()
    }

    /// Whether a stream with these keys would be refused now, and why.
    pub(crate) fn full_for(&self, keys: &[Option<String>]) -> Option<Why> {
        if self.limits.rules.is_empty() {
            return None;
        }
        let places = self.places.lock();
        self.counted(keys).find_map(|(at, rule, key)| {
            let full = places.count(at, key) >= rule.most;
            (full && (self.refuses(rule) || rule.most == 0)).then(|| Why::from(rule.scope))
        })
    }

    /// Takes a place under every rule, or says which one has none. Ends the oldest where that was
    /// asked for. `None` where there is no rule.
    pub(crate) fn take(
        self: &Arc<Self>,
        keys: Vec<Option<String>>,
        stream: &Arc<dyn StreamHandle>,
    ) -> Result<Option<Place>, Why> {
        if self.limits.rules.is_empty() {
            return Ok(None);
        }
        let mut ended = Vec::new();
        let number = {
            let mut places = self.places.lock();
            for (at, rule, key) in self.counted(&keys) {
                let full = places.count(at, key) >= rule.most;
                if full && (self.refuses(rule) || rule.most == 0) {
                    return Err(rule.scope.into());
                }
            }
            for (at, rule, key) in self.counted(&keys) {
                while places.count(at, key) >= rule.most {
                    match places.remove_oldest(at, key) {
                        Some(oldest) => ended.push(oldest),
                        None => break,
                    }
                }
            }
            let number = places.next;
            places.next += 1;
            for (at, _, key) in self.counted(&keys) {
                places.taken[at].entry(key.clone()).or_default().insert(number, stream.clone());
            }
            number
        };
        for oldest in ended {
            oldest.end(CloseReason::Replaced, Some(bye(CloseReason::Replaced, Some(A_DAY))));
        }
        Ok(Some(Place { table: self.clone(), keys, number }))
    }

    fn counted<'a>(
        &'a self,
        keys: &'a [Option<String>],
    ) -> impl Iterator<Item = (usize, &'a Rule, &'a String)> {
        let rules = self.limits.rules.iter().zip(keys).enumerate();
        rules.filter_map(|(at, (rule, key))| Some((at, rule, key.as_ref()?)))
    }

    fn refuses(&self, rule: &Rule) -> bool {
        rule.scope == Scope::Total || self.limits.at_limit == AtLimit::RefuseNew
    }
}

impl Places {
    fn count(&self, rule: usize, key: &str) -> usize {
        self.taken[rule].get(key).map_or(0, BTreeMap::len)
    }

    /// Takes the oldest place off this list alone; the others go with its stream's end.
    fn remove_oldest(&mut self, rule: usize, key: &str) -> Option<Taken> {
        self.taken[rule].get_mut(key)?.pop_first().map(|(_, taken)| taken)
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.limits.fmt(f)
    }
}

/// One stream's place under all limits; dropping it frees it.
#[must_use = "dropping the place frees it"]
pub(crate) struct Place {
    table: Arc<Table>,
    keys: Vec<Option<String>>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut freed = Vec::new();
        let mut places = self.table.places.lock();
        for (at, _, key) in self.table.counted(&self.keys) {
            if let Some(list) = places.taken[at].get_mut(key) {
                freed.extend(list.remove(&self.number));
                if list.is_empty() {
                    places.taken[at].remove(key);
                }
            }
        }
        // The handles go after the lock: dropping one may run code that is not ours.
        drop(places);
        drop(freed);
    }
}
