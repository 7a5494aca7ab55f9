//! One connection, from its first byte to its last.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::{BoxError, peer::WithPeer, protocol, settings::Settings, sniff::Sniffed};

/// What every connection of a server shares.
#[derive(Clone)]
pub(super) struct Connections {
    pub(super) settings: Arc<Settings>,
    /// The server is leaving: finish what is in flight, take nothing new.
    pub(super) leaving: CancellationToken,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<tokio_rustls::TlsAcceptor>,
}

impl Connections {
    /// Serves one connection to its end. Its errors are the client's business: they end it, and
    /// nothing else.
    pub(super) async fn serve<I, P, S, B>(self, io: I, peer: P, service: S)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        P: Clone + Send + Sync + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let service = WithPeer::new(service, peer);
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let Ok(Ok(stream)) = timeout(self.settings.header_timeout, tls.accept(io)).await else {
                return;
            };
            let http2 = self.settings.http2 && super::tls::chose_http2(&stream);
            return self.speak(stream, http2, service).await;
        }
        if !self.settings.http2 {
            return self.speak(io, false, service).await;
        }
        let mut io = Sniffed::unseen(io);
        let Some(http2) = self.sniff(&mut io).await else { return };
        self.speak(io, http2, service).await;
    }

    /// Whether the client speaks HTTP/2, if it says anything.
    async fn sniff<I: AsyncRead + Unpin>(&self, io: &mut Sniffed<I>) -> Option<bool> {
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

    async fn speak<I, P, S, B>(self, io: I, http2: bool, service: WithPeer<S, P>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        P: Clone + Send + Sync + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let io = TokioIo::new(io);
        if http2 {
            let connection = protocol::http2(&self.settings).serve_connection(io, service);
            let mut connection = pin!(connection);
            tokio::select! {
                over = connection.as_mut() => return note(over),
                () = self.leaving.cancelled() => connection.as_mut().graceful_shutdown(),
            }
            note(connection.await);
        } else {
            let last = self.leaving.is_cancelled();
            let connection = protocol::http1(&self.settings, last).serve_connection(io, service);
            // WebSockets of the same application are none of our business, and work.
            let mut connection = pin!(connection.with_upgrades());
            if !last {
                tokio::select! {
                    over = connection.as_mut() => return note(over),
                    () = self.leaving.cancelled() => connection.as_mut().graceful_shutdown(),
                }
            }
            note(connection.await);
        }
    }
}

/// Clients leave in all sorts of ways; only who looks for it wants to know.
fn note(over: hyper::Result<()>) {
    #[cfg(feature = "tracing")]
    if let Err(error) = &over {
        tracing::debug!(target: "sse_tower", %error, "a connection ended early");
    }
    drop(over);
}
