//! What this library says when something is wrong, on one page for each place where it is met.
//!
//! Each message is provoked for real, by the mistake that leads to it, and compared as a whole: it
//! has to say what happened, where, and what to do. What the attributes say is in `macros/ui`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod backplanes;
mod connections;
mod endpoints;
mod events;
mod features;
mod heard;
mod published;
mod requests;
mod serving;
mod wiring;
