//! From hyper to a lane: the body leaves first, and the socket once everything before it is written.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::check::response_fits;

/// What the service, the body and the socket of one HTTP/1.1 connection know together.
pub(in crate::serve) struct Handover<B> {
    /// The body of the present response, once it has to wait.
    waiting: Mutex<Option<Pin<Box<B>>>>,
    signs: Arc<Signs>,
}

#[derive(Debug, Default)]
pub(in crate::serve) struct Signs {
    /// A body is waiting.
    waits: AtomicBool,
    /// And everything before it is written.
    flushed: AtomicBool,
}

impl<B: Body> Handover<B> {
    pub(in crate::serve) fn new() -> Arc<Self> {
        Arc::new(Self { waiting: Mutex::new(None), signs: Arc::default() })
    }

    pub(in crate::serve) fn signs(&self) -> Arc<Signs> {
        Arc::clone(&self.signs)
    }

    /// The body, when hyper has nothing left to do.
    pub(in crate::serve) fn take(&self) -> Option<Pin<Box<B>>> {
        if !self.signs.flushed.load(Ordering::Acquire) {
            return None;
        }
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn leave(&self, body: Pin<Box<B>>) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        self.signs.waits.store(true, Ordering::Release);
    }
}

/// A response's body as hyper sees it.
#[pin_project(project = HandedProj)]
pub(in crate::serve) enum Handed<B> {
    /// It stays with hyper.
    Kept(#[pin] B),
    /// It leaves when it first has to wait.
    Leaving { body: Option<Pin<Box<B>>>, handover: Arc<Handover<B>> },
}

impl<B: Body> Handed<B> {
    /// The body of this response leaves if it may, and where there is somewhere to go.
    pub(in crate::serve) fn of(
        response: Response<B>,
        handover: Option<&Arc<Handover<B>>>,
    ) -> Response<Self> {
        match handover.filter(|_| response_fits(&response)) {
            Some(handover) => response.map(|body| Self::Leaving {
                body: Some(Box::pin(body)),
                handover: Arc::clone(handover),
            }),
            None => response.map(Self::Kept),
        }
    }
}

impl<B: Body<Data = Bytes>> Body for Handed<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project() {
            HandedProj::Kept(body) => body.poll_frame(cx),
            HandedProj::Leaving { body, handover } => {
                let Some(mut leaving) = body.take() else { return Poll::Pending };
                let poll = leaving.as_mut().poll_frame(cx);
                match poll {
                    // hyper is woken if it is ready before everything is flushed, finds nothing
                    // here, and goes on flushing.
                    Poll::Pending => handover.leave(leaving),
                    Poll::Ready(_) => *body = Some(leaving),
                }
                poll
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Kept(body) => body.is_end_stream(),
            Self::Leaving { body, .. } => body.as_ref().is_some_and(|body| body.is_end_stream()),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Kept(body) => body.size_hint(),
            Self::Leaving { body, .. } => {
                body.as_ref().map_or_else(SizeHint::default, |body| body.size_hint())
            }
        }
    }
}

/// A socket that notices when everything before a waiting body is written: hyper flushes it then, and
/// not before.
#[pin_project]
pub(in crate::serve) struct Attended<I> {
    #[pin]
    io: I,
    signs: Arc<Signs>,
}

impl<I> Attended<I> {
    pub(in crate::serve) fn new(io: I, signs: Arc<Signs>) -> Self {
        Self { io, signs }
    }

    pub(in crate::serve) fn into_inner(self) -> I {
        self.io
    }
}

impl<I: AsyncRead> AsyncRead for Attended<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().io.poll_read(cx, buffer)
    }
}

impl<I: AsyncWrite> AsyncWrite for Attended<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let poll = this.io.poll_flush(cx);
        if matches!(poll, Poll::Ready(Ok(()))) && this.signs.waits.load(Ordering::Acquire) {
            this.signs.flushed.store(true, Ordering::Release);
        }
        poll
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
    }
}
