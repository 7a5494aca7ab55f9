//! Whatever is no event stream passes the layer as it is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{
    convert::Infallible,
    error::Error,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use common::frames;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use sse_tower::{Limits, Refusal, ResponseBody, SseLayer};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

/// A layer that would refuse every stream, so that it shows when it takes something for one.
fn strict() -> SseLayer {
    SseLayer::new(common::context()).limit(Limits::new().total(0))
}

async fn through<B>(response: Response<B>) -> Response<ResponseBody<B>>
where
    B: Body<Data = Bytes> + Send + 'static,
{
    common::through(strict(), Request::new(()), response).await
}

#[tokio::test]
async fn bytes_and_headers_pass_as_they_are() {
    let mut response = Response::new(Full::new(Bytes::from_static(b"data:not an event\n\n")));
    *response.status_mut() = StatusCode::IM_A_TEAPOT;
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/plain"));
    response.headers_mut().insert("x-own", HeaderValue::from_static("1"));
    let response = through(response).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(response.headers().len(), 2, "{:?}", response.headers());
    assert_eq!(common::text(response.into_body()).await, "data:not an event\n\n");
}

#[tokio::test]
async fn trailers_and_the_borders_of_frames_pass_as_they_are() {
    let (sender, body) = frames();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("3"));
    for frame in ["a", "", "bc"] {
        sender.send(Frame::data(Bytes::from(frame))).unwrap();
    }
    sender.send(Frame::trailers(trailers.clone())).unwrap();
    drop(sender);
    let mut body = through(Response::new(body)).await.into_body();
    for frame in ["a", "", "bc"] {
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), frame);
    }
    assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap(), trailers);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn size_hint_and_is_end_stream_pass_as_they_are() {
    let full = through(Response::new(Full::new(Bytes::from_static(b"four")))).await.into_body();
    assert_eq!(full.size_hint().exact(), Some(4));
    assert!(!full.is_end_stream());
    let empty = through(Response::new(Empty::<Bytes>::new())).await.into_body();
    assert!(empty.is_end_stream());

    struct Ranged;
    impl Body for Ranged {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(None)
        }
        fn size_hint(&self) -> SizeHint {
            let mut hint = SizeHint::new();
            hint.set_lower(3);
            hint.set_upper(9);
            hint
        }
    }
    let hint = through(Response::new(Ranged)).await.into_body().size_hint();
    assert_eq!((hint.lower(), hint.upper()), (3, Some(9)));
}

#[tokio::test]
async fn errors_of_bodies_and_of_services_pass_as_they_are() {
    #[derive(Debug)]
    struct Broken;
    impl Body for Broken {
        type Data = Bytes;
        type Error = std::io::Error;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            Poll::Ready(Some(Err(std::io::Error::other("half way"))))
        }
    }
    let mut body = through(Response::new(Broken)).await.into_body();
    let error: std::io::Error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "half way");

    let fails = service_fn(|_: Request<()>| async {
        Err::<Response<Full<Bytes>>, _>(std::io::Error::other("nobody home"))
    });
    let error: Box<dyn Error> =
        strict().layer(fails).oneshot(Request::new(())).await.unwrap_err().into();
    assert_eq!(error.to_string(), "nobody home");
}

#[tokio::test]
async fn no_content_passes_so_that_it_stops_a_browser_for_good() {
    let mut response = Response::new(Empty::<Bytes>::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let response = through(response).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert!(response.headers().is_empty());
}

#[tokio::test]
async fn head_opens_nothing_even_where_all_streams_are_refused() {
    let context = common::context();
    let layer = SseLayer::new(context.clone())
        .limit(Limits::new().total(0))
        .refusal(Refusal::new().event_source(|_| true));
    let (_sender, body) = frames();
    let mut body = Some(body);
    let service = layer.layer(service_fn(move |_: Request<()>| {
        let response =
            Response::builder().header("content-type", "text/event-stream").header("x-own", "1");
        let response = response.body(body.take().unwrap());
        async { response }
    }));
    let request = Request::builder().method(Method::HEAD).body(()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-own"], "1", "the service was asked");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert!(context.streams().is_empty());
}

/// A service of which each instance has to be asked whether it is ready before each call; a clone is
/// not ready because its original is.
#[derive(Debug)]
struct Picky {
    ready: bool,
    room: Arc<AtomicUsize>,
}

impl Clone for Picky {
    fn clone(&self) -> Self {
        Self { ready: false, room: self.room.clone() }
    }
}

impl Service<Request<()>> for Picky {
    type Response = Response<Full<Bytes>>;
    type Error = std::io::Error;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.room.load(Ordering::Relaxed) {
            0 => Poll::Pending,
            usize::MAX => Poll::Ready(Err(std::io::Error::other("closed"))),
            _ => {
                self.ready = true;
                Poll::Ready(Ok(()))
            }
        }
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without being ready");
        std::future::ready(Ok(Response::new(Full::default())))
    }
}

#[tokio::test]
async fn back_pressure_passes_and_the_instance_that_was_ready_is_called() {
    let room = Arc::new(AtomicUsize::new(0));
    let mut service =
        ServiceBuilder::new().layer(strict()).service(Picky { ready: false, room: room.clone() });
    let mut polls = tokio_test::task::spawn(());
    polls.enter(|cx, _| assert!(service.poll_ready(cx).is_pending()));
    room.store(1, Ordering::Relaxed);
    for _ in 0..3 {
        service.ready().await.unwrap().call(Request::new(())).await.unwrap();
        let _not_ready = service.clone();
    }
    room.store(usize::MAX, Ordering::Relaxed);
    assert_eq!(service.ready().await.unwrap_err().to_string(), "closed");
}
