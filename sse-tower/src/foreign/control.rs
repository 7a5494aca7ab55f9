//! `ForeignControl`: ends a stream that others made, from outside.

use parking_lot::Mutex;
use std::task::{Context, Waker};

use sse_tower_core::{CloseReason, SseEvent, StreamHandle};

/// The handle on one foreign body.
#[derive(Debug)]
pub(crate) struct ForeignControl {
    state: Mutex<State>,
    /// Whether the bytes are not the events themselves, so that nothing can be written between them.
    encoded: bool,
}

#[derive(Debug, Default)]
struct State {
    end: Option<End>,
    waker: Option<Waker>,
}

/// How the stream is to end.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) reason: CloseReason,
    pub(crate) farewell: Option<SseEvent>,
}

impl ForeignControl {
    pub(crate) fn new(encoded: bool) -> Self {
        Self { state: Mutex::default(), encoded }
    }

    pub(crate) fn is_encoded(&self) -> bool {
        self.encoded
    }

    /// How the stream is to end, if so. Otherwise the body is woken when that is decided.
    pub(crate) fn poll_end(&self, cx: &mut Context<'_>) -> Option<End> {
        let mut state = self.state.lock();
        if state.end.is_some() {
            return state.end.clone();
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            let old = state.waker.replace(cx.waker().clone());
            drop(state);
            drop(old);
        }
        None
    }
}

impl StreamHandle for ForeignControl {
    fn end(&self, reason: CloseReason, farewell: Option<SseEvent>) {
        let farewell = farewell.filter(|_| !self.encoded);
        let waker = {
            let mut state = self.state.lock();
            if state.end.is_some() {
                return;
            }
            state.end = Some(End { reason, farewell });
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
