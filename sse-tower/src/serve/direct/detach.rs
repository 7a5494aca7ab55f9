//! `DetachSlot`: how a stream leaves hyper. Its body goes first, its socket once everything before it is written.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{super::activity::InFlight, check::response_fits};

/// What the service, the body and the socket of one HTTP/1.1 connection share.
pub(in crate::serve) struct DetachSlot<B> {
    /// The body of the present response, once it has to wait.
    waiting: Mutex<Option<Pin<Box<B>>>>,
    /// Whether a body waits.
    waits: AtomicBool,
    /// Whether everything before it is written.
    flushed: AtomicBool,
}

/// What a socket tells the slot, whatever the type of the body.
pub(in crate::serve) trait Flushed: Send + Sync {
    /// Notes that all that hyper had is written.
    fn flushed(&self);
}

impl<B: Send> Flushed for DetachSlot<B> {
    fn flushed(&self) {
        if self.waits.load(Ordering::Acquire) {
            self.flushed.store(true, Ordering::Release);
        }
    }
}

impl<B: Body> DetachSlot<B> {
    pub(in crate::serve) fn new() -> Arc<Self> {
        let (waits, flushed) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { waiting: Mutex::new(None), waits, flushed })
    }

    /// The body, when hyper has nothing left to do.
    pub(in crate::serve) fn take(&self) -> Option<Pin<Box<B>>> {
        if !self.flushed.load(Ordering::Acquire) {
            return None;
        }
        self.waiting.lock().take()
    }

    fn put(&self, body: Pin<Box<B>>) {
        *self.waiting.lock() = Some(body);
        self.waits.store(true, Ordering::Release);
    }
}

pin_project! {
    /// A response's body as hyper sees it.
    #[project = DetachableProj]
    pub(in crate::serve) enum DetachableBody<B> {
        /// It stays with hyper.
        Kept { #[pin] body: B, in_flight: InFlight },
        /// It leaves when it first has to wait.
        Leaving { body: Option<Pin<Box<B>>>, slot: Arc<DetachSlot<B>>, in_flight: InFlight },
        /// All of it is here: what the server itself answers.
        Whole { bytes: Option<Bytes> },
    }
}

impl<B> DetachableBody<B> {
    /// What the server answers by itself.
    pub(in crate::serve) fn whole(bytes: Bytes) -> Self {
        Self::Whole { bytes: Some(bytes).filter(|bytes| !bytes.is_empty()) }
    }
}

impl<B: Body> DetachableBody<B> {
    /// It stays with hyper.
    pub(in crate::serve) fn kept(body: B, in_flight: InFlight) -> Self {
        Self::Kept { body, in_flight }
    }

    /// The body of this event stream leaves if it may, and where there is somewhere to go.
    pub(in crate::serve) fn of_stream(
        response: Response<B>,
        slot: Option<&Arc<DetachSlot<B>>>,
        in_flight: InFlight,
    ) -> Response<Self> {
        match slot.filter(|_| response_fits(&response)) {
            Some(slot) => response.map(|body| Self::Leaving {
                body: Some(Box::pin(body)),
                slot: Arc::clone(slot),
                in_flight,
            }),
            None => response.map(|body| Self::kept(body, in_flight)),
        }
    }
}

impl<B: Body<Data = Bytes>> Body for DetachableBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project() {
            DetachableProj::Kept { body, .. } => body.poll_frame(cx),
            DetachableProj::Whole { bytes } => {
                Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))))
            }
            DetachableProj::Leaving { body, slot, .. } => {
                let Some(mut leaving) = body.take() else { return Poll::Pending };
                let poll = leaving.as_mut().poll_frame(cx);
                match poll {
                    // hyper is woken if it is ready before everything is flushed, finds nothing
                    // here, and goes on flushing.
                    Poll::Pending => slot.put(leaving),
                    Poll::Ready(_) => *body = Some(leaving),
                }
                poll
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Kept { body, .. } => body.is_end_stream(),
            Self::Whole { bytes } => bytes.is_none(),
            Self::Leaving { body, .. } => body.as_ref().is_some_and(|body| body.is_end_stream()),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Kept { body, .. } => body.size_hint(),
            Self::Whole { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Leaving { body, .. } => {
                body.as_ref().map_or_else(SizeHint::default, |body| body.size_hint())
            }
        }
    }
}

pin_project! {
    /// A socket that notices when everything before a waiting body is written: hyper flushes it then, and
    /// not before.
    pub(in crate::serve) struct FlushWatch<I> {
        #[pin]
        io: I,
        slot: Arc<dyn Flushed>,
    }
}

impl<I> FlushWatch<I> {
    pub(in crate::serve) fn new(io: I, slot: Arc<dyn Flushed>) -> Self {
        Self { io, slot }
    }

    pub(in crate::serve) fn into_inner(self) -> I {
        self.io
    }
}

impl<I: AsyncRead> AsyncRead for FlushWatch<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().io.poll_read(cx, buffer)
    }
}

impl<I: AsyncWrite> AsyncWrite for FlushWatch<I> {
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
        if matches!(poll, Poll::Ready(Ok(()))) {
            this.slot.flushed();
        }
        poll
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
    }
}
