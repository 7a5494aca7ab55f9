//! What a reader waits for: the state of keys where its client cannot go on from where it was.

use tokio::time::Instant;

use crate::log::State;

/// What a reader waits for.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    pub(super) keys: Vec<AwaitedKey>,
    /// Its client has no place to come back to until then, but what it came with.
    pub(super) nowhere: bool,
}

/// The state of one key.
#[derive(Debug)]
pub(super) struct AwaitedKey {
    pub(super) cursor: usize,
    pub(super) state: Option<State>,
    /// When it has taken too long.
    pub(super) until: Instant,
}
