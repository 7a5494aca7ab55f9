//! `SseLayer`: makes services whose event streams are fit for production.

use std::{fmt, sync::Arc, time::Duration};

use http::Request;
use sse_tower_core::ApplicationContext;
use tower_layer::Layer;

use crate::{
    admission::{Limits, Refusal, Table},
    lease::Lease,
    service::SseService,
    settings::LayerSettings,
};

/// Makes event streams out of a service fit for production: one
/// `.layer(SseLayer::new(context))` on a router, or on any tower service.
///
/// For every response that is a `text/event-stream`, whoever made it:
///
/// * headers that stop proxies from buffering (`x-accel-buffering: no`, `cache-control: no-cache,
///   no-transform`);
/// * keep-alive comments after silence on the wire, between whole events only;
/// * [limits](Self::limit), with a [refusal](Self::refusal) that browsers survive;
/// * a [lease](Self::lease), for tokens that expire and rights that are taken away;
/// * a place in the context's drain: see [`ApplicationContext::drain_on`].
///
/// The context is put into the extensions of every request. Other responses pass as they are:
/// bytes, headers, trailers, size hint, back-pressure, errors. So does a `HEAD` request's.
///
/// # Among other layers
/// Both orders work with tower-http's CORS, trace, timeout (it limits the time to the headers) and
/// catch-panic. Some things are worth knowing:
///
/// * A [refusal](Self::refusal) is readable by the page that asked, whatever its origin and wherever the CORS layer
///   is: a browser would give up for good otherwise. It has nothing of the program in it. A refusal in place of a
///   handler's response keeps what that says of origins.
/// * Compression inside or outside of this layer leaves event streams alone, by design: an encoder
///   holds events back and costs 30 to 350 KB a stream. tower-http's default predicate skips them,
///   and `no-transform` tells proxies the same. A stream that was compressed all the same is counted
///   and drained, but no comment and no farewell can be written into it.
/// * `ResponseBodyTimeoutLayer` counts from frame to frame: outside of this layer a timeout longer
///   than the keep-alive interval never cuts a stream; inside, a silent stream that others made is
///   cut, because the comments are added further out.
/// * Of two `SseLayer`s on one route the inner one counts; the outer one leaves its streams alone.
///
/// ```
/// use sse_tower::{ApplicationContext, Limits, SseLayer};
/// # use std::time::Duration;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = ApplicationContext::builder().build()?;
/// let layer = SseLayer::new(context)
///     .keep_alive(Duration::from_secs(20))
///     .limit(Limits::new().total(10_000));
/// let service = tower::ServiceBuilder::new().layer(layer).service_fn(
///     |_: http::Request<String>| async { Ok::<_, std::io::Error>(http::Response::new(String::new())) },
/// );
/// # let _ = service;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put on a service"]
pub struct SseLayer {
    settings: LayerSettings,
}

impl SseLayer {
    /// How long a stream is silent before a comment is written, unless set: 15 s, as WHATWG HTML
    /// advises; well under the idle timeouts of proxies.
    pub const DEFAULT_KEEP_ALIVE: Duration = sse_tower_core::DEFAULT_KEEP_ALIVE;
    /// The shortest keep-alive interval; a shorter one is taken as this.
    pub const MIN_KEEP_ALIVE: Duration = Duration::from_millis(10);

    /// A layer without limits, with the defaults.
    pub fn new(context: ApplicationContext) -> Self {
        Self {
            settings: LayerSettings {
                context,
                keep_alive: Self::DEFAULT_KEEP_ALIVE,
                limits: Arc::new(Table::new(Limits::new())),
                refusal: Refusal::new(),
                lease: None,
            },
        }
    }

    /// Writes a comment whenever a stream was silent for `interval` or somewhat less, so that streams
    /// opened together do not wake together: at the earliest after half of it, and after three
    /// quarters in streams of others. An emitter that was built with an interval of its own keeps
    /// that. A `Lease` is checked again as often.
    ///
    /// ```
    /// # use {sse_tower::{ApplicationContext, SseLayer}, std::time::Duration};
    /// # let context = ApplicationContext::bare().build()?;
    /// // Something on the way cuts what is silent for 10 s.
    /// let layer = SseLayer::new(context).keep_alive(Duration::from_secs(8));
    /// # drop(layer);
    /// # Ok::<(), sse_tower::WiringError>(())
    /// ```
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.settings.keep_alive = interval.max(Self::MIN_KEEP_ALIVE);
        self
    }

    /// Limits how many streams are open. All services that this layer makes, as one for each route
    /// of a router, share the count. Replaces the limits set before.
    ///
    /// ```
    /// # use sse_tower::{ApplicationContext, Limits, SseEmitter, SseLayer, test::TestClient};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sse_tower::WiringError> {
    /// # let context = ApplicationContext::bare().build()?;
    /// let app = axum::Router::new()
    ///     .route("/push", axum::routing::get(async || SseEmitter::new()))
    ///     .layer(SseLayer::new(context).limit(Limits::new().total(1)));
    /// let client = TestClient::new(app);
    /// let first = client.open("/push").await;
    /// let mut second = client.open("/push").await; // comes back by itself
    /// assert_eq!(second.next_event().await.name, "stream-bye");
    /// # drop(first);
    /// # Ok(()) }
    /// ```
    pub fn limit(mut self, limits: Limits) -> Self {
        self.settings.limits = Arc::new(Table::new(limits));
        self
    }

    /// Sets how streams are refused: who is taken for a browser's `EventSource`, and when clients come back.
    ///
    /// ```
    /// # use {sse_tower::{ApplicationContext, Refusal, SseLayer}, std::time::Duration};
    /// # let context = ApplicationContext::bare().build()?;
    /// let patient = Refusal::new().retry(Duration::from_secs(30)..=Duration::from_secs(90));
    /// let layer = SseLayer::new(context).refusal(patient);
    /// # drop(layer);
    /// # Ok::<(), sse_tower::WiringError>(())
    /// ```
    pub fn refusal(mut self, refusal: Refusal) -> Self {
        self.settings.refusal = refusal;
        self
    }

    /// Gives each stream the lease that `of` finds for its request. `None` is a stream without one.
    ///
    /// A handler that knows more than the request may instead put a [`Lease`] into the extensions
    /// of its response; both count then.
    ///
    /// ```
    /// # use sse_tower::{ApplicationContext, Lease, SseLayer, WiringError};
    /// # #[derive(Clone)] struct Session { lease: Lease }
    /// # let context = ApplicationContext::bare().build()?;
    /// // What an outer layer has found out about the request.
    /// let layer = SseLayer::new(context)
    ///     .lease(|request| Some(request.extensions().get::<Session>()?.lease.clone()));
    /// # let _ = layer;
    /// # Ok::<(), WiringError>(())
    /// ```
    pub fn lease(
        mut self,
        of: impl Fn(&Request<()>) -> Option<Lease> + Send + Sync + 'static,
    ) -> Self {
        self.settings.lease = Some(Arc::new(of));
        self
    }
}

impl<S> Layer<S> for SseLayer {
    type Service = SseService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SseService::new(inner, Arc::new(self.settings.clone()))
    }
}

impl fmt::Debug for SseLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseLayer").field("settings", &self.settings).finish()
    }
}
