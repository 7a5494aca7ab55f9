//! Worlds by their seeds: many at once, one alone, and a test of the test.
//!
//! `SSE_SEED=17` runs one seed, `SSE_SEEDS=200000` so many, `SSE_SEEDS=1000..2000` those. A seed that fails is named.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    env::{current_exe, var},
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    process::{Child, Command, abort},
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::{Result as Unwound, available_parallelism, scope, spawn},
    time::Duration,
};

use tokio::{runtime::Builder, task::LocalSet};

/// Says which part of the seeds a process runs: `number/of`.
const PART: &str = "SSE_SEED_PART";
/// For how much real time one seed may run.
const SEED_TIME: Duration = Duration::from_secs(60);

/// Draws all that a world does by chance, so that nothing of a run depends on what the library draws.
pub(crate) struct Chance(fastrand::Rng);

impl Chance {
    pub(crate) fn of(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.usize(..end)
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn any(&mut self) -> u64 {
        self.0.u64(..)
    }
}

/// Runs one world to its end, on one thread and on paused time; `seed` decides all that is random, in the library too.
pub(crate) fn on_paused_time<R>(seed: u64, world: impl Future<Output = R>) -> R {
    fastrand::seed(seed);
    let _ends_in_time = watch(seed);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    LocalSet::new().block_on(&runtime, Box::pin(world))
}

/// Ends the process unless what is returned is dropped in time: a world that turns for ever makes no time pass, and
/// no other deadline would end it.
fn watch(seed: u64) -> Sender<()> {
    let (done, waits) = channel();
    spawn(move || {
        if waits.recv_timeout(SEED_TIME) == Err(RecvTimeoutError::Timeout) {
            eprintln!("seed {seed} turns for ever; alone: SSE_SEED={seed}");
            abort();
        }
    });
    done
}

/// Runs the seeds that are asked for, or the first `usual`, as many at once as there are processors.
pub(crate) fn all<R>(usual: u64, run: impl Fn(u64) -> R + Sync) {
    let seeds = asked_for(usual);
    let next = AtomicU64::new(seeds.start);
    scope(|scope| {
        for _ in 0..processors() {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    if let Err(panic) = named(seed, &run) {
                        next.store(seeds.end, Ordering::Relaxed);
                        resume_unwind(panic);
                    }
                }
            });
        }
    });
}

/// Like [`all`], with a process in place of each thread: for worlds in which the clock that gives positions counts, since
/// the threads of a process share it. `first` are run before, unless one seed was asked for. `test` is the name of the
/// test that calls.
pub(crate) fn all_in_processes(test: &str, usual: u64, first: &[u64], run: impl Fn(u64)) {
    let seeds = asked_for(usual);
    if let Ok(part) = var(PART) {
        let (part, of) = part.split_once('/').expect("number/of");
        return in_turn(seeds.skip(size(part)).step_by(size(of)), run);
    }
    if seeds.clone().count() == 1 {
        return in_turn(seeds, run);
    }
    in_turn(first.iter().copied(), run);
    let this = current_exe().expect("this program");
    let parts = processors();
    let start = |part| {
        let mut again = Command::new(&this);
        again.args(["--exact", test, "--nocapture"]).env(PART, format!("{part}/{parts}"));
        again.spawn().expect("this program again")
    };
    let started: Vec<Child> = (0..parts).map(start).collect();
    let ended = started.into_iter().map(|mut part| part.wait().expect("it ended").success());
    // Each is waited for.
    assert!(ended.collect::<Vec<_>>().into_iter().all(|well| well), "a seed failed, see above");
}

/// Does one of the first so many fail? What it panics with is nobody's business.
pub(crate) fn one_fails<R>(seeds: u64, run: impl Fn(u64) -> R) -> bool {
    (0..seeds).any(|seed| catch_unwind(AssertUnwindSafe(|| run(seed))).is_err())
}

fn in_turn(mut seeds: impl Iterator<Item = u64>, run: impl Fn(u64)) {
    if let Some(panic) = seeds.find_map(|seed| named(seed, &run).err()) {
        resume_unwind(panic);
    }
}

/// Runs one seed; if it fails, says which it was.
fn named<R>(seed: u64, run: &impl Fn(u64) -> R) -> Unwound<R> {
    let ran = catch_unwind(AssertUnwindSafe(|| run(seed)));
    if ran.is_err() {
        eprintln!("seed {seed} failed; alone: SSE_SEED={seed}");
    }
    ran
}

fn asked_for(usual: u64) -> Range<u64> {
    let number = |text: &str| text.parse::<u64>().expect("a number");
    if let Ok(seed) = var("SSE_SEED") {
        return number(&seed)..number(&seed) + 1;
    }
    match var("SSE_SEEDS") {
        Ok(seeds) => match seeds.split_once("..") {
            Some((first, end)) => number(first)..number(end),
            None => 0..number(&seeds),
        },
        Err(_) => 0..usual,
    }
}

fn size(text: &str) -> usize {
    text.parse().expect("a number")
}

fn processors() -> usize {
    available_parallelism().map_or(1, usize::from)
}
