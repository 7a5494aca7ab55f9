//! One connection on the direct path.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::Body;
use sse_tower_core::{Tick, Timer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::{
    super::connected::{Back, Connected},
    bell::{Bell, Heard, Wakers},
    chunk::{Chunker, Unsent},
};

/// How many frames of one stream are written before others have their turn. A stream gives out all
/// that waits as one frame, so this is only reached by one that is behind.
const FRAMES: usize = 8;

/// How much of a request that came before its time is read. What else the client says waits in its
/// socket.
const AHEAD: usize = 512;

/// A socket, and the body that goes to it.
pub(in crate::serve) struct Lane<I, B, P> {
    connected: Connected<I, P>,
    state: State<B>,
    /// Where the connection goes when the body is over.
    back: Back<I, P>,
}

enum State<B> {
    Streams {
        body: Pin<Box<B>>,
        /// What the socket did not take.
        unsent: Option<Box<Unsent>>,
    },
    /// The body is over; the next request may come, but not too late.
    Idle { _until: Box<Timer> },
}

impl<I, B, P> Lane<I, B, P> {
    /// The body begins where it is, in the middle of a chunked response, and has never been polled
    /// with a lane's waker.
    pub(in crate::serve) fn new(
        connected: Connected<I, P>,
        body: Pin<Box<B>>,
        back: Back<I, P>,
    ) -> Self {
        Self { connected, state: State::Streams { body, unsent: None }, back }
    }
}

/// What became of a lane at its turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It rings when there is more.
    Waits,
    /// It has more, and others were waiting.
    HasMore,
    /// The body is over, and written.
    Done,
    /// After the end of the body the client has said something more.
    Speaks,
    /// The client has left or takes too long, or the body failed: nothing is to be saved.
    Gone,
}

impl<I, B, P> Lane<I, B, P>
where
    I: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes>,
{
    /// Writes what there is.
    pub(super) fn turn(&mut self, heard: Heard, wakers: &Wakers, chunker: &mut Chunker) -> Turn {
        let Self { connected: Connected { io, ahead, .. }, state, .. } = self;
        if heard.readable && has_left(io, ahead, &mut Context::from_waker(&wakers.reading)) {
            return Turn::Gone;
        }
        let mut cx = Context::from_waker(&wakers.stream);
        match state {
            State::Streams { body, unsent } => {
                match stream(io, body.as_mut(), unsent, &mut cx, chunker) {
                    Turn::Done if !ahead.is_empty() => Turn::Speaks,
                    turn => turn,
                }
            }
            State::Idle { .. } if !ahead.is_empty() => Turn::Speaks,
            State::Idle { .. } if heard.late => Turn::Gone,
            State::Idle { .. } => Turn::Waits,
        }
    }

    /// Waits for the next request.
    pub(super) fn idle(&mut self, bell: &Arc<Bell>, timeout: Duration) {
        let late: Arc<dyn Tick> = Arc::clone(bell) as _;
        let mut until = Timer::new(Arc::downgrade(&late));
        if let Some(at) = Instant::now().checked_add(timeout) {
            until.set(at);
        }
        self.state = State::Idle { _until: Box::new(until) };
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle { .. })
    }

    /// The client speaks HTTP again.
    pub(super) fn give_back(self) {
        // If nobody takes it the server is gone, and the connection with it.
        let _ = self.back.send(self.connected);
    }
}

fn stream<I, B>(
    io: &mut I,
    mut body: Pin<&mut B>,
    unsent: &mut Option<Box<Unsent>>,
    cx: &mut Context<'_>,
    chunker: &mut Chunker,
) -> Turn
where
    I: AsyncWrite + Unpin,
    B: Body<Data = Bytes>,
{
    if let Some(rest) = unsent.take() {
        let is_last = rest.is_last();
        let written = rest.write(io, cx);
        if let Some(turn) = after(is_last, written, unsent) {
            return turn;
        }
    }
    for _ in 0..FRAMES {
        let frame = match body.as_mut().poll_frame(cx) {
            Poll::Pending => {
                return match Pin::new(io).poll_flush(cx) {
                    Poll::Ready(Err(_)) => Turn::Gone,
                    Poll::Ready(Ok(())) | Poll::Pending => Turn::Waits,
                };
            }
            Poll::Ready(None) => None,
            Poll::Ready(Some(Err(_))) => return Turn::Gone,
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
        if let Some(turn) = after(is_last, written, unsent) {
            return turn;
        }
    }
    Turn::HasMore
}

/// What a write means, unless that the stream may go on.
fn after(
    is_last: bool,
    written: io::Result<Option<Box<Unsent>>>,
    unsent: &mut Option<Box<Unsent>>,
) -> Option<Turn> {
    match written {
        Ok(None) => is_last.then_some(Turn::Done),
        Ok(rest) => {
            *unsent = rest;
            Some(Turn::Waits)
        }
        Err(_) => Some(Turn::Gone),
    }
}

/// Reads what the client has to say: one that says something is still there, and is listened to
/// when the stream is over.
fn has_left<I: AsyncRead + Unpin>(io: &mut I, ahead: &mut Vec<u8>, cx: &mut Context<'_>) -> bool {
    if !ahead.is_empty() {
        return false;
    }
    let mut room = [0; AHEAD];
    let mut buffer = ReadBuf::new(&mut room);
    match Pin::new(io).poll_read(cx, &mut buffer) {
        Poll::Pending => false,
        Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
            *ahead = buffer.filled().to_vec();
            false
        }
        Poll::Ready(_) => true,
    }
}
