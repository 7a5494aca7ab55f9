//! The state of a key, for clients that cannot go on from where they were.
//!
//! # The order
//!
//! A connection first takes its place in the log of its key, then the program's function is asked for the state, and
//! then the connection is given that state with its place as the id, and after it everything that came after the place.
//! A change that is made while the function reads is in the state, or behind it, or both; it is never lost, and nothing
//! older comes after it for good. The other order, to read and then to join, loses what falls between.
//!
//! # Who runs it
//!
//! Nobody but those who wait: one of the streams that wait for a state polls the future, whichever is polled, and when
//! it goes the next one takes over. So it needs no task and no runtime of its own, begins when the first body is polled
//! (the head of the response goes out before that), and is dropped when the last who waits has left.
//!
//! # Who shares it
//!
//! All who come to a key while its function runs, and those who come soon after it, as long as the log has all that
//! followed its place.
//!
//! * `run` is one run of the function, and who waits for it.
//! * `source` is the program's function, and what of each key is shared.
//! * `joining` puts a cursor at the place of a run.

mod joining;
mod run;
mod source;

pub use self::source::{DEFAULT_SNAPSHOT_AGE, DEFAULT_SNAPSHOT_TIMEOUT};
pub(super) use self::{
    joining::Renewing,
    source::{Of, Snapshots, of, of_one},
};
