//! What a scenario does to a store, whatever it is.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use engine_servers::{Relay, Signal};
use sse_tower_core::backplane::{Engine, Position};

use crate::oracle::{HEALED, Reader};

/// A real server of one engine, which belongs to one test.
pub(crate) trait Store: Sized {
    /// What it had stored at one moment.
    type Past;

    /// Whether a new epoch has what is left after a loss. Otherwise it begins empty, and every client is told to reset.
    const KEEPS_WHAT_IS_LEFT: bool = true;

    /// Starts one.
    async fn start() -> Self;

    /// Where it listens, also after a restart.
    fn address(&self) -> SocketAddr;

    /// One more node, at the store itself or at a relay before it.
    async fn engine(address: SocketAddr) -> Arc<dyn Engine>;

    /// `kill -9`, of everything that it consists of.
    fn kill(&mut self);

    /// Starts it again with what it has, killing it before if it runs.
    async fn restart(&mut self);

    /// `Signal::STOP` or `Signal::CONT`.
    fn signal(&self, signal: Signal);

    /// What it has now. May restart it.
    async fn remember(&mut self) -> Self::Past;

    /// Kills it, takes everything from it that came since, and starts it again.
    async fn go_back(&mut self, past: Self::Past);

    /// Takes everything from it.
    async fn forget_everything(&mut self);

    /// Its clock is behind what it has stored: the newest position is this one. `false` where positions have no clock.
    async fn be_ahead(&self, newest: Position) -> bool;
}

/// Two nodes at an address.
pub(crate) async fn two<S: Store>(address: SocketAddr) -> Vec<Arc<dyn Engine>> {
    vec![S::engine(address).await, S::engine(address).await]
}

/// A network before the store that can be broken.
pub(crate) async fn relay(store: &impl Store) -> Relay {
    Relay::start(store.address()).await.unwrap()
}

/// Waits until an event comes that came after `since`, and not much later than `since`.
pub(crate) async fn hears_again(reader: &Reader, since: Instant) {
    let within = HEALED.saturating_sub(since.elapsed());
    reader.until("an event after the fault", within, |known| known.newest > Some(since)).await;
}
