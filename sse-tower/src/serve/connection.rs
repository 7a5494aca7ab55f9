//! One connection, from its first byte to its last, or to where its stream leaves HTTP behind.

use std::{
    future::poll_fn,
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
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, mpsc::UnboundedSender},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::{
    BoxError,
    direct::{Attended, Flushers, Handover, Lane},
    peer::WithPeer,
    protocol,
    settings::Settings,
    sniff::Sniffed,
};

/// What every connection of a server shares.
pub(super) struct Connections<I, B, P> {
    pub(super) settings: Arc<Settings>,
    /// The server is leaving: finish what is in flight, take nothing new.
    pub(super) leaving: CancellationToken,
    /// Where streams go that need no HTTP connection any more, if they may.
    pub(super) direct: Option<Arc<Flushers<I, B, P>>>,
    /// And from where connections come back.
    pub(super) back: Back<I, P>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<tokio_rustls::TlsAcceptor>,
}

/// One connection, new or after a stream on the direct path.
pub(super) struct Connected<I, P> {
    pub(super) io: I,
    /// What was read of its next request already.
    pub(super) ahead: Vec<u8>,
    pub(super) peer: P,
    pub(super) permit: OwnedSemaphorePermit,
}

/// Where connections come back. Whoever serves one holds such a sender: without any, none is open.
pub(super) type Back<I, P> = UnboundedSender<Connected<I, P>>;

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
        let Connected { io, ahead, peer, permit } = connected;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let Ok(Ok(stream)) = timeout(self.settings.header_timeout, tls.accept(io)).await else {
                return;
            };
            let http2 = self.settings.http2 && super::tls::chose_http2(&stream);
            let service = WithPeer::new(service, peer, None);
            let _ = if http2 {
                self.http2(stream, service).await;
            } else {
                self.http1(stream, service, || None::<()>).await;
            };
            return drop(permit);
        }
        let mut io = Sniffed::after(io, ahead);
        if self.settings.http2 {
            let Some(http2) = self.sniff(&mut io).await else { return };
            if http2 {
                self.http2(io, WithPeer::new(service, peer, None)).await;
                return drop(permit);
            }
        }
        match &self.direct {
            None => drop(self.http1(io, WithPeer::new(service, peer, None), || None::<()>).await),
            Some(flushers) => {
                let handover = Handover::new();
                let io = Attended::new(io, handover.signs());
                let service = WithPeer::new(service, peer.clone(), Some(Arc::clone(&handover)));
                let Some((io, ahead, body)) = self.http1(io, service, || handover.take()).await
                else {
                    return;
                };
                let (io, unread) = io.into_inner().into_inner();
                let ahead = [&unread[..], &ahead].concat();
                let connected = Connected { io, ahead, peer, permit };
                flushers.take(Lane::new(connected, body, self.back.clone()));
            }
        }
    }

    /// Whether the client speaks HTTP/2, if it says anything.
    async fn sniff(&self, io: &mut Sniffed<I>) -> Option<bool> {
        // A connection that said nothing yet is idle: when the server leaves, it is given this
        // long for a request that may be under way.
        const GRACE: Duration = Duration::from_millis(50);
        let mut first = pin!(timeout(self.settings.header_timeout, io.is_http2()));
        let answer = tokio::select! {
            answer = &mut first => answer,
            () = self.leaving.cancelled() => timeout(GRACE, first).await.unwrap_or_else(Err),
        };
        answer.ok()?.ok()
    }

    async fn http2<J, S>(&self, io: J, service: WithPeer<S, P, B>)
    where
        J: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        let connection =
            protocol::http2(&self.settings).serve_connection(TokioIo::new(io), service);
        let mut connection = pin!(connection);
        tokio::select! {
            over = connection.as_mut() => return note(over),
            () = self.leaving.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        note(connection.await);
    }

    /// Serves requests until the connection is over, or until `taken` says that something was taken
    /// out of it: then gives what is left of it, with what was read of it too much.
    async fn http1<J, S, T>(
        &self,
        io: J,
        service: WithPeer<S, P, B>,
        taken: impl Fn() -> Option<T>,
    ) -> Option<(J, Bytes, T)>
    where
        J: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        let mut last = self.leaving.is_cancelled();
        let connection =
            protocol::http1(&self.settings, last).serve_connection(TokioIo::new(io), service);
        // WebSockets of the same application are none of our business, and work.
        let mut connection = connection.with_upgrades();
        let mut leaving = pin!(self.leaving.cancelled());
        let taken = loop {
            let polled = poll_fn(|cx| {
                if let Poll::Ready(over) = Pin::new(&mut connection).poll(cx) {
                    return Poll::Ready(Polled::Over(over));
                }
                if let Some(taken) = taken() {
                    return Poll::Ready(Polled::Taken(taken));
                }
                if !last && leaving.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Polled::Leaving);
                }
                Poll::Pending
            });
            match polled.await {
                Polled::Over(over) => {
                    note(over);
                    return None;
                }
                Polled::Taken(taken) => break taken,
                Polled::Leaving => {
                    last = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
            }
        };
        let parts = connection.into_parts()?;
        Some((parts.io.into_inner(), parts.read_buf, taken))
    }
}

enum Polled<T> {
    Over(hyper::Result<()>),
    Taken(T),
    Leaving,
}

/// Clients leave in all sorts of ways; only who looks for it wants to know.
fn note(over: hyper::Result<()>) {
    #[cfg(feature = "tracing")]
    if let Err(error) = &over {
        tracing::debug!(target: "sse_tower", %error, "a connection ended early");
    }
    drop(over);
}
