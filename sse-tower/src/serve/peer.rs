//! `WithPeer`: the service as hyper calls it for one connection.
//!
//! It puts who is at the other end into each request's extensions, refuses a head that is too large, and lets streams
//! leave hyper.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header::CONNECTION};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    activity::{Activity, InFlight},
    direct::{DetachSlot, DetachableBody, request_fits},
};
use crate::{head::Head, headers};

/// A tower service as hyper calls it, for one connection.
pub(super) struct WithPeer<S, P, B> {
    service: TowerToHyperService<S>,
    peer: P,
    /// The most that the head of an HTTP/1 request may have, in bytes.
    most_head: usize,
    activity: Arc<Activity>,
    /// Where streams go that take the direct path, if this connection has one.
    slot: Option<Arc<DetachSlot<B>>>,
}

impl<S, P, B> WithPeer<S, P, B> {
    pub(super) fn new(
        service: S,
        peer: P,
        most_head: usize,
        slot: Option<Arc<DetachSlot<B>>>,
    ) -> Self {
        let (service, activity) = (TowerToHyperService::new(service), Arc::default());
        Self { service, peer, most_head, activity, slot }
    }

    /// What this connection is busy with.
    pub(super) fn activity(&self) -> Arc<Activity> {
        Arc::clone(&self.activity)
    }
}

impl<S: Clone, P: Clone, B> Clone for WithPeer<S, P, B> {
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
            peer: self.peer.clone(),
            most_head: self.most_head,
            activity: Arc::clone(&self.activity),
            slot: self.slot.clone(),
        }
    }
}

type Inner<S> = TowerToHyperService<S>;

impl<S, P, B> hyper::service::Service<Request<Incoming>> for WithPeer<S, P, B>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone,
    P: Clone + Send + Sync + 'static,
    B: Body<Data = Bytes>,
{
    type Response = Response<DetachableBody<B>>;
    type Error = S::Error;
    type Future = PeerFuture<<Inner<S> as hyper::service::Service<Request<Incoming>>>::Future, B>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let head = Head::of(request.headers());
        if request.version() < Version::HTTP_2
            && size_of_line(&request) + head.size > self.most_head
        {
            return PeerFuture::TooLarge;
        }
        let fits = head.keeps_connection && request_fits(&request);
        let slot = self.slot.as_ref().filter(|_| fits).map(Arc::clone);
        let uploads = !request.body().is_end_stream() || request.method() == Method::CONNECT;
        let in_flight = Some(InFlight::new(&self.activity, uploads));
        #[cfg(feature = "axum")]
        request.extensions_mut().insert(axum::extract::ConnectInfo(self.peer.clone()));
        #[cfg(not(feature = "axum"))]
        request.extensions_mut().insert(self.peer.clone());
        PeerFuture::Asked { response: self.service.call(request), slot, in_flight }
    }
}

/// The bytes that a request's first line took on the wire, or nearly.
fn size_of_line<B>(request: &Request<B>) -> usize {
    let uri = request.uri();
    let target = uri.scheme_str().map_or(0, |scheme| scheme.len() + 3)
        + uri.authority().map_or(0, |authority| authority.as_str().len())
        + uri.path_and_query().map_or(0, |target| target.as_str().len());
    // ` HTTP/1.1` and the line ends.
    request.method().as_str().len() + target + 14
}

pin_project! {
    /// The future of [`WithPeer`].
    #[project = PeerFutureProj]
    pub(super) enum PeerFuture<F, B> {
        TooLarge,
        Asked {
            #[pin]
            response: F,
            slot: Option<Arc<DetachSlot<B>>>,
            in_flight: Option<InFlight>,
        },
    }
}

impl<F, B, E> Future for PeerFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<DetachableBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (response, slot, in_flight) = match self.project() {
            PeerFutureProj::TooLarge => return Poll::Ready(Ok(too_large())),
            PeerFutureProj::Asked { response, slot, in_flight } => (response, slot, in_flight),
        };
        let response = ready!(response.poll(cx))?;
        // `poll` after completion, which a future may answer as it likes.
        let Some(mut in_flight) = in_flight.take() else { return Poll::Pending };
        if !headers::is_event_stream(response.headers()) {
            return Poll::Ready(Ok(response.map(|body| DetachableBody::kept(body, in_flight))));
        }
        in_flight.streams();
        Poll::Ready(Ok(DetachableBody::of_stream(response, slot.as_ref(), in_flight)))
    }
}

/// The answer to a head that is too large, after which nothing of the connection is worth reading.
fn too_large<B>() -> Response<DetachableBody<B>> {
    let mut response = Response::new(DetachableBody::whole(Bytes::new()));
    *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
