//! `Signals`: SIGINT and SIGTERM, which ask a program to leave.

use std::{future::pending, io};

/// Ready when the program is asked to leave: at SIGINT (Ctrl-C) or SIGTERM (what a container is stopped with), at
/// Ctrl-C alone where there are no signals. For servers other than [`serve`](crate::serve), which listens for both
/// by itself.
///
/// From the first poll on the signals do not end the process any more. Where they cannot be listened for it is
/// never ready, and the log says why.
///
/// # Panics
/// Outside a tokio runtime, when awaited.
///
/// ```no_run
/// # async fn run(app: axum::Router, context: sse_tower::ApplicationContext) -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// axum::serve(listener, app)
///     .with_graceful_shutdown(context.drain_on(sse_tower::shutdown_signal()))
///     .await
/// # }
/// ```
pub async fn shutdown_signal() {
    match Signals::listen() {
        Ok(mut signals) => signals.next().await,
        Err(_error) => {
            #[cfg(feature = "tracing")]
            tracing::error!(target: "sse_tower", error = %_error, "cannot listen for signals");
            pending::<()>().await;
        }
    }
}

/// SIGINT and SIGTERM, or Ctrl-C where there are no signals.
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    #[cfg(not(unix))]
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    /// The next one.
    #[cfg(unix)]
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// The next one.
    #[cfg(not(unix))]
    pub(super) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            pending::<()>().await;
        }
    }
}
