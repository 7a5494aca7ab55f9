//! `Awaited`: the states of keys for which a reader waits before it reads on.

use tokio::time::Instant;

use crate::log::State;

/// The states that a reader waits for.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    pub(super) keys: Vec<AwaitedKey>,
    /// Whether its client has no place to come back to until then, but that with which it came.
    pub(super) nowhere: bool,
}

/// The state of one key.
#[derive(Debug)]
pub(super) struct AwaitedKey {
    pub(super) cursor: usize,
    pub(super) state: Option<State>,
    /// When it has taken too long, and the stream ends.
    pub(super) until: Instant,
}
