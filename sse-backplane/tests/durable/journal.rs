//! What workers did: a file to which each appends whole lines.

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What happened to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Begun,
    Done,
    /// It was stopped before it was done.
    Cut,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// Since 1970, in nanoseconds: one clock for all processes of a machine.
    pub(crate) at: u128,
    pub(crate) process: u32,
    pub(crate) what: What,
    pub(crate) order: u32,
    pub(crate) attempt: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Journal(PathBuf);

impl Journal {
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, what: What, order: u32, attempt: u32) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let process = std::process::id();
        let word = match what {
            What::Begun => "begun",
            What::Done => "done",
            What::Cut => "cut",
        };
        let mut file = OpenOptions::new().create(true).append(true).open(&self.0).unwrap();
        // One write, so that lines of several processes never mix.
        file.write_all(format!("{at} {process} {word} {order} {attempt}\n").as_bytes()).unwrap();
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(read).collect()
    }

    /// How often each was done.
    pub(crate) fn done(&self) -> BTreeMap<u32, usize> {
        self.count(What::Done)
    }

    fn count(&self, what: What) -> BTreeMap<u32, usize> {
        let mut counts = BTreeMap::new();
        for line in self.lines().iter().filter(|line| line.what == what) {
            *counts.entry(line.order).or_default() += 1;
        }
        counts
    }

    /// How many runs began that were not the first of their event.
    pub(crate) fn begun_again(&self) -> usize {
        self.count(What::Begun).values().map(|times| times - 1).sum()
    }

    /// Those of one event, in the order of time.
    pub(crate) fn of(&self, order: u32) -> Vec<Line> {
        let mut lines = self.lines();
        lines.retain(|line| line.order == order);
        lines.sort_by_key(|line| line.at);
        lines
    }

    pub(crate) async fn until(&self, what: &str, within: Duration, is: impl Fn(&Self) -> bool) {
        let begun = std::time::Instant::now();
        while !is(self) {
            assert!(begun.elapsed() < within, "not within {within:?}: {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn read(line: &str) -> Line {
    let mut words = line.split(' ');
    let mut word = || words.next().unwrap();
    let (at, process, what) = (word().parse().unwrap(), word().parse().unwrap(), word());
    let what = match what {
        "begun" => What::Begun,
        "done" => What::Done,
        "cut" => What::Cut,
        other => panic!("{other}"),
    };
    Line { at, process, what, order: word().parse().unwrap(), attempt: word().parse().unwrap() }
}

/// Between a begin and an end. An end that nobody says is that of the process.
pub(crate) struct Run {
    journal: Journal,
    order: u32,
    attempt: u32,
    done: bool,
}

impl Run {
    pub(crate) fn begin(journal: &Journal, order: u32, attempt: u32) -> Self {
        journal.write(What::Begun, order, attempt);
        Self { journal: journal.clone(), order, attempt, done: false }
    }

    pub(crate) fn done(mut self) {
        self.done = true;
        self.journal.write(What::Done, self.order, self.attempt);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.done {
            self.journal.write(What::Cut, self.order, self.attempt);
        }
    }
}
