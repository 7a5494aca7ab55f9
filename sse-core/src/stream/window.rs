//! `Window`: how much a body gives before its socket has to have taken it.
//!
//! For a socket that takes no list of pieces hyper copies what it writes into one buffer, which is cheap, and asks the body
//! for more until that buffer holds 400 KiB; a server such as `axum::serve` has no setting for that. So the body asks the
//! socket itself. Nothing connects the two but the task that polls both: with a full window the body leaves its [`Gate`] for
//! this task, and a socket that takes no more picks up the gate that was left in its own task, and closes it. A
//! body that is polled in another task than its socket, such as one of HTTP/2, is never held up.
//!
//! What is held up is as good as not polled: what it does not read stays in its logs.

use std::{
    cell::RefCell,
    task::{Context, Poll, Waker, ready},
};

use tokio::task;

use crate::sync::{Arc, plain};

/// How many bytes a body gives, at least, before it asks: as many as a frame of joined events has.
const WINDOW: usize = 64 * 1024;

thread_local! {
    /// Of the body that filled its window last, of those that this thread polled.
    static LEFT: RefCell<Option<(task::Id, Arc<Gate>)>> = const { RefCell::new(None) };
}

/// Of one body.
#[derive(Debug, Default)]
pub struct Window {
    given: usize,
    /// Of one that was full before, in a task.
    gate: Option<Arc<Gate>>,
}

impl Window {
    /// Notes that so many bytes are given. Whether the window is full now; then nothing may be given before there is
    /// [room](Self::poll_room).
    #[inline]
    pub fn give(&mut self, bytes: usize) -> bool {
        // There was room, so this is less than a window and one piece of memory.
        self.given += bytes;
        let full = self.given >= WINDOW;
        if full {
            self.leave_gate();
        }
        full
    }

    #[cold]
    fn leave_gate(&mut self) {
        if let Some(task) = task::try_id() {
            let gate = self.gate.get_or_insert_default();
            LEFT.set(Some((task, Arc::clone(gate))));
        }
    }

    /// Waits for room, which lacks after a full window: first for whoever polls to write what it has got, if the body has
    /// more at once and so was not known to wait; then as long as the socket takes nothing.
    #[inline]
    pub fn poll_room(&mut self, cx: &mut Context<'_>, more: bool) -> Poll<()> {
        if self.given < WINDOW { Poll::Ready(()) } else { self.poll_full(cx, more) }
    }

    #[cold]
    fn poll_full(&mut self, cx: &mut Context<'_>, more: bool) -> Poll<()> {
        if let Some(gate) = &self.gate {
            if more && gate.yields() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            ready!(gate.poll_open(cx));
        }
        self.given = 0;
        Poll::Ready(())
    }
}

/// Closed while the socket takes nothing.
#[derive(Debug, Default)]
struct Gate(plain::Mutex<GateState>);

#[derive(Debug, Default)]
struct GateState {
    closed: bool,
    /// The window was full while there was more: whoever polls was asked to write first.
    yielded: bool,
    waiting: Option<Waker>,
}

impl Gate {
    /// Whether whoever polls is to write first: once for each full window.
    fn yields(&self) -> bool {
        !std::mem::replace(&mut plain::lock(&self.0).yielded, true)
    }

    fn poll_open(&self, cx: &Context<'_>) -> Poll<()> {
        // What it replaces is dropped after the lock.
        let mut waker = Some(cx.waker().clone());
        let mut state = plain::lock(&self.0);
        if !state.closed {
            state.yielded = false;
            return Poll::Ready(());
        }
        std::mem::swap(&mut state.waiting, &mut waker);
        Poll::Pending
    }
}

/// What a socket keeps while it takes nothing: as long as it is there, the body that is sent over it gives nothing.
#[derive(Debug)]
pub struct Blocked(Arc<Gate>);

impl Blocked {
    /// Closes the gate that was left for this task, if there is one.
    #[must_use]
    pub fn of_this_task() -> Option<Self> {
        let task = task::try_id()?;
        let of_this = |(whose, _): &mut (task::Id, Arc<Gate>)| *whose == task;
        let (_, gate) = LEFT.with_borrow_mut(|left| left.take_if(of_this))?;
        plain::lock(&gate.0).closed = true;
        Some(Self(gate))
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        let waiting = {
            let mut state = plain::lock(&self.0.0);
            state.closed = false;
            state.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn poll(window: &mut Window) -> Poll<()> {
        window.poll_room(&mut Context::from_waker(Waker::noop()), false)
    }

    /// Runs it in a task, as a server does.
    async fn in_task<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
        task::spawn(async { run() }).await.unwrap()
    }

    #[tokio::test]
    async fn a_body_is_held_up_from_a_full_window_on_while_the_socket_of_its_task_is_blocked() {
        in_task(|| {
            let mut window = Window::default();
            assert!(!window.give(WINDOW - 1));
            assert!(Blocked::of_this_task().is_none(), "it has not asked");
            assert!(window.give(1));
            let blocked = Blocked::of_this_task().unwrap();
            assert_eq!(poll(&mut window), Poll::Pending);
            drop(blocked);
            assert_eq!(poll(&mut window), Poll::Ready(()));
            assert!(Blocked::of_this_task().is_none(), "a gate is left once");
        })
        .await;
    }

    #[tokio::test]
    async fn a_socket_of_another_task_holds_nobody_up() {
        let mut window = in_task(|| {
            let mut window = Window::default();
            window.give(WINDOW);
            window
        })
        .await;
        assert!(in_task(|| Blocked::of_this_task().is_none()).await);
        assert_eq!(poll(&mut window), Poll::Ready(()));
    }

    #[tokio::test]
    async fn one_that_has_more_lets_others_write_first_and_only_once() {
        let body = async {
            let (mut window, mut polled) = (Window::default(), 0);
            window.give(WINDOW);
            poll_fn(|cx| {
                polled += 1;
                window.poll_room(cx, true)
            })
            .await;
            polled
        };
        assert_eq!(task::spawn(body).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn what_waits_is_woken_when_the_socket_takes_more_or_is_gone() {
        let body = async {
            let mut window = Window::default();
            window.give(WINDOW);
            let blocked = Blocked::of_this_task().unwrap();
            let opens = task::spawn(async { drop(blocked) });
            poll_fn(|cx| window.poll_room(cx, false)).await;
            opens.await
        };
        task::spawn(body).await.unwrap().unwrap();
    }

    #[test]
    fn without_a_task_there_is_always_room() {
        let mut window = Window::default();
        window.give(WINDOW);
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(window.poll_room(&mut cx, true), Poll::Ready(()));
    }
}
