//! `serve` and `Serve`: a server before it runs.

use std::{
    fmt,
    future::{Future, IntoFuture},
    io,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use sse_tower_core::{ApplicationContext, BoxError, Drain};
use tower_service::Service;

#[cfg(feature = "tls")]
use super::tls;
use super::{
    listener::SocketListener,
    run::run,
    settings::{self, ServeSettings},
    socket::SocketOptions,
};
use crate::boxed::BoxFuture;

/// Serves `service` to whoever connects to `listener`, until a signal says to leave; then drains
/// `context` and returns.
///
/// The service is any tower service of `http::Request<hyper::body::Incoming>`; an axum `Router` is
/// one. The listener is a [`SocketListener`]: tokio's `TcpListener` and `UnixListener` are. With the
/// feature `axum`, handlers can take `ConnectInfo<SocketAddr>` (for Unix sockets
/// `ConnectInfo<tokio::net::unix::SocketAddr>`).
///
/// Around the service is an [`SseLayer`](crate::SseLayer) with its defaults: handlers have the context, streams are kept
/// alive and drained, and nothing on the way buffers them. One of the program's own, with limits or leases, goes onto the
/// router as under any server; what that has taken on is left alone.
///
/// HTTP/1.1 and HTTP/2 are both spoken, without TLS by prior knowledge. What is set for streams is
/// on [`SocketOptions`] and [`Serve`].
///
/// # Leaving
/// On SIGINT or SIGTERM (or what [`with_graceful_shutdown`](Serve::with_graceful_shutdown) waits
/// for) the context is drained: see [`Drain`]. Meanwhile new connections are accepted, so that new
/// streams are refused politely; each connection closes when its response is complete. Then nobody
/// is accepted any more, what is in flight is finished, and `serve` returns, at the drain's deadline
/// at the latest. A second signal makes it return at once.
///
/// Code of the program that blocks its thread (a listener of `ContextDraining`, an `on_completion`) delays what is
/// behind it, and not the deadline.
///
/// # Errors
/// Those of the listener's sockets that will not pass by waiting; that there is no tokio runtime. A
/// connection's errors end that connection alone.
///
/// # Cancel safety
/// Dropping the future cuts every connection.
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use sse_tower::ApplicationContext;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = ApplicationContext::builder().build()?;
/// let app = Router::new().route("/", get(|| async { "hello" }));
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// sse_tower::serve(listener, app, context).await?;
/// # Ok(())
/// # }
/// ```
pub fn serve<L, S>(listener: L, service: S, context: ApplicationContext) -> Serve<L, S>
where
    L: SocketListener,
    S: Servable,
{
    let settings = ServeSettings::default();
    Serve { listener, service, context, signal: None, settings, start: Servable::start }
}

/// A server that is about to run: see [`serve`]. Awaiting it runs it.
///
/// ```no_run
/// # use {sse_tower::{ApplicationContext, Drain, SocketOptions, serve}, std::time::Duration};
/// # async fn run(app: axum::Router, context: ApplicationContext) -> std::io::Result<()> {
/// let listener = tokio::net::UnixListener::bind("/run/app.socket")?; // nginx speaks to it
/// serve(listener, app, context)
///     .http2(false)
///     .max_connections(50_000)
///     .header_timeout(Duration::from_secs(5))
///     .drain(Drain::new().deadline(Duration::from_secs(20)))
///     .await
/// # }
/// ```
#[must_use = "a server runs when it is awaited"]
pub struct Serve<L, S> {
    listener: L,
    service: S,
    context: ApplicationContext,
    signal: Option<BoxFuture<'static, ()>>,
    settings: ServeSettings,
    /// Runs the server. A function that [`serve`] chose, so that a service that does not fit is an error there alone.
    start: fn(Self) -> BoxFuture<'static, io::Result<()>>,
}

/// A service that [`serve`] can run. Implemented for every service that fits; there is nothing to implement.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be served",
    label = "no service of `http::Request<hyper::body::Incoming>` that can be cloned and sent",
    note = "a `Router` that still lacks its state is none: call `.with_state(..)` on it",
    note = "of any other service the request's body is `hyper::body::Incoming`, the response's a body of `Bytes`"
)]
pub trait Servable: Sized {
    /// Runs the server.
    #[doc(hidden)]
    fn start<L: SocketListener>(server: Serve<L, Self>) -> BoxFuture<'static, io::Result<()>>;
}

#[diagnostic::do_not_recommend]
impl<S, B> Servable for S
where
    S: Service<
            Request<Incoming>,
            Response = Response<B>,
            Error: Into<BoxError> + Send,
            Future: Send,
        > + Clone
        + Send
        + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn start<L: SocketListener>(server: Serve<L, S>) -> BoxFuture<'static, io::Result<()>> {
        let Serve { listener, service, context, signal, settings, .. } = server;
        Box::pin(run(listener, service, context, signal, settings))
    }
}

impl<L, S> Serve<L, S> {
    /// How many connections are open at a time, unless set. Who comes then waits in the kernel's
    /// queue.
    pub const DEFAULT_MAX_CONNECTIONS: usize = settings::MAX_CONNECTIONS;
    /// How long a client may take for the head of its request and for the TLS handshake, unless set.
    pub const DEFAULT_HEADER_TIMEOUT: Duration = settings::HEADER_TIMEOUT;
    /// The most that is buffered of one HTTP/1 connection each way, in bytes, unless set. A request
    /// head that is longer is answered 431.
    pub const DEFAULT_BUFFER_BYTES: usize = settings::BUFFER_BYTES;
    /// The least that [`buffer_bytes`](Self::buffer_bytes) may be.
    pub const MIN_BUFFER_BYTES: usize = 8 * 1024;

    /// Leaves when `signal` is ready instead of at SIGINT and SIGTERM.
    ///
    /// ```
    /// # use sse_tower::{ApplicationContext, serve};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (context, app) = (ApplicationContext::bare().build()?, axum::Router::new());
    /// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let (leave, left) = tokio::sync::oneshot::channel::<()>();
    /// let server = serve(listener, app, context)
    ///     .with_graceful_shutdown(async { drop(left.await) });
    /// drop(leave);
    /// server.await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_graceful_shutdown(
        mut self,
        signal: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        self.signal = Some(Box::pin(signal));
        self
    }

    /// Drains this way when it leaves, instead of with the defaults of [`Drain`].
    ///
    /// ```
    /// # use {sse_tower::{ApplicationContext, Drain, serve}, std::time::Duration};
    /// # async fn run(listener: tokio::net::TcpListener, app: axum::Router, context: ApplicationContext)
    /// # -> std::io::Result<()> {
    /// let drain = Drain::new().slices(500).deadline(Duration::from_secs(25));
    /// serve(listener, app, context).drain(drain).await
    /// # }
    /// ```
    pub fn drain(mut self, drain: Drain) -> Self {
        self.settings.drain = drain;
        self
    }

    /// Whether HTTP/2 is spoken too; it is unless set. Without it a connection needs no look at
    /// its first bytes.
    ///
    /// ```no_run
    /// # use sse_tower::{ApplicationContext, serve};
    /// # async fn run(listener: tokio::net::TcpListener, app: axum::Router, context: ApplicationContext)
    /// # -> std::io::Result<()> {
    /// serve(listener, app, context).http2(false).await // behind a proxy that speaks HTTP/1.1
    /// # }
    /// ```
    pub fn http2(mut self, spoken: bool) -> Self {
        self.settings.http2 = spoken;
        self
    }

    /// Whether event streams take the direct path; they do unless set.
    ///
    /// Over HTTP/1.1 without TLS, a stream that has to wait gives up its HTTP connection: what is left
    /// is its socket and the response's body, about a kilobyte and a half in place of twenty. Events are
    /// then written by one task for each worker of the runtime, which polls the bodies in turn. The
    /// bytes are the same; so is everything that the stream promises, and every layer around the body
    /// sees every frame and the end. It is taken by event streams of this crate alone, whose response
    /// is chunked as it is: not encoded, no trailers, no `connection` header of its own.
    ///
    /// Switch it off where a layer's body does heavy work, or blocks: with HTTP connections of their
    /// own only streams on the same worker wait for it.
    ///
    /// ```no_run
    /// # use sse_tower::{ApplicationContext, serve};
    /// # async fn run(listener: tokio::net::TcpListener, app: axum::Router, context: ApplicationContext)
    /// # -> std::io::Result<()> {
    /// serve(listener, app, context).direct(false).await // a layer of ours state every event
    /// # }
    /// ```
    pub fn direct(mut self, taken: bool) -> Self {
        self.settings.direct = taken;
        self
    }

    /// How sockets are set up, instead of with the defaults of [`SocketOptions`]. An option that the
    /// platform refuses is left out; the connection is served all the same.
    ///
    /// ```no_run
    /// # use {sse_tower::{ApplicationContext, SocketOptions, serve}, std::time::Duration};
    /// # async fn run(listener: tokio::net::TcpListener, app: axum::Router, context: ApplicationContext)
    /// # -> std::io::Result<()> {
    /// let options = SocketOptions::new().user_timeout(Duration::from_secs(20));
    /// serve(listener, app, context).sockets(options).await
    /// # }
    /// ```
    pub fn sockets(mut self, options: SocketOptions) -> Self {
        self.settings.sockets = options;
        self
    }

    /// How long a client may take for the head of its request and for the TLS handshake, instead of
    /// [`DEFAULT_HEADER_TIMEOUT`](Self::DEFAULT_HEADER_TIMEOUT). Then its connection is closed.
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.settings.header_timeout = timeout.min(settings::MAX_HEADER_TIMEOUT);
        self
    }

    /// How much is buffered of one connection each way, in bytes; at least
    /// [`MIN_BUFFER_BYTES`](Self::MIN_BUFFER_BYTES), and unless set
    /// [`DEFAULT_BUFFER_BYTES`](Self::DEFAULT_BUFFER_BYTES). What a client that does not read costs at most,
    /// besides what the kernel holds.
    pub fn buffer_bytes(mut self, bytes: usize) -> Self {
        self.settings.buffer_bytes = bytes.max(Self::MIN_BUFFER_BYTES);
        self
    }

    /// How many connections are open at a time, instead of
    /// [`DEFAULT_MAX_CONNECTIONS`](Self::DEFAULT_MAX_CONNECTIONS). Who comes then waits in the kernel's
    /// queue. 0 counts as 1.
    ///
    /// ```no_run
    /// # use sse_tower::{ApplicationContext, serve};
    /// # async fn run(listener: tokio::net::TcpListener, app: axum::Router, context: ApplicationContext)
    /// # -> std::io::Result<()> {
    /// // `ulimit -n` is 65,536 here, and the program needs some files of its own.
    /// serve(listener, app, context).max_connections(60_000).buffer_bytes(16 * 1024).await
    /// # }
    /// ```
    pub fn max_connections(mut self, most: usize) -> Self {
        self.settings.max_connections = most.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// Speaks TLS with this configuration. Where it names no protocols (ALPN), `h2` and `http/1.1`
    /// are offered.
    ///
    /// ```
    /// # use sse_tower::{ApplicationContext, serve};
    /// # async fn run(listener: tokio::net::TcpListener, app: axum::Router, context: ApplicationContext,
    /// #   config: tokio_rustls::rustls::ServerConfig) -> std::io::Result<()> {
    /// serve(listener, app, context).tls(config).await
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: tokio_rustls::rustls::ServerConfig) -> Self {
        self.settings.tls = Some(tls::acceptor(config));
        self
    }
}

impl<L, S> IntoFuture for Serve<L, S> {
    type Output = io::Result<()>;
    type IntoFuture = BoxFuture<'static, io::Result<()>>;

    fn into_future(self) -> Self::IntoFuture {
        (self.start)(self)
    }
}

impl<L, S> fmt::Debug for Serve<L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("settings", &self.settings).finish_non_exhaustive()
    }
}
