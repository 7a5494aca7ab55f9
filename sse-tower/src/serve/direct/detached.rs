//! `Detached`: one connection on the direct path, a socket and the stream that goes to it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    super::{
        connected::{Connected, ReturnSender},
        read_ahead::{poll_gone, poll_some},
    },
    chunk::{Chunker, Unsent},
    ready_queue::{Readiness, Wakers},
};

/// How many frames of one stream are written before others have their turn. A stream gives out all
/// that waits as one frame, so this is only reached by one that is behind.
const FRAMES: usize = 8;

/// A socket, and the body that goes to it.
pub(in crate::serve) struct Detached<I, B, P> {
    connected: Connected<I, P>,
    state: State<B>,
    /// Where the connection goes when the body is over.
    return_sender: ReturnSender<I, P>,
}

enum State<B> {
    Streams {
        body: Pin<Box<B>>,
        /// Bytes that the socket did not take.
        unsent: Option<Box<Unsent>>,
    },
    /// The body is over; the next request may come, but not too late.
    Idle,
}

impl<I, B, P> Detached<I, B, P> {
    /// The body begins where it is, in the middle of a chunked response, and has never been polled
    /// with a connection's waker.
    pub(in crate::serve) fn new(
        connected: Connected<I, P>,
        body: Pin<Box<B>>,
        return_sender: ReturnSender<I, P>,
    ) -> Self {
        Self { connected, state: State::Streams { body, unsent: None }, return_sender }
    }
}

/// How far a connection has come when it was polled.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It has nothing now, and wakes its waker when it has.
    Pending,
    /// It has more, and others were waiting.
    HasMore,
    /// The body is over, and written.
    Done,
    /// After the end of the body the client has said something more.
    NextRequest,
    /// The client has left or takes too long, or the body failed: nothing is to be saved.
    Closed,
}

impl<I, B, P> Detached<I, B, P>
where
    I: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes>,
{
    /// Writes as much as there is.
    pub(super) fn poll_once(
        &mut self,
        readiness: Readiness,
        wakers: &Wakers,
        chunker: &mut Chunker<I>,
    ) -> Progress {
        let Self { connected: Connected { io, read_ahead, .. }, state, .. } = self;
        let mut reading = Context::from_waker(&wakers.reading);
        let mut cx = Context::from_waker(&wakers.stream);
        match state {
            State::Streams { body, unsent } => {
                if readiness.readable && poll_gone(io, read_ahead, &mut reading) {
                    return Progress::Closed;
                }
                match stream(io, body.as_mut(), unsent, &mut cx, chunker) {
                    Progress::Done if !read_ahead.is_empty() => Progress::NextRequest,
                    progress => progress,
                }
            }
            State::Idle => match poll_some(io, read_ahead, &mut reading) {
                Poll::Ready(true) => Progress::NextRequest,
                Poll::Ready(false) => Progress::Closed,
                Poll::Pending if readiness.late => Progress::Closed,
                Poll::Pending => Progress::Pending,
            },
        }
    }

    /// Waits for the next request.
    pub(super) fn idle(&mut self) {
        self.state = State::Idle;
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Gives the connection back, whose client speaks HTTP again.
    pub(super) fn give_back(self) {
        // If nobody takes it the server is gone, and the connection with it.
        let _ = self.return_sender.send(self.connected);
    }
}

fn stream<I, B>(
    io: &mut I,
    mut body: Pin<&mut B>,
    unsent: &mut Option<Box<Unsent>>,
    cx: &mut Context<'_>,
    chunker: &mut Chunker<I>,
) -> Progress
where
    I: AsyncWrite + Unpin,
    B: Body<Data = Bytes>,
{
    if let Some(rest) = unsent.take() {
        let is_last = rest.is_last();
        let written = rest.write(io, cx);
        if let Some(progress) = after(is_last, written, unsent) {
            return progress;
        }
    }
    for _ in 0..FRAMES {
        let frame = match body.as_mut().poll_frame(cx) {
            Poll::Pending => {
                return match Pin::new(io).poll_flush(cx) {
                    Poll::Ready(Err(_)) => Progress::Closed,
                    Poll::Ready(Ok(())) | Poll::Pending => Progress::Pending,
                };
            }
            Poll::Ready(None) => None,
            Poll::Ready(Some(Err(_))) => return Progress::Closed,
            // Trailers that no header has announced are not written.
            Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
        };
        if frame.as_ref().is_some_and(Bytes::is_empty) {
            continue;
        }
        let is_last = frame.is_none() || body.is_end_stream();
        let written = match frame {
            Some(frame) => chunker.write(frame, is_last, io, cx),
            None => Box::new(Unsent::end()).write(io, cx),
        };
        if let Some(progress) = after(is_last, written, unsent) {
            return progress;
        }
    }
    Progress::HasMore
}

/// The progress after a write; `None` if the stream may go on.
#[inline]
fn after(
    is_last: bool,
    written: io::Result<Option<Box<Unsent>>>,
    unsent: &mut Option<Box<Unsent>>,
) -> Option<Progress> {
    match written {
        Ok(None) => is_last.then_some(Progress::Done),
        Ok(rest) => {
            *unsent = rest;
            Some(Progress::Pending)
        }
        Err(_) => Some(Progress::Closed),
    }
}
