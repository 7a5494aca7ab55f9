//! `Request`: ends connections that were opened for a request which nobody answers any more.
//!
//! A connection that never becomes a response is over when its last handle is dropped. A program may
//! hold one elsewhere: in a callback of the connection itself, or in a map that the callback takes it out
//! of. Then the connection would wait for ever for a response that nobody makes, and count as a reader
//! all the time. So whoever runs a handler says when the handler is dropped before it has answered. One that answers
//! something else may have put its connection aside for another request; or it has panicked, and a layer answers for it.

use std::{cell::RefCell, mem, time::Duration};

use smallvec::SmallVec;
use tokio::{runtime::Handle, time::sleep};

use super::Conn;
use crate::{
    boxed::spawn,
    sync::{Arc, Weak},
};

/// For how long an emitter may be put aside that is no response: ten minutes after the handler that made it has
/// answered something else, `SseLayer` ends it.
pub const MAX_ASIDE: Duration = Duration::from_secs(10 * 60);

thread_local! {
    /// What was opened by the handler that runs on this thread at this moment.
    static OPENED: RefCell<Option<Opened>> = const { RefCell::new(None) };
}

#[derive(Debug, Default)]
struct Opened {
    /// The connections; mostly one.
    conns: SmallVec<[Weak<Conn>; 1]>,
    /// Whether a handle of one was dropped by a panic.
    panicked: bool,
}

impl Opened {
    /// The connections that are still there and have not become a response.
    fn unanswered(&mut self) -> Vec<Arc<Conn>> {
        let conns = self.conns.drain(..).filter_map(|conn| conn.upgrade());
        conns.filter(|conn| conn.is_unanswered()).collect()
    }
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

    /// Notes that there is a response. The program may keep other connections that were opened for [`MAX_ASIDE`];
    /// those of a handler that panicked are ended at once.
    pub fn answered(&mut self) {
        let aside = self.opened.unanswered();
        if self.opened.panicked {
            aside.iter().for_each(|conn| conn.abandoned());
        } else if let (false, Ok(runtime)) = (aside.is_empty(), Handle::try_current()) {
            let aside: Vec<_> = aside.iter().map(Arc::downgrade).collect();
            spawn(&runtime, async move {
                sleep(MAX_ASIDE).await;
                aside.iter().filter_map(Weak::upgrade).for_each(|conn| conn.abandoned());
            });
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.opened.unanswered().iter().for_each(|conn| conn.abandoned());
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

/// Notes that a connection was opened, within a request or not.
pub(super) fn opened(conn: &Arc<Conn>) {
    let _ = OPENED.try_with(|opened| {
        if let Some(opened) = &mut *opened.borrow_mut() {
            let conns = &mut opened.conns;
            if conns.len() == conns.capacity() {
                conns.retain(|conn| conn.strong_count() > 0);
            }
            conns.push(Arc::downgrade(conn));
        }
    });
}

/// Notes that a handle is dropped by a panic.
#[cold]
pub(super) fn panicked() {
    let _ = OPENED.try_with(|opened| {
        if let Some(opened) = &mut *opened.borrow_mut() {
            opened.panicked = true;
        }
    });
}
