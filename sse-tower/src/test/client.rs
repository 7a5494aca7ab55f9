//! `TestClient`: a client in the test's own process.

use std::{fmt, sync::Arc, time::Duration};

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use parking_lot::Mutex;
use sse_tower_core::BoxError;
use tower_service::Service;

use super::{
    refusals::Refusals,
    service::{Dial, event_stream, whole},
    session::Session,
    stream::{TestStream, as_event_source},
    unmet::Cause,
    wait::{DEFAULT_DEADLINE, Wait},
};

/// A request of a [`TestClient`], for functions that make one: its body comes from text.
///
/// ```
/// use axum::{Router, http::Request, routing::post};
/// use sse_tower::test::{TestClient, TestRequest};
///
/// fn paid(order: u64) -> TestRequest {
///     let request = Request::post(format!("/callback/{order}")).header("x-signature", "right");
///     request.body("paid".into()).unwrap()
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let app = Router::new().route("/callback/{order}", post(|text: String| async { text }));
/// assert_eq!(TestClient::new(app).send(paid(7)).await.body(), "paid");
/// # }
/// ```
pub type TestRequest = Request<Full<Bytes>>;

/// A client of a tower service, such as an axum `Router`, without sockets.
///
/// Each request goes to a clone of the service, as under a server. Nothing runs beside the test: a
/// response's body is polled while the test waits for something of it, and dropped, which is the
/// disconnect, with its [`TestStream`].
///
/// `B` is the body of requests, and the one that [`new`](Self::new) uses suits a `Router` and every
/// other service that takes any body.
///
/// ```
/// # use sse_tower::{SseEmitter, test::TestClient};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let app = axum::Router::new().route("/push", axum::routing::get(|| async {
///     let emitter = SseEmitter::new();
///     emitter.try_send("hello").unwrap();
///     emitter.complete();
///     emitter
/// }));
/// let mut stream = TestClient::new(app).open("/push").await;
/// assert_eq!(stream.next_event().await.data, "hello");
/// stream.ended().await;
/// # }
/// ```
pub struct TestClient<B = Full<Bytes>> {
    session: Session<B>,
    deadline: Duration,
    refusals: Refusals,
}

impl TestClient {
    /// A client of a service that takes any body, or `Full<Bytes>`.
    pub fn new<S, R>(service: S) -> Self
    where
        S: Service<Request<Full<Bytes>>, Response = Response<R>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        R: Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        Self::for_body(service)
    }
}

impl<B: Default + Send + 'static> TestClient<B> {
    /// A client of a service that takes requests with the body `B` alone. An empty one is its
    /// default.
    ///
    /// ```
    /// # use {http::{Request, Response}, sse_tower::{SseEmitter, test::TestClient}, tower::service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let service = service_fn(|_: Request<()>| async {
    ///     Ok::<_, std::convert::Infallible>(SseEmitter::new().into_http())
    /// });
    /// let stream = TestClient::for_body(service).open("/").await;
    /// # drop(stream);
    /// # }
    /// ```
    pub fn for_body<S, R>(service: S) -> Self
    where
        S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        R: Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        Self {
            session: Session::new(Arc::new(Mutex::new(service))),
            deadline: DEFAULT_DEADLINE,
            refusals: Refusals::default(),
        }
    }

    /// Uses this deadline for each wait, also of its streams, instead of [`DEFAULT_DEADLINE`].
    ///
    /// ```
    /// # use {sse_tower::test::TestClient, std::time::Duration};
    /// # let app: axum::Router = axum::Router::new();
    /// let client = TestClient::new(app).deadline(Duration::from_secs(60));
    /// # let _ = client;
    /// ```
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sends this header with every request from now on, also when a stream is opened again; not where a request
    /// says the same header itself. A name or value that is none fails the requests.
    ///
    /// ```
    /// # use sse_tower::{SseEmitter, test::TestClient};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let push = |headers: axum::http::HeaderMap| async move {
    /// #     let emitter = SseEmitter::new();
    /// #     emitter.try_send(headers["x-user"].to_str().unwrap()).unwrap();
    /// #     emitter
    /// # };
    /// # let app = axum::Router::new().route("/push", axum::routing::get(push));
    /// let alice = TestClient::new(app).header("x-user", "alice");
    /// let mut stream = alice.open("/push").await;
    /// assert_eq!(stream.next_event().await.data, "alice");
    /// # }
    /// ```
    #[must_use]
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.session.header(name.as_ref(), value.as_ref());
        self
    }

    /// Keeps the cookies that responses set, and sends them with every request from now on, also when a stream is
    /// opened again: what a browser does after a login. Clones share them; at most
    /// [`MAX_COOKIES`](super::MAX_COOKIES). All are taken for cookies of one site and one path, and they last until the
    /// service takes them back.
    ///
    /// ```
    /// # use sse_tower::{SseEmitter, test::TestClient};
    /// # use axum::{Router, http::HeaderMap, routing::{get, post}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let push = |headers: HeaderMap| async move {
    /// #     let emitter = SseEmitter::new();
    /// #     emitter.try_send(headers["cookie"].to_str().unwrap()).unwrap();
    /// #     emitter
    /// # };
    /// # let login = || async { [("set-cookie", "session=7; HttpOnly; Path=/")] };
    /// # let app = Router::new().route("/push", get(push)).route("/login", post(login));
    /// let client = TestClient::new(app).cookie_jar();
    /// client.post("/login", "alice").await;
    /// let mut stream = client.open("/push").await;
    /// assert_eq!(stream.next_event().await.data, "session=7");
    /// # }
    /// ```
    #[must_use]
    pub fn cookie_jar(mut self) -> Self {
        self.session.keep_cookies();
        self
    }

    /// Opens a stream as an `EventSource` does: `GET`, with its headers.
    ///
    /// # Panics
    /// Where it is awaited, if the response is no event stream; the [`Unmet`](super::Unmet) says
    /// what it is.
    pub fn open(&self, path: &str) -> Wait<'static, TestStream> {
        self.open_if(Request::get(path).body(B::default()))
    }

    /// Opens a stream with this request. Headers that an `EventSource` sends are added where they
    /// are missing.
    ///
    /// # Panics
    /// As [`open`](Self::open).
    ///
    /// ```
    /// # use {http::Request, sse_tower::{SseEmitter, test::TestClient}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let push = || async { SseEmitter::new() };
    /// # let app = axum::Router::new().route("/push", axum::routing::get(push));
    /// let request = Request::get("/push").header("cookie", "user=alice").body("".into());
    /// let stream = TestClient::new(app).open_with(request.unwrap()).await;
    /// # drop(stream);
    /// # }
    /// ```
    pub fn open_with(&self, request: Request<B>) -> Wait<'static, TestStream> {
        self.open_if(Ok(request))
    }

    fn open_if(&self, request: http::Result<Request<B>>) -> Wait<'static, TestStream> {
        let (deadline, session) = (self.deadline, self.session.clone());
        let (refusals, shown) = (self.refusals.clone(), self.refusals.clone());
        Wait::new(stream_of(&request), deadline, move || shown.report(), async move {
            let (mut parts, body) = request.map_err(Cause::BadRequest)?.into_parts();
            as_event_source(&mut parts);
            let request = Request::from_parts(parts.clone(), body);
            let response = event_stream(session.ask(request).await).await?;
            let again: Dial = Box::new(move |parts| {
                let request = Request::from_parts(parts, B::default());
                session.ask(request)
            });
            Ok(TestStream::new(parts, again, response, deadline, refusals))
        })
    }

    /// The whole response to a `GET`: a payment's callback, say. Not for streams that do not end.
    ///
    /// A response other than 2xx is no failure, for a test may want one; waits of this client and
    /// its streams that fail later name the last [`SHOWN_REFUSALS`](super::SHOWN_REFUSALS) of them.
    ///
    /// # Panics
    /// Where it is awaited, if the service fails or the response does not end in time. No status is
    /// a failure.
    ///
    /// ```
    /// # use sse_tower::test::TestClient;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let app = axum::Router::new().route("/callback", axum::routing::get(|| async { "thank you" }));
    /// let response = TestClient::new(app).get("/callback").await;
    /// assert_eq!((response.status().as_u16(), response.body().as_str()), (200, "thank you"));
    /// # }
    /// ```
    pub fn get(&self, path: &str) -> Wait<'static, Response<String>> {
        self.send_if(Request::get(path).body(B::default()))
    }

    /// The whole response to a `POST` with this body.
    ///
    /// # Panics
    /// As [`get`](Self::get).
    ///
    /// ```
    /// # use sse_tower::test::TestClient;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let app = axum::Router::new().route("/say", axum::routing::post(|text: String| async { text }));
    /// assert_eq!(TestClient::new(app).post("/say", "hello").await.body(), "hello");
    /// # }
    /// ```
    pub fn post(&self, path: &str, body: impl Into<B>) -> Wait<'static, Response<String>> {
        self.send_if(Request::post(path).body(body.into()))
    }

    /// The whole response to this request.
    ///
    /// # Panics
    /// As [`get`](Self::get).
    ///
    /// ```
    /// # use {http::Request, sse_tower::test::TestClient};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let app = axum::Router::new().route("/say", axum::routing::put(|text: String| async { text }));
    /// let request = Request::put("/say").header("x-user", "alice").body("hello".into());
    /// assert_eq!(TestClient::new(app).send(request.unwrap()).await.body(), "hello");
    /// # }
    /// ```
    pub fn send(&self, request: Request<B>) -> Wait<'static, Response<String>> {
        self.send_if(Ok(request))
    }

    fn send_if(&self, request: http::Result<Request<B>>) -> Wait<'static, Response<String>> {
        let session = self.session.clone();
        let (refusals, shown) = (self.refusals.clone(), self.refusals.clone());
        let expected = match &request {
            Ok(request) => format!("the response to {}", name_of(request)),
            Err(_) => "a response".to_owned(),
        };
        Wait::new(expected, self.deadline, move || shown.report(), async move {
            let request = request.map_err(Cause::BadRequest)?;
            let name = name_of(&request);
            let response = whole(session.ask(request).await.map_err(Cause::Service)?).await?;
            refusals.note(&name, &response);
            Ok(response)
        })
    }
}

fn stream_of<B>(request: &http::Result<Request<B>>) -> String {
    match request {
        Ok(request) => format!("an event stream at {}", name_of(request)),
        Err(_) => "an event stream".to_owned(),
    }
}

fn name_of<B>(request: &Request<B>) -> String {
    format!("{} {}", request.method(), request.uri())
}

impl<B> Clone for TestClient<B> {
    fn clone(&self) -> Self {
        Self {
            session: self.session.clone(),
            deadline: self.deadline,
            refusals: self.refusals.clone(),
        }
    }
}

impl<B> fmt::Debug for TestClient<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
