//! What is counted, and what is traced.
//!
//! Nothing is, by default: without the features `metrics` and `tracing` all of this is empty and
//! costs nothing. With them it goes to whatever recorder and subscriber the program has installed.
//!
//! | metric (feature `metrics`) | kind | labels |
//! |---|---|---|
//! | [`STREAMS_OPEN`] | gauge | |
//! | [`STREAMS_OPENED`] | counter | |
//! | [`STREAMS_CLOSED`] | counter | `reason`: as [`CloseReason::as_str`](crate::CloseReason::as_str) |
//! | [`STREAMS_REFUSED`] | counter | `why`: `draining`, `total`, `key`, `principal` |
//! | [`TIME_TO_HEADERS`] | histogram, seconds | |
//! | [`STREAM_LIFETIME`] | histogram, seconds | |
//! | [`EVENTS_SENT`] | counter, one for each receiver | |
//! | [`BYTES_WRITTEN`] | counter, bytes | |
//! | [`GAPS`] | counter | `reason`: why events were left out |
//! | [`EVENTS_MISSED`] | counter | |
//! | [`LAG_EVENTS`] | histogram, by how many events a reader was overtaken | |
//! | [`SNAPSHOTS_FAILED`] | counter | |
//! | [`EVENTS_PUBLISHED`] | counter | `event`: the type's name |
//! | [`LISTENERS_RUN`] | counter | `listener`; `outcome`: `ok`, `failed`, `stopped` before its end |
//! | [`LISTENER_TIME`] | histogram, seconds | `listener` |
//! | [`DRAIN_LEFT`] | gauge, streams a drain still waits for | |
//! | [`BACKPLANE_APPEND`] | histogram, seconds | |
//! | [`BACKPLANE_QUEUE`] | gauge, changes that wait to be stored | |
//! | [`BACKPLANE_LAG`] | histogram, seconds | |
//! | [`BACKPLANE_RESYNCS`] | counter | |
//! | [`BACKPLANE_ERRORS`] | counter | `call`: `start`, `append`, `follow`, `load`, `mark`, `changed`, `close` |
//! | [`BACKPLANE_UP`] | gauge, 1 unless it is down | |
//! | [`DURABLE_PUBLISHED`] | counter | `event`: its name |
//! | [`DURABLE_EVENTS`] | counter | `listener`; `outcome`: `claimed`, `finished`, `failed`, `dead`, `released`, `stale`, `overdue` |
//! | [`DURABLE_LOST`] | counter, events taken from processes that died | |
//! | [`DURABLE_FENCED`] | counter | |
//! | [`BROADCASTS_MISSED`] | counter | |
//! | [`BROADCASTS_UNREADABLE`] | counter | |
//!
//! A stream's lifetime is apart from its time to headers, so that neither spoils the other. No label
//! has values that grow with users, keys or connections; all values of `event` and `listener` are in
//! the program's text.
//!
//! | span (feature `tracing`) | level | parent |
//! |---|---|---|
//! | `sse_stream` (`reason`, when it ends) | info | the request's span |
//! | `publish` (`event`: the type's name) | debug | the publisher's span |
//! | `listener` (`listener`) | debug | `publish` |
//! | `send` | trace | `listener`, or wherever it was called |
//! | `backplane_append` (`changes`) | debug | none; follows from the `send` of each change in it |

mod append;
#[cfg(any(feature = "metrics", feature = "tracing"))]
mod listener_run;
mod meters;
mod spans;

pub(crate) use append::*;
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub(crate) use listener_run::ListenerRun;
pub use meters::*;
pub(crate) use spans::*;

/// Streams that are open now.
pub const STREAMS_OPEN: &str = "sse_streams_open";
/// Streams opened since the start.
pub const STREAMS_OPENED: &str = "sse_streams_opened_total";
/// Streams closed since the start, by reason.
pub const STREAMS_CLOSED: &str = "sse_streams_closed_total";
/// Streams refused since the start, by cause. They are neither opened nor closed ones, and a
/// refusal that a browser gets has status 200, so that no count of statuses shows it.
pub const STREAMS_REFUSED: &str = "sse_streams_refused_total";
/// From the request to the head of its response.
pub const TIME_TO_HEADERS: &str = "sse_time_to_headers_seconds";
/// From the head of the response to the stream's end.
pub const STREAM_LIFETIME: &str = "sse_stream_lifetime_seconds";
/// Events handed to streams, once for each stream.
pub const EVENTS_SENT: &str = "sse_events_sent_total";
/// Bytes of event streams handed to the server.
pub const BYTES_WRITTEN: &str = "sse_bytes_written_total";
/// Places where a client was told that events are missing.
pub const GAPS: &str = "sse_gaps_total";
/// Events that such clients did not get.
pub const EVENTS_MISSED: &str = "sse_events_missed_total";
/// By how many events a reader was overtaken that fell off its log.
pub const LAG_EVENTS: &str = "sse_lag_events";
/// Functions for snapshots that failed, panicked or took too long.
pub const SNAPSHOTS_FAILED: &str = "sse_snapshots_failed_total";
/// Application events published.
pub const EVENTS_PUBLISHED: &str = "sse_application_events_total";
/// Listeners run, by outcome.
pub const LISTENERS_RUN: &str = "sse_listeners_run_total";
/// How long each run of a listener took.
pub const LISTENER_TIME: &str = "sse_listener_seconds";
/// Streams that a drain still waits for.
pub const DRAIN_LEFT: &str = "sse_drain_left";
/// From the first attempt to store a batch to its answer.
pub const BACKPLANE_APPEND: &str = "sse_backplane_append_seconds";
/// Changes that wait to be stored, or for the store's answer.
pub const BACKPLANE_QUEUE: &str = "sse_backplane_queue";
/// How long the store's word takes through the feed.
pub const BACKPLANE_LAG: &str = "sse_backplane_feed_lag_seconds";
/// How often something may have been missed, and was loaded.
pub const BACKPLANE_RESYNCS: &str = "sse_backplane_resyncs_total";
/// Calls to the store that failed.
pub const BACKPLANE_ERRORS: &str = "sse_backplane_errors_total";
/// Whether the backplane is up.
pub const BACKPLANE_UP: &str = "sse_backplane_up";
/// Application events handed to the store.
pub const DURABLE_PUBLISHED: &str = "sse_durable_published_total";
/// What became of events for durable listeners.
pub const DURABLE_EVENTS: &str = "sse_durable_events_total";
/// Events that were taken from processes that died.
pub const DURABLE_LOST: &str = "sse_durable_lost_total";
/// How often this process could not renew its lease in time, or lost it.
pub const DURABLE_FENCED: &str = "sse_durable_fenced_total";
/// How often broadcasts of other nodes were missed.
pub const BROADCASTS_MISSED: &str = "sse_broadcasts_missed_total";
/// Broadcasts of other nodes that could not be read.
pub const BROADCASTS_UNREADABLE: &str = "sse_broadcasts_unreadable_total";
