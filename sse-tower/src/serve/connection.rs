//! `Connections::serve`: one connection, from its first byte to its last, or to where its stream leaves hyper.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use sse_tower_core::BoxError;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    select,
    time::{Sleep, sleep, timeout},
};
use tower_service::Service;

use super::{
    connected::{Connected, ReturnSender},
    direct::{DetachSlot, Detached, FlushWatch, Workers},
    head_timeout::HeadTimeout,
    peer::{Host, WithPeer},
    protocol,
    settings::ServeSettings,
    shutdown::{ShutdownKind, ShutdownSignal},
    sniff::Sniffed,
    watched::Watched,
};

/// How long a client that has begun a request, or said nothing yet, is waited for when the server leaves.
const GRACE: Duration = Duration::from_millis(50);
/// The same for an answer of the client's side: the rest of a handshake, or that it has heard that the server
/// leaves.
const HANDSHAKE_GRACE: Duration = Duration::from_secs(2);

/// What every connection of a server shares.
pub(super) struct Connections<I, B, P> {
    pub(super) settings: Arc<ServeSettings>,
    pub(super) shutdown: ShutdownSignal,
    pub(super) host: Host,
    /// Where streams go that need no HTTP connection any more, if they may.
    pub(super) direct: Option<Workers<I, B, P>>,
    /// And from where connections come back.
    pub(super) return_sender: ReturnSender<I, P>,
}

impl<I, B, P> Connections<I, B, P>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    P: Clone + Send + Sync + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Serves one connection to its end. Its errors are the client's business: they end it, and
    /// nothing else.
    pub(super) async fn serve<S>(self: Arc<Self>, connected: Connected<I, P>, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        let Connected { io, read_ahead, peer, permit } = connected;
        let mut shutdown = self.shutdown.clone();
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.settings.tls {
            let service = WithPeer::new(service, peer, &self.host, None);
            // Large, and not on every server's way.
            return Box::pin(self.serve_tls(tls.accept(io), &mut shutdown, service)).await;
        }
        let mut io = Sniffed::after(io, read_ahead);
        if self.settings.http2 {
            let Some(http2) = self.sniff(&mut io, &mut shutdown).await else { return };
            if http2 {
                let service = WithPeer::new(service, peer, &self.host, None);
                return Box::pin(self.http2(io, &mut shutdown, service)).await;
            }
        }
        let Some(workers) = &self.direct else {
            let service = WithPeer::new(service, peer, &self.host, None);
            let served = self.http1(io, &mut shutdown, service, || None::<()>);
            return drop(served.await);
        };
        let slot = DetachSlot::new();
        let io = FlushWatch::new(io, Arc::clone(&slot) as _);
        let service = WithPeer::new(service, peer.clone(), &self.host, Some(Arc::clone(&slot)));
        let served = self.http1(io, &mut shutdown, service, || slot.take());
        if let Some((io, read, body)) = served.await {
            let (io, unread) = io.into_inner().into_inner();
            let read_ahead = [read, unread].concat();
            let connected = Connected { io, read_ahead, peer, permit };
            workers.take(Detached::new(connected, body, self.return_sender.clone()));
        }
    }

    #[cfg(feature = "tls")]
    async fn serve_tls<S>(
        &self,
        accept: tokio_rustls::Accept<I>,
        shutdown: &mut ShutdownSignal,
        service: WithPeer<S, P, B>,
    ) where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        let Some(accepted) = self.first(accept, HANDSHAKE_GRACE, shutdown).await else { return };
        #[cfg(feature = "tracing")]
        if let Err(error) = &accepted {
            tracing::debug!(target: "sse_tower", %error, "a TLS handshake did not succeed; is it plain HTTP?");
        }
        let Ok(stream) = accepted else { return };
        if self.settings.http2 && super::tls::chose_http2(&stream) {
            self.http2(stream, shutdown, service).await;
        } else {
            drop(self.http1(stream, shutdown, service, || None::<()>).await);
        }
    }

    /// Whether the client speaks HTTP/2, if it says anything.
    async fn sniff(&self, io: &mut Sniffed<I>, shutdown: &mut ShutdownSignal) -> Option<bool> {
        self.first(io.is_http2(), GRACE, shutdown).await?.ok()
    }

    /// The first words of a client, if they come in time: before its head is due, and when the server leaves
    /// within `grace`, since a request may be under way.
    async fn first<T>(
        &self,
        words: impl Future<Output = T>,
        grace: Duration,
        shutdown: &mut ShutdownSignal,
    ) -> Option<T> {
        let mut words = pin!(timeout(self.settings.header_timeout, words));
        select! {
            biased;
            words = &mut words => words.ok(),
            kind = shutdown.next() => match kind {
                ShutdownKind::Graceful => timeout(grace, words).await.ok()?.ok(),
                ShutdownKind::Abort => None,
            }
        }
    }

    async fn http2<J, S>(&self, io: J, shutdown: &mut ShutdownSignal, service: WithPeer<S, P, B>)
    where
        J: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        let protocol = protocol::http2(&self.settings);
        let (io, watch) = Watched::new(io);
        let activity = service.activity();
        let mut connection = pin!(protocol.serve_connection(TokioIo::new(io), service));
        let mut leaving = shutdown.is_graceful();
        if leaving {
            connection.as_mut().graceful_shutdown();
        }
        loop {
            select! {
                biased;
                over = &mut connection => return note(over),
                kind = shutdown.next() => match kind {
                    ShutdownKind::Graceful => {
                        leaving = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    ShutdownKind::Abort => return,
                },
                // The client should have confirmed by now that it has heard.
                () = sleep(HANDSHAKE_GRACE), if leaving => {
                    if activity.is_idle() && watch.is_flushed() {
                        return;
                    }
                }
            }
        }
    }

    /// Serves requests until the connection is over, or until `taken` says that something was taken
    /// out of it: then gives what is left of it, with what was read of it too much.
    async fn http1<J, S, T>(
        &self,
        io: J,
        shutdown: &mut ShutdownSignal,
        service: WithPeer<S, P, B>,
        taken: impl Fn() -> Option<T>,
    ) -> Option<(J, Vec<u8>, T)>
    where
        J: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        let last = shutdown.is_graceful();
        let protocol = protocol::http1(&self.settings, last);
        let (io, watch) = Watched::new(io);
        let activity = service.activity();
        // WebSockets of the same application are none of our business, and work.
        let mut connection = protocol.serve_connection(TokioIo::new(io), service).with_upgrades();
        let mut grace = pin!(None::<Sleep>);
        let mut head = pin!(HeadTimeout::new(protocol::header_timeout(&self.settings, last)));
        let mut told = pin!(shutdown.clone().told());
        let taken = loop {
            let polled = poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
                Poll::Ready(over) => {
                    note(over);
                    Poll::Ready(Err(()))
                }
                Poll::Pending => match taken() {
                    Some(taken) => Poll::Ready(Ok(taken)),
                    // hyper does not look for the end of a client that has said something more.
                    None if activity.streams() && watch.poll_gone(activity.uploads(), cx) => {
                        Poll::Ready(Err(()))
                    }
                    None if activity.is_idle() => {
                        head.as_mut().poll_late(activity.taken(), cx).map(|()| {
                            note_late();
                            Err(())
                        })
                    }
                    None => Poll::Pending,
                },
            });
            let graced = poll_fn(|cx| match grace.as_mut().as_pin_mut() {
                Some(grace) => grace.poll(cx),
                None => Poll::Pending,
            });
            select! {
                biased;
                polled = polled => match polled {
                    Ok(taken) => break taken,
                    Err(()) => return None,
                },
                (kind, signal) = told.as_mut() => match kind {
                    ShutdownKind::Graceful => {
                        told.set(signal.told());
                        Pin::new(&mut connection).graceful_shutdown();
                        // Half a request's head holds nobody up: a response that is due is finished.
                        grace.set(activity.is_idle().then(|| sleep(GRACE)));
                    }
                    ShutdownKind::Abort => return None,
                },
                () = graced => {
                    grace.set(None);
                    if activity.is_idle() && watch.is_flushed() {
                        return None;
                    }
                }
            }
        };
        let parts = connection.into_parts()?;
        drop(parts.io);
        let (io, unread) = watch.into_inner()?;
        // What hyper has read too much came before what it has not read at all. Mostly neither
        // is there, and no buffer is kept for it.
        Some((io, [&parts.read_buf[..], &unread].concat(), taken))
    }
}

/// The same of one that says nothing, or half of something.
fn note_late() {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "sse_tower", "a connection ended: no request's head came in time");
}

/// Clients leave in all sorts of ways; only who looks for it wants to know.
fn note(over: hyper::Result<()>) {
    #[cfg(feature = "tracing")]
    if let Err(error) = &over {
        tracing::debug!(target: "sse_tower", %error, "a connection ended early");
    }
    drop(over);
}
