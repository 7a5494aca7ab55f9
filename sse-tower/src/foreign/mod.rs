//! Event streams that others made: axum's own `Sse`, a plain hyper service, a proxied body.
//!
//! What is put between their events, a comment or a farewell, has to stand between *whole* events,
//! and a body may split an event over frames wherever it likes. [`Boundary`] knows where one is.

mod body;
mod boundary;
mod control;

pub(crate) use body::Foreign;
pub(crate) use control::ForeignControl;
