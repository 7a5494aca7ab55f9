//! Sees what runs, where and when, and judges.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::time::Instant;

/// How often an event is tried.
pub(crate) const ATTEMPTS: u32 = 4;

#[derive(Clone)]
pub(crate) struct Witness(Arc<Mutex<Seen>>);

struct Seen {
    began: Instant,
    /// Which process has which event at this moment.
    running: BTreeMap<u32, usize>,
    /// What a dead process does counts for nothing.
    dead: BTreeSet<usize>,
    done: BTreeMap<u32, u32>,
    begun: BTreeMap<u32, u32>,
    newest: BTreeMap<u32, u32>,
    wrong: Option<String>,
    story: String,
}

/// An event runs in a process, until this is dropped.
pub(crate) struct Running {
    witness: Witness,
    order: u32,
    process: usize,
}

impl Witness {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Seen {
            began: Instant::now(),
            running: BTreeMap::new(),
            dead: BTreeSet::new(),
            done: BTreeMap::new(),
            begun: BTreeMap::new(),
            newest: BTreeMap::new(),
            wrong: None,
            story: String::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }

    pub(crate) fn say(&self, what: std::fmt::Arguments<'_>) {
        let mut seen = self.lock();
        let at = seen.began.elapsed().as_millis();
        writeln!(seen.story, "{at} {what}").unwrap();
    }

    pub(crate) fn dies(&self, process: usize) {
        let mut seen = self.lock();
        seen.dead.insert(process);
        seen.running.retain(|_, it| *it != process);
    }

    pub(crate) fn begin(&self, order: u32, process: usize, attempt: u32) -> Running {
        self.say(format_args!("{order} begins in {process}, attempt {attempt}"));
        let mut seen = self.lock();
        if !seen.dead.contains(&process) {
            *seen.begun.entry(order).or_default() += 1;
            // In a listener a panic is a failure like any other: it is said at the end.
            if let Some(other) = seen.running.insert(order, process) {
                seen.wrong = Some(format!("{order} runs in {other} and in {process}"));
            }
            let newest = seen.newest.insert(order, attempt).unwrap_or(1);
            if attempt < newest || attempt > ATTEMPTS {
                seen.wrong = Some(format!("{order}: attempt {attempt} after {newest}"));
            }
        }
        drop(seen);
        Running { witness: self.clone(), order, process }
    }

    pub(crate) fn forget_attempts(&self, order: u32) {
        self.lock().newest.remove(&order);
    }

    /// Says what is wrong, if something is.
    pub(crate) fn judge(&self) {
        let wrong = self.lock().wrong.clone();
        assert_eq!(wrong, None);
    }

    pub(crate) fn done(&self, order: u32) -> u32 {
        self.lock().done.get(&order).copied().unwrap_or(0)
    }

    pub(crate) fn begun(&self, order: u32) -> u32 {
        self.lock().begun.get(&order).copied().unwrap_or(0)
    }

    pub(crate) fn story(&self) -> String {
        self.lock().story.clone()
    }
}

impl Running {
    pub(crate) fn done(self) {
        self.witness.say(format_args!("{} is done", self.order));
        let mut seen = self.witness.lock();
        // Done before it died is done.
        *seen.done.entry(self.order).or_default() += u32::from(!seen.dead.contains(&self.process));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Ok(mut seen) = self.witness.0.lock() else { return };
        if seen.running.get(&self.order) == Some(&self.process) {
            seen.running.remove(&self.order);
        }
    }
}
