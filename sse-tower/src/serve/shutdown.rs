//! `Shutdown` and `ShutdownSignal`: what a server tells its connections when it leaves.
//!
//! The server says `Graceful` once; dropping it says `Abort`. So a server whose future is dropped cuts its
//! connections, and nobody has to remember to.

use tokio::sync::watch;

/// The server's end: dropping it cuts every connection.
pub(super) struct Shutdown(watch::Sender<bool>);

/// A connection's end, which remembers what it was told already.
#[derive(Clone)]
pub(super) struct ShutdownSignal(watch::Receiver<bool>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShutdownKind {
    /// Finish what is in flight, take nothing new.
    Graceful,
    /// End now.
    Abort,
}

impl Shutdown {
    pub(super) fn new() -> (Self, ShutdownSignal) {
        let (server, connection) = watch::channel(false);
        (Self(server), ShutdownSignal(connection))
    }

    /// Asks every connection to finish. Again does nothing.
    pub(super) fn graceful(&self) {
        self.0.send_replace(true);
    }
}

impl ShutdownSignal {
    /// Whether the server asked to finish; [`next`](Self::next) does not say it again then.
    pub(super) fn is_graceful(&mut self) -> bool {
        *self.0.borrow_and_update()
    }

    /// [`next`](Self::next), for whoever polls one future for as long as nothing is said: a new one for each poll
    /// would register, and be taken out, each time.
    pub(super) async fn told(mut self) -> (ShutdownKind, Self) {
        (self.next().await, self)
    }

    /// The next thing that this connection was not told yet. Cancel safe.
    pub(super) async fn next(&mut self) -> ShutdownKind {
        match self.0.changed().await {
            Ok(()) => ShutdownKind::Graceful,
            Err(_) => ShutdownKind::Abort,
        }
    }
}
