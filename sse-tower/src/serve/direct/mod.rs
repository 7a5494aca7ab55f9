//! The direct path: event streams over HTTP/1.1 without the HTTP connection.
//!
//! hyper reads the request and writes the head, and as much of the stream as is there already. When
//! the stream first has to wait and everything is flushed ([`handover`]), hyper's connection is
//! dropped with its buffers and its task. What is left is a [`lane`]: the socket and the response's
//! body, which a [`flusher`] polls when its [`bell`] rings, and whose frames it writes as
//! [`chunk`]s. The body is the very same, with whatever layers have put around it, so everything
//! that holds for a stream holds here; only who polls it is different. After its end the connection
//! goes back to hyper for the next request.
//!
//! A lane has no task, no timer and no buffer of its own. Which responses may take it says [`check`];
//! all others stay with hyper.

mod bell;
mod check;
mod chunk;
mod flusher;
mod handover;
mod lane;

pub(super) use check::request_fits;
pub(super) use flusher::Flushers;
pub(super) use handover::{Attended, Handed, Handover};
pub(super) use lane::Lane;
