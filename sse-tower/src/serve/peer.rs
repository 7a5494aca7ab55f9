//! Who is at the other end, in each request's extensions; and whose responses may leave hyper.

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
use pin_project::pin_project;
use tower_service::Service;

use super::direct::{Handed, Handover, request_fits};

/// A tower service as hyper calls it, for one connection.
pub(super) struct WithPeer<S, P, B> {
    service: TowerToHyperService<S>,
    peer: P,
    /// Where streams go that take the direct path, if this connection has one.
    handover: Option<Arc<Handover<B>>>,
}

impl<S, P, B> WithPeer<S, P, B> {
    pub(super) fn new(service: S, peer: P, handover: Option<Arc<Handover<B>>>) -> Self {
        Self { service: TowerToHyperService::new(service), peer, handover }
    }
}

impl<S: Clone, P: Clone, B> Clone for WithPeer<S, P, B> {
    fn clone(&self) -> Self {
        let Self { service, peer, handover } = self;
        Self { service: service.clone(), peer: peer.clone(), handover: handover.clone() }
    }
}

type Inner<S> = TowerToHyperService<S>;

impl<S, P, B> hyper::service::Service<Request<Incoming>> for WithPeer<S, P, B>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone,
    P: Clone + Send + Sync + 'static,
    B: Body<Data = Bytes>,
{
    type Response = Response<Handed<B>>;
    type Error = S::Error;
    type Future = Answer<<Inner<S> as hyper::service::Service<Request<Incoming>>>::Future, B>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let handover = self.handover.clone().filter(|_| request_fits(&request));
        #[cfg(feature = "axum")]
        request.extensions_mut().insert(axum::extract::ConnectInfo(self.peer.clone()));
        #[cfg(not(feature = "axum"))]
        request.extensions_mut().insert(self.peer.clone());
        Answer { answer: self.service.call(request), handover }
    }
}

/// The future of [`WithPeer`].
#[pin_project]
pub(super) struct Answer<F, B> {
    #[pin]
    answer: F,
    handover: Option<Arc<Handover<B>>>,
}

impl<F, B, E> Future for Answer<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<Handed<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.answer.poll(cx))?;
        Poll::Ready(Ok(Handed::of(response, this.handover.as_ref())))
    }
}
