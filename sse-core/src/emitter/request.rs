//! Connections that were opened for a request which nobody answers any more.
//!
//! A connection that never becomes a response is over when its last handle is dropped. A program may
//! hold one elsewhere: in a callback of the connection itself, or in a map that the callback takes it out
//! of. Then the connection would wait for ever for a response that nobody makes, and count as a reader
//! all the time. So whoever runs a handler says when the handler is dropped before it has answered.

use std::{cell::RefCell, mem};

use smallvec::SmallVec;

use super::Conn;
use crate::sync::{Arc, Weak};

/// Mostly one.
type Opened = SmallVec<[Weak<Conn>; 1]>;

thread_local! {
    /// What was opened by the handler that runs on this thread at this moment.
    static OPENED: RefCell<Option<Opened>> = const { RefCell::new(None) };
}

/// One request, while its handler runs. Dropped before it was [answered](Self::answered), it ends the
/// connections that were opened for it and are no response yet.
///
/// ```
/// # use sse_tower_core::{__private::Request, SseEmitter};
/// let mut request = Request::default();
/// let emitter = request.within(SseEmitter::new);
/// emitter.on_completion({
///     let emitter = emitter.clone();
///     move |reason| println!("{emitter:?} is over: {reason}")
/// });
/// drop(request); // the client left
/// assert!(emitter.is_closed());
/// ```
#[derive(Debug, Default)]
pub struct Request {
    opened: Opened,
}

impl Request {
    /// Runs some of the handler.
    pub fn within<R>(&mut self, handler: impl FnOnce() -> R) -> R {
        let outer = OPENED.replace(Some(mem::take(&mut self.opened)));
        let scope = Scope { request: self, outer: Some(outer) };
        let result = handler();
        drop(scope);
        result
    }

    /// There is a response: whatever else was opened is the program's affair.
    pub fn answered(&mut self) {
        self.opened.clear();
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        for conn in self.opened.drain(..).filter_map(|conn| conn.upgrade()) {
            conn.abandoned();
        }
    }
}

/// Puts everything back, also after a panic.
struct Scope<'a> {
    request: &'a mut Request,
    outer: Option<Option<Opened>>,
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        let opened = OPENED.replace(self.outer.take().flatten());
        self.request.opened = opened.unwrap_or_default();
    }
}

/// A connection was opened, by whomever.
pub(super) fn opened(conn: &Arc<Conn>) {
    let _ = OPENED.try_with(|opened| {
        if let Some(opened) = &mut *opened.borrow_mut() {
            if opened.len() == opened.capacity() {
                opened.retain(|conn| conn.strong_count() > 0);
            }
            opened.push(Arc::downgrade(conn));
        }
    });
}
