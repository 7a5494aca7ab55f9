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
    time::{Sleep, sleep},
};
use tower_service::Service;

use super::{
    connected::{Connected, ReturnSender},
    direct::{DetachSlot, Detached, FlushWatch, Workers},
    head_timeout::HeadTimeout,
    peer::WithPeer,
    protocol,
    read_ahead::ReadAhead,
    settings::ServeSettings,
    shutdown::{ShutdownKind, ShutdownSignal},
    sniff::Sniff,
    watched::{Watch, Watched},
};

/// How long a client that has begun a request, or said nothing yet, is waited for when the server leaves.
const GRACE: Duration = Duration::from_millis(50);
/// How long an answer of the client is waited for then: the rest of a handshake, or that it has heard that the server
/// leaves.
const HANDSHAKE_GRACE: Duration = Duration::from_secs(2);

/// What every connection of a server shares.
pub(super) struct Connections<I, B, P> {
    pub(super) settings: Arc<ServeSettings>,
    pub(super) shutdown: ShutdownSignal,
    /// Where streams go that need no HTTP connection any more, if they may.
    pub(super) direct: Option<Workers<I, B, P>>,
    /// The way back for connections after such a stream.
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
            let service = WithPeer::new(service, peer, self.settings.buffer_bytes, None);
            // Large, and not on every server's way.
            return Box::pin(self.serve_tls(tls.accept(io), &mut shutdown, service)).await;
        }
        // One that comes back has spoken HTTP/1.1, and brings what it said.
        let unheard = self.settings.http2 && read_ahead.is_empty();
        let sniff = if unheard { Sniff::BEGIN } else { Sniff::Http1 };
        let Some(workers) = &self.direct else {
            let service = WithPeer::new(service, peer, self.settings.buffer_bytes, None);
            let (io, watch) = Watched::new(io, read_ahead, sniff);
            let left = self.http1(io, watch, &mut shutdown, service, || None::<()>).await;
            if let Some(Left::Http2(io, read_ahead, service)) = left {
                Box::pin(self.http2(io, read_ahead, &mut shutdown, service)).await;
            }
            return;
        };
        let slot = DetachSlot::new();
        let (io, watch) =
            Watched::new(FlushWatch::new(io, Arc::clone(&slot) as _), read_ahead, sniff);
        let service = WithPeer::new(
            service,
            peer.clone(),
            self.settings.buffer_bytes,
            Some(Arc::clone(&slot)),
        );
        match self.http1(io, watch, &mut shutdown, service, || slot.take()).await {
            Some(Left::Taken(io, read_ahead, body)) => {
                let connected = Connected { io: io.into_inner(), read_ahead, peer, permit };
                workers.take(Detached::new(connected, body, self.return_sender.clone()));
            }
            Some(Left::Http2(io, read_ahead, service)) => {
                let io = io.into_inner();
                Box::pin(self.http2(io, read_ahead, &mut shutdown, service)).await;
            }
            None => {}
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
        let Some(accepted) = self.in_time(accept, shutdown).await else { return };
        #[cfg(feature = "tracing")]
        if let Err(error) = &accepted {
            tracing::debug!(target: "sse_tower", %error, "a TLS handshake did not succeed; is it plain HTTP?");
        }
        let Ok(stream) = accepted else { return };
        if self.settings.http2 && super::tls::chose_http2(&stream) {
            self.http2(stream, ReadAhead::default(), shutdown, service).await;
        } else {
            let (io, watch) = Watched::new(stream, ReadAhead::default(), Sniff::Http1);
            drop(self.http1(io, watch, shutdown, service, || None::<()>).await);
        }
    }

    /// What a client says for the handshake, if it says that in time: before its head would be due, and soon when the
    /// server leaves, since a request may be under way.
    #[cfg(feature = "tls")]
    async fn in_time<T>(
        &self,
        handshake: impl Future<Output = T>,
        shutdown: &mut ShutdownSignal,
    ) -> Option<T> {
        let mut handshake = pin!(tokio::time::timeout(self.settings.header_timeout, handshake));
        select! {
            biased;
            done = &mut handshake => done.ok(),
            kind = shutdown.next() => match kind {
                ShutdownKind::Graceful => {
                    tokio::time::timeout(HANDSHAKE_GRACE, handshake).await.ok()?.ok()
                }
                ShutdownKind::Abort => None,
            }
        }
    }

    async fn http2<J, S>(
        &self,
        io: J,
        read_ahead: ReadAhead,
        shutdown: &mut ShutdownSignal,
        service: WithPeer<S, P, B>,
    ) where
        J: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        let protocol = protocol::http2(&self.settings);
        let (io, watch) = Watched::new(io, read_ahead, Sniff::Http1);
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

    /// Serves requests until the connection is over, or is to be [left](Left): where `taken` says that something was taken
    /// out of it, and where it speaks HTTP/2.
    async fn http1<J, S, T>(
        &self,
        io: Watched<J>,
        watch: Watch<J>,
        shutdown: &mut ShutdownSignal,
        service: WithPeer<S, P, B>,
        taken: impl Fn() -> Option<T>,
    ) -> Option<Left<J, WithPeer<S, P, B>, T>>
    where
        J: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        let last = shutdown.is_graceful();
        let protocol = protocol::http1(&self.settings, last);
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
                    Some(taken) => Poll::Ready(Ok(Some(taken))),
                    None if watch.is_http2() => Poll::Ready(Ok(None)),
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
        let read_ahead = [&parts.read_buf[..], &unread].concat().into();
        Some(match taken {
            Some(taken) => Left::Taken(io, read_ahead, taken),
            None => Left::Http2(io, read_ahead, parts.service),
        })
    }
}

/// What is left of a connection that hyper has spoken HTTP/1.1 with, and what was read of it too much.
enum Left<J, S, T> {
    Taken(J, ReadAhead, T),
    /// Its client was heard to speak HTTP/2, and got no answer yet.
    Http2(J, ReadAhead, S),
}

/// Logs a client that says nothing, or half of something.
fn note_late() {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "sse_tower", "a connection ended: no request's head came in time");
}

/// Logs how a connection ended. Clients leave in all sorts of ways, so only who looks for it is told.
fn note(over: hyper::Result<()>) {
    #[cfg(feature = "tracing")]
    if let Err(error) = &over {
        tracing::debug!(target: "sse_tower", %error, "a connection ended early");
    }
    drop(over);
}
