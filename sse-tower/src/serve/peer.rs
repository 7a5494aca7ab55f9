//! Who is at the other end, in each request's extensions.

use http::Request;
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use tower_service::Service;

/// A tower service as hyper calls it, which knows its peer.
#[derive(Clone)]
pub(super) struct WithPeer<S, P> {
    service: TowerToHyperService<S>,
    peer: P,
}

impl<S, P> WithPeer<S, P> {
    pub(super) fn new(service: S, peer: P) -> Self {
        Self { service: TowerToHyperService::new(service), peer }
    }
}

impl<S, P> hyper::service::Service<Request<Incoming>> for WithPeer<S, P>
where
    S: Service<Request<Incoming>> + Clone,
    P: Clone + Send + Sync + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = <TowerToHyperService<S> as hyper::service::Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        #[cfg(feature = "axum")]
        request.extensions_mut().insert(axum::extract::ConnectInfo(self.peer.clone()));
        #[cfg(not(feature = "axum"))]
        request.extensions_mut().insert(self.peer.clone());
        self.service.call(request)
    }
}
