//! What a server tells its connections.

use std::future::Future;

use tokio::{pin, select, sync::watch};

/// Whoever holds this is the server: dropping it cuts every connection.
pub(super) struct Server(watch::Sender<bool>);

/// What one connection has heard of its server.
#[derive(Clone)]
pub(super) struct Orders(watch::Receiver<bool>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Finish what is in flight, take nothing new.
    Leave,
    /// End now.
    Cut,
}

impl Server {
    pub(super) fn new() -> (Self, Orders) {
        let (server, orders) = watch::channel(false);
        (Self(server), Orders(orders))
    }

    pub(super) fn leave(&self) {
        self.0.send_replace(true);
    }
}

impl Orders {
    /// Is the server leaving? If so that order is heard.
    pub(super) fn is_leaving(&mut self) -> bool {
        *self.0.borrow_and_update()
    }

    /// The next order that was not heard yet. Cancel safe.
    pub(super) async fn next(&mut self) -> Order {
        match self.0.changed().await {
            Ok(()) => Order::Leave,
            Err(_) => Order::Cut,
        }
    }

    /// Runs `work` to its end, or to the cut; calls `leave` when the order comes.
    pub(super) async fn run<F: Future>(
        &mut self,
        work: F,
        leave: impl Fn(std::pin::Pin<&mut F>),
    ) -> Option<F::Output> {
        pin!(work);
        loop {
            select! {
                biased;
                done = work.as_mut() => return Some(done),
                order = self.next() => match order {
                    Order::Leave => leave(work.as_mut()),
                    Order::Cut => return None,
                }
            }
        }
    }
}
