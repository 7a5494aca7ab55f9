//! `run`: accepts connections, leaves when that is asked for, and returns.

use std::{future::Future, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use sse_tower_core::{ApplicationContext, BoxError, DrainPhase};
use tokio::{
    sync::{Semaphore, mpsc},
    time::sleep,
};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    connected::Connected, connection::Connections, deadline::Deadline, direct::Workers,
    listener::SocketListener, read_ahead::ReadAhead, settings::ServeSettings, shutdown::Shutdown,
    signal::Signals,
};
use crate::{boxed::BoxFuture, layer::SseLayer};

/// How long the server rests when it may open no more files, as others do.
const REST: Duration = Duration::from_millis(100);

pub(super) async fn run<L, S, B>(
    mut listener: L,
    service: S,
    context: ApplicationContext,
    signal: Option<BoxFuture<'static, ()>>,
    settings: ServeSettings,
) -> io::Result<()>
where
    L: SocketListener,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError> + Send,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(io::Error::other(
            "`serve` needs a tokio runtime; await it in one, such as under `#[tokio::main]`",
        ));
    }
    // A context that was built outside of any runtime lives here.
    context.know_this_runtime();
    // What no layer of the program takes on is taken on here.
    let service = SseLayer::new(context.clone()).layer(service);
    let settings = Arc::new(settings);
    // Dropped with this future, which cuts every connection.
    let (shutdown, shutdown_signal) = Shutdown::new();
    // Holds no more than the connections there may be.
    let (return_sender, mut returned) = mpsc::unbounded_channel();
    let direct = settings.direct.then(|| Workers::start(&settings, &shutdown_signal, L::try_write));
    let connections = Arc::new(Connections {
        settings: settings.clone(),
        shutdown: shutdown_signal,
        direct,
        return_sender,
    });
    let room = Arc::new(Semaphore::new(settings.max_connections));

    // A socket that cannot be set up is used as it is.
    let _ = listener.prepare(&settings.sockets);
    let mut leave = Leave::new(signal)?;
    let mut deadline: Option<Deadline> = None;
    let streams = context.streams().clone();
    let mut drained = std::pin::pin!(streams.reached(DrainPhase::Closed));
    loop {
        tokio::select! {
            accepted = accept(&mut listener, &room) => {
                let (io, peer, permit) = accepted?;
                let _ = L::set_up(&io, &settings.sockets);
                let connected = Connected { io, read_ahead: ReadAhead::default(), peer, permit };
                spawn(connections.clone().serve(connected, service.clone()));
            }
            Some(connected) = returned.recv() => {
                spawn(connections.clone().serve(connected, service.clone()));
            }
            () = leave.requested() => {
                if deadline.is_some() {
                    // Said twice: at once, then.
                    return Ok(());
                }
                deadline = Some(Deadline::after(settings.drain.longest()));
                shutdown.graceful();
                tokio::spawn(context.drain().with(settings.drain.clone()));
            }
            () = &mut drained => break,
            // Something of the program holds the drain up.
            () = passed(deadline.as_ref()) => return Ok(()),
        }
    }

    // Also when somebody else has drained the context.
    shutdown.graceful();
    drop((listener, connections));
    let deadline = deadline.unwrap_or_else(|| Deadline::after(settings.drain.longest()));
    loop {
        tokio::select! {
            // One whose stream ended just before that. Nobody is left who could give one back when
            // no task and no worker has one.
            connected = returned.recv() => if connected.is_none() { return Ok(()) },
            () = leave.requested() => return Ok(()),
            () = deadline.passed() => return Ok(()),
        }
    }
}

/// Waits for the deadline, once there is one.
async fn passed(deadline: Option<&Deadline>) {
    match deadline {
        Some(deadline) => deadline.passed().await,
        None => std::future::pending().await,
    }
}

/// Serves a connection in a task of its own. Boxed, because tokio moves what it spawns several times.
fn spawn(connection: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(Box::pin(connection));
}

type Permit = tokio::sync::OwnedSemaphorePermit;

/// The next connection for which there is room.
async fn accept<L: SocketListener>(
    listener: &mut L,
    room: &Arc<Semaphore>,
) -> io::Result<(L::Io, L::Peer, Permit)> {
    let permit = room.clone().acquire_owned().await.map_err(io::Error::other)?;
    loop {
        let error = match listener.accept().await {
            Ok((io, peer)) => return Ok((io, peer, permit)),
            Err(error) => error,
        };
        match error.kind() {
            // The client left before it was accepted.
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted => {}
            kind @ (io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
                let cure = "give `serve` a socket that listens";
                return Err(io::Error::new(
                    kind,
                    format!("cannot accept connections: {error}; {cure}"),
                ));
            }
            // Too many open files, no memory: streams end, so this passes.
            _ => {
                #[cfg(feature = "tracing")]
                tracing::error!(
                    target: "sse_tower",
                    %error,
                    "cannot accept a connection, trying again; \
                     for too many open files raise `ulimit -n`, or lower `max_connections`"
                );
                sleep(REST).await;
            }
        }
    }
}

/// When the server is asked to leave.
struct Leave {
    signal: Option<BoxFuture<'static, ()>>,
    signals: Option<Signals>,
}

impl Leave {
    fn new(signal: Option<BoxFuture<'static, ()>>) -> io::Result<Self> {
        let signals = if signal.is_none() { Some(Signals::listen()?) } else { None };
        Ok(Self { signal, signals })
    }

    /// The first request to leave, and any that insists on it. A future of the program's has but one.
    async fn requested(&mut self) {
        match (&mut self.signal, &mut self.signals) {
            (Some(signal), _) => {
                signal.await;
                self.signal = None;
            }
            (None, Some(signals)) => signals.next().await,
            (None, None) => std::future::pending().await,
        }
    }
}
