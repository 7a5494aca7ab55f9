//! `WithPeer`: puts who is at the other end into each request's extensions, and lets streams leave hyper.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::direct::{DetachSlot, DetachableBody, request_fits};

/// A tower service as hyper calls it, for one connection.
pub(super) struct WithPeer<S, P, B> {
    service: TowerToHyperService<S>,
    peer: P,
    /// Where streams go that take the direct path, if this connection has one.
    slot: Option<Arc<DetachSlot<B>>>,
}

impl<S, P, B> WithPeer<S, P, B> {
    pub(super) fn new(service: S, peer: P, slot: Option<Arc<DetachSlot<B>>>) -> Self {
        Self { service: TowerToHyperService::new(service), peer, slot }
    }
}

impl<S: Clone, P: Clone, B> Clone for WithPeer<S, P, B> {
    fn clone(&self) -> Self {
        let Self { service, peer, slot } = self;
        Self { service: service.clone(), peer: peer.clone(), slot: slot.clone() }
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
        let slot = self.slot.clone().filter(|_| request_fits(&request));
        #[cfg(feature = "axum")]
        request.extensions_mut().insert(axum::extract::ConnectInfo(self.peer.clone()));
        #[cfg(not(feature = "axum"))]
        request.extensions_mut().insert(self.peer.clone());
        PeerFuture { response: self.service.call(request), slot }
    }
}

pin_project! {
    /// The future of [`WithPeer`].
    pub(super) struct PeerFuture<F, B> {
        #[pin]
        response: F,
        slot: Option<Arc<DetachSlot<B>>>,
    }
}

impl<F, B, E> Future for PeerFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<DetachableBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.response.poll(cx))?;
        Poll::Ready(Ok(DetachableBody::of(response, this.slot.as_ref())))
    }
}
