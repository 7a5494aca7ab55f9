//! hyper, and the least that a body can be: the newest event's bytes, and who waits for the next.

use std::{
    convert::Infallible,
    io::{self, Error},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use axum::http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Either, Empty};
use hyper::{
    body::{Body, Bytes, Frame, Incoming},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::certificate::Certificate;

/// How an HTTP/2 connection begins that was not agreed on before.
const PREFACE: &[u8] = b"PRI";

#[derive(Default)]
struct Newest {
    number: u64,
    bytes: Bytes,
    waiting: Vec<Waker>,
}

type Shared = Arc<Mutex<Newest>>;

struct Events {
    shared: Shared,
    /// The number of the last event that was given.
    seen: u64,
    waits: bool,
}

fn locked(shared: &Shared) -> MutexGuard<'_, Newest> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        let mut newest = locked(&this.shared);
        if this.seen < newest.number {
            (this.seen, this.waits) = (newest.number, false);
            return Poll::Ready(Some(Ok(Frame::data(newest.bytes.clone()))));
        }
        // Its connection stays in the same task.
        if !this.waits {
            newest.waiting.push(cx.waker().clone());
            this.waits = true;
        }
        Poll::Pending
    }
}

pub(super) async fn serve(listener: TcpListener) -> io::Result<()> {
    accept(listener, None).await
}

pub(super) async fn serve_with_tls(listener: TcpListener) -> io::Result<()> {
    let config = Certificate::from_environment()?.server()?;
    accept(listener, Some(TlsAcceptor::from(Arc::new(config)))).await
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>) -> io::Result<()> {
    let shared = Shared::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (shared, tls) = (Arc::clone(&shared), tls.clone());
        tokio::spawn(async move {
            match tls {
                Some(tls) => one(tls.accept(stream).await?, shared, false).await,
                None => {
                    let two = begins_http2(&stream).await?;
                    one(stream, shared, two).await
                }
            }
        });
    }
}

async fn begins_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    let length = stream.peek(&mut first).await?;
    Ok(first[..length] == *PREFACE)
}

async fn one<I>(stream: I, shared: Shared, two: bool) -> io::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
    let stream = TokioIo::new(stream);
    if two {
        let builder = http2::Builder::new(TokioExecutor::new());
        builder.serve_connection(stream, service).await.map_err(Error::other)
    } else {
        let builder = http1::Builder::new();
        builder.serve_connection(stream, service).await.map_err(Error::other)
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Shared,
) -> Result<Response<Either<Events, Empty<Bytes>>>, hyper::Error> {
    if request.uri().path() == "/events" {
        let seen = locked(&shared).number;
        let mut response = Response::new(Either::Left(Events { shared, seen, waits: false }));
        let kind = header::HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        return Ok(response);
    }
    let data = request.into_body().collect().await?.to_bytes();
    let mut newest = locked(&shared);
    newest.number += 1;
    let head = format!("id:{}\ndata:", newest.number);
    newest.bytes = [head.as_bytes(), &data, b"\n\n"].concat().into();
    let waiting = std::mem::take(&mut newest.waiting);
    drop(newest);
    waiting.into_iter().for_each(Waker::wake);
    let mut response = Response::new(Either::Right(Empty::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
