//! `endpoints`: a router of the endpoints that name a path, `#[sse_endpoint(path = "/push")]`.
//!
//! A collected endpoint brings its own state: a `Router` has one type of state, a program with several
//! modules often more. So each route takes its states out of the context when it is mounted, and the result
//! fits any router.

use std::any::type_name;
use std::future::Future;
use std::panic::Location;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use http::request::Parts;
use http::{HeaderValue, Method, header};

use sse_tower_core::{ApplicationContext, WiringError, WiringFault};

use crate::boxed::BoxFuture;

/// A router with every linked endpoint that names a path.
///
/// An endpoint is linked if its crate is: name the crates of a larger program in
/// [`listeners_from!`](crate::listeners_from). The router fits any `S`; merge it into your own:
///
/// ```standalone_crate
/// use axum::Router;
/// use sse_tower::{ApplicationContext, LastEventId, Component, Emitters, SseEmitter, SseLayer, sse_endpoint};
///
/// #[sse_endpoint(path = "/news", timeout = "5m")]
/// async fn news(last: LastEventId, news: Component<Emitters<u8>>) -> SseEmitter {
///     news.connect(0, last)
/// }
///
/// # fn main() -> Result<(), sse_tower::WiringError> {
/// let context = ApplicationContext::builder().component(Emitters::<u8>::new()).build()?;
/// let app: Router = Router::new()
///     .merge(sse_tower::endpoints(&context)?)
///     .layer(SseLayer::new(context.clone()));
/// # Ok(())
/// # }
/// ```
///
/// # State
/// `State<T>` in such an endpoint is the component `T` of the context, cloned once when the route is made. Several
/// different `State<..>` may stand in one endpoint. Where extractors of yours want one state and its parts
/// (`FromRef`), name it: `#[sse_endpoint(path = "/news", state = AppState)]`; then `AppState` is the component.
///
/// # Errors
/// [`WiringError`] with every component and state that the context lacks, and every two endpoints that claim
/// the same requests, each with file and line. They are asked for here and not when the context is built, since
/// without this call nobody needs them.
#[track_caller]
pub fn endpoints<S>(context: &ApplicationContext) -> Result<Router<S>, WiringError>
where
    S: Clone + Send + Sync + 'static,
{
    let mut routes: Vec<&'static Route> = inventory::iter::<Route>.into_iter().collect();
    // The linker promises no order; two runs are to report the same thing in the same words.
    routes.sort_by_key(|route| (route.path, route.method, route.module, route.declared_at.line()));
    mount_all(&routes, context, Location::caller())
}

/// Reports all that is wrong before it gives up on anything.
fn mount_all<S>(
    routes: &[&'static Route],
    context: &ApplicationContext,
    asked_at: &'static Location<'static>,
) -> Result<Router<S>, WiringError>
where
    S: Clone + Send + Sync + 'static,
{
    let mut faults = context.faults_of_collected_endpoints();
    // axum panics where two paths cannot stand together; this is the same matcher, asked first.
    let mut paths = matchit::Router::new();
    let mut router = Router::new();
    for same_path in routes.chunk_by(|one, other| one.path == other.path) {
        let mut methods = MethodRouter::new();
        for (at, route) in same_path.iter().enumerate() {
            if let Some(first) =
                same_path[..at].iter().find(|earlier| earlier.method == route.method)
            {
                faults.push(route.clash(first));
                continue;
            }
            let mut states = States { context, route, missing: Vec::new() };
            let mounted = (route.mount)(&mut states);
            faults.append(&mut states.missing);
            if let Some(mounted) = mounted {
                methods = methods.merge(mounted);
            }
        }
        let Some(first) = same_path.first() else { continue };
        match paths.insert(first.path, *first) {
            Ok(()) => router = router.route(first.path, methods.with_state(())),
            Err(error) => faults.push(first.unroutable(&error)),
        }
    }
    WiringError::of(faults, asked_at).map(|()| router)
}

/// One endpoint that names a path, as `#[sse_endpoint]` registers it.
#[derive(Debug)]
pub struct Route {
    method: &'static str,
    path: &'static str,
    name: &'static str,
    module: &'static str,
    declared_at: &'static Location<'static>,
    mount: fn(&mut States<'_>) -> Option<MethodRouter>,
}

inventory::collect!(Route);

impl Route {
    /// What the attribute says, where it stands, and how to mount it.
    #[must_use]
    pub const fn new(
        method: &'static str,
        path: &'static str,
        name: &'static str,
        module: &'static str,
        declared_at: &'static Location<'static>,
        mount: fn(&mut States<'_>) -> Option<MethodRouter>,
    ) -> Self {
        Self { method, path, name, module, declared_at, mount }
    }

    fn fault(&self, problem: String) -> WiringFault {
        let endpoint = format!("{}::{}", self.module, self.name);
        WiringFault::Endpoint { endpoint, problem, declared_at: self.declared_at }
    }

    fn clash(&self, first: &Self) -> WiringFault {
        self.fault(format!(
            "answers {} {}, as `{}::{}` at {} does; give one of the two another path or method",
            self.method, self.path, first.module, first.name, first.declared_at,
        ))
    }

    fn unroutable(&self, error: &matchit::InsertError) -> WiringFault {
        self.fault(format!("cannot be routed at {}: {error}; give it another path", self.path))
    }
}

/// The states of one endpoint, taken out of the context.
#[derive(Debug)]
pub struct States<'a> {
    context: &'a ApplicationContext,
    route: &'a Route,
    missing: Vec<WiringFault>,
}

impl States<'_> {
    /// A clone of the component `T`; `None` once it is noted as missing.
    pub fn state<T: Clone + Send + Sync + 'static>(&mut self) -> Option<T> {
        let found = self.context.component::<T>();
        if found.is_none() {
            let state = type_name::<T>();
            self.missing.push(self.route.fault(format!(
                "takes the state `{state}`, which is no component of the context; add `.component(..)` with one"
            )));
        }
        found.map(|component| T::clone(&component))
    }
}

/// One request on its way to an endpoint.
#[derive(Debug)]
pub struct EndpointCall<S> {
    parts: Parts,
    body: Body,
    state: S,
}

impl<S: Send + Sync> EndpointCall<S> {
    /// An argument that needs the head of the request only.
    ///
    /// A boxed future, here and below, because an `async fn` would repeat its bound at the `.await`: two errors
    /// for one wrong argument.
    pub fn part<T>(&mut self) -> Extracted<'_, T>
    where
        T: FromRequestParts<S> + Send,
    {
        Box::pin(async {
            let part = T::from_request_parts(&mut self.parts, &self.state).await;
            part.map_err(IntoResponse::into_response)
        })
    }

    /// The last argument, which may read the body.
    pub fn body<T, M>(self) -> Extracted<'static, T>
    where
        S: 'static,
        T: FromRequest<S, M> + Send,
    {
        Box::pin(async move {
            let request = Request::from_parts(self.parts, self.body);
            T::from_request(request, &self.state).await.map_err(IntoResponse::into_response)
        })
    }
}

/// An argument, or the extractor's rejection as a response.
type Extracted<'a, T> = BoxFuture<'a, Result<T, Response>>;

/// What the handler gives, as a response.
///
/// # Errors
/// None; a rejected argument is the other half of the result.
#[allow(clippy::result_large_err, reason = "the generated code needs both halves to be responses")]
pub fn respond(answer: impl IntoResponse) -> Result<Response, Response> {
    Ok(answer.into_response())
}

/// A route whose handler takes its arguments out of a [`EndpointCall`]; `None` where the state is missing.
///
/// Not axum's `Handler`: its one bound over all arguments would be a second error beside the one at the argument.
pub fn mount<S, H, F>(method: MethodFilter, state: Option<S>, handler: H) -> Option<MethodRouter>
where
    S: Clone + Send + Sync + 'static,
    H: Fn(EndpointCall<S>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response, Response>> + Send + 'static,
{
    let state = state?;
    Some(on(method, move |request: Request| {
        // HEAD asks what GET would say; a stream opened for it would have no reader.
        let call = (request.method() != Method::HEAD).then(|| {
            let (parts, body) = request.into_parts();
            handler(EndpointCall { parts, body, state })
        });
        async move {
            match call {
                Some(call) => call.await.unwrap_or_else(|rejection| rejection),
                None => [(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))]
                    .into_response(),
            }
        }
    }))
}
