//! Event streams that others made: axum's own `Sse`, a plain hyper service, a proxied body.
//!
//! Their frames pass as they are. What is put between their events, a comment or a farewell, has to stand between
//! *whole* events, and a body may split an event over frames wherever it likes: [`Boundary`](boundary::Boundary)
//! knows where one is.
//!
//! * **Silence.** After the keep-alive interval a comment is written, if the stream stands between two events.
//! * **Ends.** [`ForeignControl`] is told the reason from outside, once. What the body has ready is still written, up
//!   to a number of frames; then the farewell, at the next boundary. An event that is never finished is cut by
//!   the drain's deadline alone.
//! * **Encoded bodies** (gzip, say) are no events to us: they get no comment and no farewell, and may end anywhere.
//!
//! The permit is given back when the stream is over, or when it is dropped.

mod body;
mod boundary;
mod control;

pub(crate) use body::Foreign;
pub(crate) use control::ForeignControl;
