//! What is counted.
//!
//! Nothing is, by default: without the features `metrics` and `tracing` every function here is
//! empty. No label has values that grow with the number of users or keys.

use std::time::Duration;

use crate::CloseReason;

pub fn stream_opened() {}
pub fn stream_closed(reason: CloseReason, lifetime: Duration) {
    let _ = (reason, lifetime);
}
pub fn drain_slice(streams: usize) {
    let _ = streams;
}
pub fn drain_began(open: usize) {
    let _ = open;
}
pub fn drain_over(left: usize, took: Duration) {
    let _ = (left, took);
}
pub fn stream_refused(why: &'static str) {
    let _ = why;
}
pub fn time_to_headers(took: Duration) {
    let _ = took;
}
pub fn foreign_bytes(bytes: usize) {
    let _ = bytes;
}
