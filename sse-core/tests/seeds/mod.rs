//! Worlds by their seeds: many at once, one alone, and a test of the test.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|number| number.parse().expect("a number"))
}

/// Runs `SSE_SEED` alone, or the first `SSE_SEEDS`, or so many as are usual; the first that fails is named.
pub(crate) fn all<R>(usual: u64, run: impl Fn(u64) -> R + Sync) {
    let seeds = match number("SSE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SSE_SEEDS").unwrap_or(usual),
    };
    let next = AtomicU64::new(seeds.start);
    // Seeds are independent of each other: as many at once as there are processors.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
                        eprintln!("seed {seed} failed; alone: SSE_SEED={seed}");
                        next.store(seeds.end, Ordering::Relaxed);
                        resume_unwind(panic);
                    }
                }
            });
        }
    });
}

/// Does one of the first so many fail? What it panics with is nobody's business.
pub(crate) fn one_fails<R>(seeds: u64, run: impl Fn(u64) -> R) -> bool {
    (0..seeds).any(|seed| catch_unwind(AssertUnwindSafe(|| run(seed))).is_err())
}
