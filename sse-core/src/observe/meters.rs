//! One function for each thing that happens. Called with no lock held.

// Without the features arguments are unused, and the calls compile to nothing.
#![cfg_attr(not(all(feature = "metrics", feature = "tracing")), allow(unused_variables))]

use std::time::Duration;

#[cfg(feature = "metrics")]
use tokio::time::Instant;

use crate::close_reason::CloseReason;

#[cfg(feature = "metrics")]
use crate::observe as names;

/// An event of a transaction is delivered.
pub(crate) fn counted(event: fn() -> &'static str) {
    #[cfg(feature = "metrics")]
    published(event());
    #[cfg(not(feature = "metrics"))]
    let _ = event;
}

/// When a stream was opened, if anybody wants to know.
#[derive(Debug)]
pub(crate) struct StreamOpened {
    #[cfg(feature = "metrics")]
    at: Instant,
}

/// A stream was opened.
pub(crate) fn stream_opened() -> StreamOpened {
    #[cfg(feature = "metrics")]
    {
        metrics::counter!(names::STREAMS_OPENED).increment(1);
        metrics::gauge!(names::STREAMS_OPEN).increment(1);
    }
    StreamOpened {
        #[cfg(feature = "metrics")]
        at: Instant::now(),
    }
}

impl StreamOpened {
    /// The stream is over.
    pub(crate) fn closed(&self, reason: CloseReason) {
        #[cfg(feature = "metrics")]
        {
            metrics::counter!(names::STREAMS_CLOSED, "reason" => reason.as_str()).increment(1);
            metrics::gauge!(names::STREAMS_OPEN).decrement(1);
            metrics::histogram!(names::STREAM_LIFETIME).record(self.at.elapsed());
        }
    }
}

/// A stream was refused.
#[doc(hidden)]
pub fn stream_refused(why: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(names::STREAMS_REFUSED, "why" => why).increment(1);
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "sse_tower", why, "stream refused");
}

/// The head of a stream's response is ready.
#[doc(hidden)]
pub fn time_to_headers(took: Duration) {
    #[cfg(feature = "metrics")]
    metrics::histogram!(names::TIME_TO_HEADERS).record(took);
}

/// One event was not sent. Most programs do not look at that, so the log tells of it.
pub(crate) fn not_sent(error: &dyn std::fmt::Display, sent_at: &std::panic::Location<'_>) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "sse_tower", %sent_at, "event was not sent: {error}");
    #[cfg(not(feature = "tracing"))]
    let _ = (error, sent_at);
}

/// There is no snapshot for those who wait for one; they are told to come back.
pub(crate) fn snapshot_failed(error: &(dyn std::error::Error + 'static)) {
    #[cfg(feature = "metrics")]
    metrics::counter!(names::SNAPSHOTS_FAILED).increment(1);
    #[cfg(feature = "tracing")]
    tracing::warn!(
        target: "sse_tower",
        "snapshot failed: {}", crate::error_chain::ErrorChain(error)
    );
}

/// The store never heard of the end of a key, or the like.
pub(crate) fn not_carried_out(error: &dyn std::fmt::Display) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "sse_tower", "change to a key did not get to the backplane: {error}");
}

/// Emitters on a backplane are to refuse a second connection to a key.
pub(crate) fn refused_on_each_node_alone() {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        target: "sse_tower",
        "emitters on a backplane refuse a second connection to a key on each process alone: \
         two processes let one in each; `Second::Replaces` holds across all of them"
    );
}

/// One event was handed to `receivers` streams.
pub(crate) fn event_sent(receivers: usize) {
    #[cfg(feature = "metrics")]
    metrics::counter!(names::EVENTS_SENT).increment(receivers as u64);
}

/// A body handed `bytes` to its server.
#[doc(hidden)]
pub fn bytes_written(bytes: usize) {
    #[cfg(feature = "metrics")]
    metrics::counter!(names::BYTES_WRITTEN).increment(bytes as u64);
}

/// A client was told that `missed` events are missing (or that nobody knows how many).
pub(crate) fn gap(reason: &'static str, missed: Option<u64>) {
    #[cfg(feature = "metrics")]
    {
        metrics::counter!(names::GAPS, "reason" => reason).increment(1);
        metrics::counter!(names::EVENTS_MISSED).increment(missed.unwrap_or(0));
    }
}

/// A reader was overtaken by this many events.
pub(crate) fn lagged(events: u64) {
    #[cfg(feature = "metrics")]
    metrics::histogram!(names::LAG_EVENTS).record(events as f64);
}

/// An application event was published.
#[cfg(feature = "metrics")]
pub(crate) fn published(event: &'static str) {
    metrics::counter!(names::EVENTS_PUBLISHED, "event" => event).increment(1);
}

/// A listener ran. `outcome` is `ok`, `failed`, or `stopped` before its end.
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub(crate) fn listener_ran(listener: &'static str, outcome: &'static str, took: Duration) {
    #[cfg(feature = "metrics")]
    {
        metrics::counter!(names::LISTENERS_RUN, "listener" => listener, "outcome" => outcome)
            .increment(1);
        metrics::histogram!(names::LISTENER_TIME, "listener" => listener).record(took);
    }
}

/// A drain began.
pub(crate) fn drain_began(open: usize) {
    drain_left(open);
    #[cfg(feature = "tracing")]
    tracing::info!(target: "sse_tower", open, "draining");
}

/// One slice of a drain was told goodbye.
pub(crate) fn drain_slice(told: usize, left: usize) {
    drain_left(left);
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "sse_tower", told, left, "said goodbye to a slice");
}

/// A drain is over, with `left` streams still open.
pub(crate) fn drain_over(left: usize, took: Duration) {
    drain_left(left);
    #[cfg(feature = "tracing")]
    if left > 0 {
        tracing::warn!(
            target: "sse_tower",
            left,
            ?took,
            "drain reached its deadline with streams open; give it more time with `Drain::deadline`"
        );
    } else {
        tracing::info!(target: "sse_tower", ?took, "drained");
    }
}

fn drain_left(left: usize) {
    #[cfg(feature = "metrics")]
    metrics::gauge!(names::DRAIN_LEFT).set(left as f64);
}

/// `changes` changes wait to be stored.
pub(crate) fn backplane_queue(changes: usize) {
    #[cfg(feature = "metrics")]
    metrics::gauge!(names::BACKPLANE_QUEUE).set(changes as f64);
}

/// A mark took this long through the feed.
pub(crate) fn backplane_lag(lag: Duration) {
    #[cfg(feature = "metrics")]
    metrics::histogram!(names::BACKPLANE_LAG).record(lag);
}

/// The feed said that something may be missing.
pub(crate) fn backplane_resync() {
    #[cfg(feature = "metrics")]
    metrics::counter!(names::BACKPLANE_RESYNCS).increment(1);
    #[cfg(feature = "tracing")]
    tracing::info!(target: "sse_tower", "feed of the backplane broke; what was missed is loaded");
}

/// A topic had lost something without a word.
pub(crate) fn backplane_lost(topic: &dyn std::fmt::Debug) {
    #[cfg(feature = "metrics")]
    metrics::counter!(names::BACKPLANE_RESYNCS).increment(1);
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "sse_tower", ?topic, "feed of the backplane lost a change; it is loaded again");
}

/// A call to the store failed.
pub(crate) fn backplane_trouble(call: &'static str, error: &(dyn std::error::Error + 'static)) {
    #[cfg(feature = "metrics")]
    metrics::counter!(names::BACKPLANE_ERRORS, "call" => call).increment(1);
    #[cfg(feature = "tracing")]
    tracing::warn!(
        target: "sse_tower",
        call,
        error = %crate::error_chain::ErrorChain(error),
        "backplane: call to the store failed"
    );
}

/// A backplane is up, or is not.
pub(crate) fn backplane_health(health: &dyn std::fmt::Debug, is_ready: bool) {
    #[cfg(feature = "metrics")]
    metrics::gauge!(names::BACKPLANE_UP).set(if is_ready { 1.0 } else { 0.0 });
    #[cfg(feature = "tracing")]
    tracing::info!(target: "sse_tower", ?health, "health of the backplane");
}

/// An event is handed to the store.
pub(crate) fn durable_published(event: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(names::DURABLE_PUBLISHED, "event" => event).increment(1);
}

/// Something became of an event for a durable listener.
pub(crate) fn durable_verdict(listener: &std::sync::Arc<str>, outcome: &'static str) {
    #[cfg(feature = "metrics")]
    {
        let listener = listener.to_string();
        metrics::counter!(names::DURABLE_EVENTS, "listener" => listener, "outcome" => outcome)
            .increment(1);
    }
    #[cfg(feature = "tracing")]
    match outcome {
        "dead" => {
            tracing::error!(target: "sse_tower", %listener, "event is a dead letter of a durable listener");
        }
        "stale" => {
            tracing::warn!(target: "sse_tower", %listener, "outcome of an attempt came too late: another process has the event, or had said so");
        }
        _ => {}
    }
}

/// A run takes longer than it may, and cannot be stopped.
pub(crate) fn durable_overdue(listener: &std::sync::Arc<str>, limit: Duration) {
    durable_verdict(listener, "overdue");
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "sse_tower", %listener, ?limit, "durable listener is overdue and blocks its thread; nobody else has its event meanwhile");
}

/// Everything fails for one listener, or something succeeds again.
pub(crate) fn durable_outage(listener: &std::sync::Arc<str>, begins: bool) {
    #[cfg(feature = "tracing")]
    if begins {
        tracing::warn!(target: "sse_tower", %listener, "everything fails for a durable listener; one event at a time is tried until one succeeds");
    } else {
        tracing::info!(target: "sse_tower", %listener, "durable listener succeeds again");
    }
}

/// A listener is paused on all processes, because of a dead letter.
#[cfg(feature = "json")]
pub(crate) fn durable_stopped(listener: &std::sync::Arc<str>) {
    durable_verdict(listener, "stopped");
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "sse_tower", %listener, "durable listener stops at a dead letter; retry or discard it, and resume the listener");
}

/// Events wait for a listener for longer than a day.
#[cfg(feature = "json")]
#[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
pub(crate) fn durable_unserved(listener: &std::sync::Arc<str>, backlog: usize, oldest: Duration) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "sse_tower", %listener, backlog, ?oldest, "events wait for a durable listener for longer than a day; if no program has it any more, retire it");
}

/// The store knew nothing of durable listeners of this program any more.
#[cfg(feature = "json")]
#[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
pub(crate) fn durable_forgotten(listeners: usize) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "sse_tower", listeners, "store does not know durable listeners of this program any more, so it lost its past; they are registered again, and begin with what it has");
}

/// A listener of this program is declared otherwise by another, or by another release.
#[cfg(feature = "json")]
#[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
pub(crate) fn durable_declared_otherwise(
    listener: &std::sync::Arc<str>,
    events: &[std::sync::Arc<str>],
) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "sse_tower", %listener, ?events, "another program or release declares this durable listener for events for which this one does not; two listeners need two ids; if no program has it for them any more, they wait for nobody until it is retired");
}

/// This process could not renew its lease, or lost it.
pub(crate) fn durable_fenced() {
    #[cfg(feature = "metrics")]
    metrics::counter!(names::DURABLE_FENCED).increment(1);
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "sse_tower", "lease of this process was not renewed in time; what runs for durable listeners is stopped");
}

/// `entries` events were taken from processes that died.
pub(crate) fn durable_reaped(entries: usize) {
    if entries > 0 {
        #[cfg(feature = "metrics")]
        metrics::counter!(names::DURABLE_LOST).increment(entries as u64);
        #[cfg(feature = "tracing")]
        tracing::warn!(target: "sse_tower", entries, "process with durable listeners died; what it had is tried again");
    }
}

/// There is no backplane.
pub(crate) fn durable_in_memory(listeners: usize) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        target: "sse_tower",
        listeners,
        "context has durable listeners and no backplane: their events are in memory, and gone with this process; \
         give it one by `.backplane(..)`"
    );
}

/// Whose turn a schedule is could not be looked up.
#[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
pub(crate) fn schedule_trouble(error: &(dyn std::error::Error + 'static)) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        target: "sse_tower",
        error = %crate::error_chain::ErrorChain(error),
        "it is not known whether another process runs the schedules that are declared `once`; it is asked again"
    );
}

/// Broadcasts of other nodes did not come here.
pub(crate) fn broadcasts_missed() {
    #[cfg(feature = "metrics")]
    metrics::counter!(names::BROADCASTS_MISSED).increment(1);
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "sse_tower", "broadcasts of other nodes were missed");
}

/// A broadcast of another node cannot be read here.
pub(crate) fn broadcast_unreadable(event: &str, error: &str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(names::BROADCASTS_UNREADABLE).increment(1);
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "sse_tower", event, error, "broadcast of another node cannot be read");
}
