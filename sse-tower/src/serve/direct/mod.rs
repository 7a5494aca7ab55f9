//! The direct path: event streams over HTTP/1.1 without the HTTP connection.
//!
//! 1. hyper reads the request and writes the head, and as much of the stream as is there already.
//! 2. [`check`] says whether request and response may leave hyper. If so the response's body is a
//!    [`DetachableBody`]: when it first has to wait, it puts the stream into the connection's [`DetachSlot`].
//! 3. When the socket ([`FlushWatch`]) has been flushed after that, everything before the stream's next byte is
//!    written. hyper's connection is dropped, with its buffers and its task.
//! 4. What is left is a [`Detached`] connection: the socket and the stream. A [`worker`], one for each worker
//!    of the runtime, polls it when its waker has put it into the [`ready_queue`], and writes the stream's frames as
//!    [`chunk`]s.
//! 5. After the stream's end the connection waits for the next request, and goes back to hyper with its first
//!    byte.
//!
//! What may be relied on: the body is the very same, with whatever layers have put around it. So everything that
//! holds for a stream (order, replay, lag, timeouts, keep-alive, drain, leases) holds here, and nothing is
//! implemented twice; only who polls it is different. What may not: a body that works hard in `poll_frame`
//! holds up the other streams of its worker.
//!
//! A detached connection has no task, no timer and no buffer of its own. A panic in its body ends it alone.

mod check;
mod chunk;
mod detach;
mod detached;
mod idle_queue;
mod ready_queue;
mod worker;

pub(super) use check::request_fits;
pub(super) use detach::{DetachSlot, DetachableBody, FlushWatch};
pub(super) use detached::Detached;
pub(super) use worker::Workers;
