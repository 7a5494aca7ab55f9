//! One connection on the direct path.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    super::connection::{Back, Connected},
    bell::Wakers,
    chunk::Chunk,
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
    body: Pin<Box<B>>,
    /// Where the connection goes when the body is over.
    back: Back<I, P>,
    /// What the socket did not take.
    unsent: Option<Box<Chunk>>,
}

impl<I, B, P> Lane<I, B, P> {
    /// The body begins where it is, in the middle of a chunked response, and has never been polled
    /// with a lane's waker.
    pub(in crate::serve) fn new(
        connected: Connected<I, P>,
        body: Pin<Box<B>>,
        back: Back<I, P>,
    ) -> Self {
        Self { connected, body, back, unsent: None }
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
    /// The client has left, or the body failed: nothing is to be saved.
    Gone,
}

impl<I, B, P> Lane<I, B, P>
where
    I: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes>,
{
    /// Writes what there is. `readable` if the client may have said something, or left.
    pub(super) fn turn(&mut self, readable: bool, wakers: &Wakers, copy: &mut Vec<u8>) -> Turn {
        if readable && self.has_left(&mut Context::from_waker(&wakers.reading)) {
            return Turn::Gone;
        }
        let mut cx = Context::from_waker(&wakers.stream);
        if let Some(mut chunk) = self.unsent.take() {
            match chunk.poll_write(&mut self.connected.io, &mut cx, copy) {
                Poll::Pending => {
                    self.unsent = Some(chunk);
                    return Turn::Waits;
                }
                Poll::Ready(Ok(())) if chunk.is_last() => return Turn::Done,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Turn::Gone,
            }
        }
        for _ in 0..FRAMES {
            let mut chunk = match self.body.as_mut().poll_frame(&mut cx) {
                Poll::Pending => return self.flushed(&mut cx),
                Poll::Ready(None) => Chunk::end(),
                Poll::Ready(Some(Err(_))) => return Turn::Gone,
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if data.is_empty() => continue,
                    Ok(data) => Chunk::new(data, self.body.is_end_stream()),
                    // Trailers that no header has announced.
                    Err(_) => Chunk::end(),
                },
            };
            match chunk.poll_write(&mut self.connected.io, &mut cx, copy) {
                Poll::Pending => {
                    self.unsent = Some(Box::new(chunk));
                    return Turn::Waits;
                }
                Poll::Ready(Ok(())) if chunk.is_last() => return Turn::Done,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Turn::Gone,
            }
        }
        Turn::HasMore
    }

    fn flushed(&mut self, cx: &mut Context<'_>) -> Turn {
        match Pin::new(&mut self.connected.io).poll_flush(cx) {
            Poll::Ready(Err(_)) => Turn::Gone,
            Poll::Ready(Ok(())) | Poll::Pending => Turn::Waits,
        }
    }

    /// Reads until the client has nothing to say. One that says something is still there, and is
    /// listened to again after the stream.
    fn has_left(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.connected.ahead.is_empty() {
            return false;
        }
        let mut room = [0; AHEAD];
        let mut buffer = ReadBuf::new(&mut room);
        match Pin::new(&mut self.connected.io).poll_read(cx, &mut buffer) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                self.connected.ahead = buffer.filled().to_vec();
                false
            }
            Poll::Ready(_) => true,
        }
    }

    /// The stream is over; the connection is not.
    pub(super) fn give_back(self) {
        let Self { connected, body, back, .. } = self;
        drop(body);
        // If nobody takes it the server is gone, and the connection with it.
        let _ = back.send(connected);
    }
}
