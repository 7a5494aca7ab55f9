//! `Foreign`: a body that others made, with what has to stand between its events.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use sse_tower_core::{
    __private::{KEEP_ALIVE_COMMENT, Window, at_most, encode_with_id, later},
    CloseReason, EventId, observe,
};
use tokio::{
    task::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    boundary::Boundary,
    control::{End, ForeignControl},
};
use crate::admission::Permit;

/// How many frames that are ready are still written when the stream is told to end. A body that is
/// always ready would never end otherwise.
pub(crate) const MAX_LAST_FRAMES: usize = 1024;

/// What opens a stream that has nothing to say yet, and keeps a silent one alive.
const COMMENT: Bytes = KEEP_ALIVE_COMMENT;
/// A byte-order mark, which counts for nothing at the beginning of a stream (WHATWG HTML, section 9.2.6).
const BOM: &[u8] = b"\xEF\xBB\xBF";

pin_project! {
    /// An event stream that others made, as a body that can be ended between two events.
    pub(crate) struct Foreign<B> {
        #[pin]
        inner: B,
        state: State,
    }
}

struct State {
    control: Arc<ForeignControl>,
    /// `None` once the stream is over.
    permit: Option<Permit>,
    boundary: Boundary,
    start: Start,
    interval: Duration,
    last_write: Instant,
    timer: Pin<Box<Sleep>>,
    /// How many frames were written since the stream was told to end.
    last_frames: usize,
    over: bool,
    window: Window,
    /// What is written after the stream is over, then nothing.
    farewell: Option<Bytes>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// No byte of the inner body was seen yet.
    Silent,
    /// A comment of ours stands before it, and so many bytes of it were the beginning of a mark.
    Commented(usize),
    Over,
}

impl<B> Foreign<B> {
    pub(crate) fn new(
        inner: B,
        control: Arc<ForeignControl>,
        position: Option<EventId>,
        keep_alive: Duration,
        permit: Permit,
    ) -> Self {
        let now = Instant::now();
        // An interval of its own for each stream, so that those who got the same event do not all
        // wake again in the same instant.
        let interval = at_most(keep_alive, 0.25);
        let state = State {
            control,
            permit: Some(permit),
            boundary: Boundary::at(position),
            start: Start::Silent,
            interval,
            last_write: now,
            timer: Box::pin(sleep_until(later(now, interval))),
            last_frames: 0,
            over: false,
            window: Window::default(),
            farewell: None,
        };
        Self { inner, state }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.state.over && self.state.farewell.is_none()
    }
}

impl<B: Body<Data = Bytes>> Foreign<B> {
    pub(crate) fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let state = this.state;
        if state.over {
            return Poll::Ready(state.farewell.take().map(|bytes| Ok(Frame::data(bytes))));
        }
        // Whether it has more is not known before it is asked.
        ready!(state.window.poll_room(cx, true));
        let end = state.control.poll_end(cx);
        let polled = match &end {
            None => this.inner.poll_frame(cx),
            // A channel of tokio's says that nothing waits when the task has used up its turn. Here
            // that would be taken for the end, so the last frames, a bounded number, are on us.
            Some(_) => {
                let mut inner = this.inner;
                let next = poll_fn(|cx| inner.as_mut().poll_frame(cx));
                pin!(unconstrained(next)).poll(cx)
            }
        };
        let frame = match polled {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => {
                state.finish(CloseReason::Failed);
                return Poll::Ready(Some(Err(error)));
            }
            Poll::Ready(None) => {
                match end.filter(|_| state.boundary.is_here()) {
                    Some(end) => state.end(end),
                    None => state.finish(CloseReason::Completed),
                }
                return Poll::Ready(state.farewell.take().map(|bytes| Ok(Frame::data(bytes))));
            }
            Poll::Pending => {
                return match end {
                    // Everything that was ready is written, and no event is cut in two.
                    Some(end) if state.between_events() => {
                        state.end(end);
                        Poll::Ready(state.farewell.take().map(|bytes| Ok(Frame::data(bytes))))
                    }
                    // The rest of the event is still to come; a deadline is the drain's.
                    Some(_) => Poll::Pending,
                    None => state.poll_comment(cx).map(|bytes| Some(Ok(Frame::data(bytes)))),
                };
            }
        };
        match frame.into_data() {
            Ok(bytes) => Poll::Ready(Some(Ok(Frame::data(state.pass(bytes, end))))),
            Err(trailers) => {
                state.finish(CloseReason::Completed);
                Poll::Ready(Some(Ok(trailers)))
            }
        }
    }
}

impl State {
    /// What of the inner body's bytes to write. The stream may be over after them.
    fn pass(&mut self, mut bytes: Bytes, end: Option<End>) -> Bytes {
        self.last_write = Instant::now();
        observe::bytes_written(bytes.len());
        self.window.give(bytes.len());
        bytes = self.without_mark(bytes);
        let whole = if self.control.is_encoded() { None } else { self.boundary.feed(&bytes) };
        if let Some(end) = end {
            self.last_frames += 1;
            if self.last_frames >= MAX_LAST_FRAMES {
                if let Some(whole) = whole {
                    bytes.truncate(whole);
                    self.end(end);
                } else if self.control.is_encoded() {
                    self.end(end);
                }
            }
        }
        bytes
    }

    /// Only the first bytes of a stream may be a mark; behind a comment of ours it would become text, and the first
    /// field nobody's. It may come in pieces.
    fn without_mark(&mut self, bytes: Bytes) -> Bytes {
        let Start::Commented(seen) = self.start else {
            if !bytes.is_empty() {
                self.start = Start::Over;
            }
            return bytes;
        };
        let rest = &BOM[seen..];
        let same = rest.iter().zip(&bytes).take_while(|(one, other)| one == other).count();
        if same == bytes.len() && same < rest.len() {
            // Held back until it is clear what it is.
            self.start = Start::Commented(seen + same);
            return Bytes::new();
        }
        self.start = Start::Over;
        if same == rest.len() {
            return bytes.slice(same..);
        }
        // It was none.
        if seen == 0 { bytes } else { [&BOM[..seen], &bytes].concat().into() }
    }

    /// What to write where the inner body has nothing: at the beginning, and after a silence.
    fn poll_comment(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        if self.start == Start::Silent && !self.control.is_encoded() {
            self.start = Start::Commented(0);
            self.last_write = Instant::now();
            return Poll::Ready(COMMENT);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let due = later(self.last_write, self.interval);
            if now < due {
                // The stream was not silent. Asking only now costs nothing while events flow.
                self.timer.as_mut().reset(due);
                continue;
            }
            self.timer.as_mut().reset(later(now, self.interval));
            if self.between_events() && !self.control.is_encoded() {
                self.last_write = now;
                return Poll::Ready(COMMENT);
            }
        }
        Poll::Pending
    }

    /// Whether something may be written, or the stream end, here. Of encoded bytes nobody knows, so
    /// they may end anywhere.
    fn between_events(&self) -> bool {
        self.control.is_encoded() || self.boundary.is_here()
    }

    fn end(&mut self, end: End) {
        // It carries the client's position: an event without an id makes some clients forget theirs.
        let position = self.boundary.position();
        self.farewell = end.farewell.map(|event| encode_with_id(event, position));
        self.finish(end.reason);
    }

    fn finish(&mut self, reason: CloseReason) {
        self.over = true;
        if let Some(permit) = self.permit.take() {
            permit.over(reason);
        }
    }
}
