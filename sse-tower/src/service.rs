//! `SseService`: looks at a request before its handler does.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    admission::{Ticket, allow, is_from_event_source},
    body::ResponseBody,
    future::ResponseFuture,
    head::Head,
    lease::Lease,
    settings::LayerSettings,
};

/// A service under [`SseLayer`](crate::SseLayer).
///
/// It is ready when the inner service is, and calls the very instance that was ready. The inner
/// service may be any of `http::Request<B>` whose responses have a body of `Bytes`; the errors are its
/// own.
///
/// ```
/// use sse_tower::{ApplicationContext, SseEmitter, SseLayer};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = ApplicationContext::bare().build()?;
/// let service = SseLayer::new(context).layer(service_fn(async |_: http::Request<String>| {
///     Ok::<_, std::convert::Infallible>(SseEmitter::new().into_http())
/// }));
/// let response = service.oneshot(http::Request::default()).await?;
/// assert_eq!(response.headers()["x-accel-buffering"], "no");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct SseService<S> {
    inner: S,
    settings: Arc<LayerSettings>,
}

impl<S> SseService<S> {
    pub(crate) fn new(inner: S, settings: Arc<LayerSettings>) -> Self {
        Self { inner, settings }
    }

    /// The service inside.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service inside, to change.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Takes the layer off again.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Req, Res> Service<Request<Req>> for SseService<S>
where
    S: Service<Request<Req>, Response = Response<Res>>,
    Res: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<Res>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Req>) -> Self::Future {
        let settings = &self.settings;
        request.extensions_mut().insert(settings.context.clone());
        if request.method() == Method::HEAD {
            return ResponseFuture::of(self.inner.call(request), None);
        }

        let mut asked = Asked::default();
        if settings.asks_for_head() {
            // What the program asks of a request it asks of its head alone, so that no closure is generic
            // over the body.
            let (parts, body) = request.into_parts();
            let head = Request::from_parts(parts, ());
            let keys = settings.limits.keys(&head);
            let event_source = settings.refusal.is_for_event_source(&head);
            // Nobody asks for the lease of a request that is refused.
            let is_refused = event_source
                .unwrap_or_else(|| is_from_event_source(head.method(), head.headers()))
                && settings.closed_to(&keys).is_some();
            let lease = settings.lease.as_ref().filter(|_| !is_refused);
            asked = Asked { lease: lease.and_then(|of| of(&head)), keys, event_source };
            let (parts, ()) = head.into_parts();
            request = Request::from_parts(parts, body);
        }
        let Asked { keys, event_source, lease } = asked;
        let head = Head::of(request.headers());
        let event_source =
            event_source.unwrap_or_else(|| request.method() == Method::GET && head.wants_events);
        if event_source && let Some(why) = settings.closed_to(&keys) {
            // Nothing else than a stream can come of this request, so its handler need not run.
            let mut answer = settings.refusal.answer(true, head.last, why);
            allow(head.origin, answer.headers_mut());
            return ResponseFuture::refused(answer);
        }
        let ticket = Ticket {
            settings: settings.clone(),
            keys,
            event_source,
            last: head.last.cloned(),
            origin: head.origin.cloned(),
            lease,
            since: cfg!(feature = "metrics").then(Instant::now),
        };
        ResponseFuture::of(self.inner.call(request), Some(ticket))
    }
}

/// What the program says of a request.
#[derive(Default)]
struct Asked {
    keys: Vec<Option<String>>,
    /// `None` where it leaves that to us.
    event_source: Option<bool>,
    lease: Option<Lease>,
}
