//! `Refusal`: how "not now" is said, so that a browser comes back.

use std::{fmt, ops::RangeInclusive, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use sse_tower_core::{
    __private::{encode_with_id, jittered},
    ApplicationContext, CloseReason, LastEventId, bye, observe,
};

use super::limits::Scope;
use crate::{head::Head, headers};

/// How a stream is refused when a limit is reached or the server is leaving.
///
/// A browser's `EventSource` gives up for good on any status but 200 (WHATWG HTML, section 9.2.2).
/// So it is answered 200, a `retry:` of its own, `stream-bye`, and the end: it comes back by itself.
/// Any other client is answered 503 with a `Retry-After` of its own.
///
/// Who is an `EventSource` is decided by [`is_event_source`], unless [replaced](Self::event_source).
///
/// ```
/// # use {sse_tower::Refusal, std::time::Duration};
/// let refusal = Refusal::new()
///     .retry(Duration::from_secs(5)..=Duration::from_secs(30))
///     // Every client of this service resumes by itself.
///     .event_source(|_| true);
/// # let _ = refusal;
/// ```
#[derive(Clone)]
#[must_use = "a refusal counts for nothing until it is given to a layer"]
pub struct Refusal {
    retry: (Duration, Duration),
    /// The program's answer in place of ours, if it has one.
    event_source: Option<IsEventSource>,
}

type IsEventSource = Arc<dyn Fn(&Request<()>) -> bool + Send + Sync>;

/// Why a stream was refused; a label of the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Draining,
    /// The backplane is down.
    Backplane,
    Total,
    Key,
    Principal,
}

impl From<Scope> for Why {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Total => Self::Total,
            Scope::Key => Self::Key,
            Scope::Principal => Self::Principal,
        }
    }
}

impl Why {
    /// Why this context, which is not ready, takes no streams.
    pub(crate) fn not_ready(context: &ApplicationContext) -> Self {
        if context.is_draining() { Self::Draining } else { Self::Backplane }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Backplane => "backplane",
            Self::Total => "total",
            Self::Key => "key",
            Self::Principal => "principal",
        }
    }
}

impl Refusal {
    /// When refused clients come back, unless set: after 2 s to 10 s, each at a moment of its own.
    pub const DEFAULT_RETRY: RangeInclusive<Duration> =
        Duration::from_secs(2)..=Duration::from_secs(10);

    /// The defaults.
    pub fn new() -> Self {
        Self {
            retry: (*Self::DEFAULT_RETRY.start(), *Self::DEFAULT_RETRY.end()),
            event_source: None,
        }
    }

    /// When refused clients come back, instead of [`DEFAULT_RETRY`](Self::DEFAULT_RETRY): each after
    /// a time of its own out of this range, both ends
    /// included. `Retry-After` has whole seconds, rounded up.
    ///
    /// ```
    /// # use {sse_tower::Refusal, std::time::Duration};
    /// let refusal = Refusal::new().retry(Duration::from_secs(5)..=Duration::from_secs(30));
    /// # drop(refusal);
    /// ```
    pub fn retry(mut self, range: RangeInclusive<Duration>) -> Self {
        self.retry = (*range.start(), *range.end());
        self
    }

    /// Decides in place of [`is_event_source`] who is answered 200. Such a request must be one of
    /// which nothing but a stream can come: it is refused before its handler runs.
    ///
    /// ```
    /// # use sse_tower::{Refusal, is_event_source};
    /// // A client of our own reads `stream-bye` too, and says who it is.
    /// let refusal = Refusal::new()
    ///     .event_source(|request| is_event_source(request) || request.headers().contains_key("x-reader"));
    /// # drop(refusal);
    /// ```
    pub fn event_source(
        mut self,
        is: impl Fn(&Request<()>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.event_source = Some(Arc::new(is));
        self
    }

    /// Whether the program says who an `EventSource` is.
    pub(crate) fn asks_for_head(&self) -> bool {
        self.event_source.is_some()
    }

    /// What the program says, if it does.
    pub(crate) fn is_for_event_source(&self, head: &Request<()>) -> Option<bool> {
        self.event_source.as_ref().map(|is| is(head))
    }

    pub(crate) fn jittered_retry(&self) -> Duration {
        jittered(self.retry.0, self.retry.1)
    }

    /// The answer to a request of somebody who holds the id `last`, which it keeps.
    pub(crate) fn answer(
        &self,
        event_source: bool,
        last: Option<&HeaderValue>,
        why: Why,
    ) -> Response<Bytes> {
        observe::stream_refused(why.as_str());
        let retry = self.jittered_retry();
        if event_source {
            let last = last.map(|last| LastEventId::read(last.as_bytes()));
            let id = last.as_ref().and_then(LastEventId::id);
            let bye = encode_with_id(bye(CloseReason::Refused, Some(retry)), id);
            let mut response = Response::new(bye);
            response.headers_mut().insert(CONTENT_TYPE, headers::EVENT_STREAM);
            headers::stop_buffering(response.headers_mut());
            return response;
        }
        let seconds = retry.as_secs() + u64::from(retry.subsec_nanos() > 0);
        let mut response = Response::new(Bytes::from_static(match why {
            Why::Draining => b"this server is leaving; dial again\n",
            Why::Backplane => b"this server cannot reach the others; dial again\n",
            Why::Total | Why::Key | Why::Principal => b"too many streams are open; dial later\n",
        }));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, text);
        response
    }
}

impl Default for Refusal {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal").field("retry", &self.retry).finish_non_exhaustive()
    }
}

/// Whether a request looks like a browser's `EventSource`: a `GET` that accepts `text/event-stream`
/// and nothing else.
///
/// Every browser sends exactly that. A script's `fetch` may send the same and cannot be told apart;
/// it is answered 200 too, which harms nobody: the answer is a stream that says when to come back. A
/// client that also takes something else, or anything (`*/*`, as curl does), is no `EventSource`.
///
/// ```
/// use http::Request;
/// use sse_tower::is_event_source;
/// let browser = Request::builder().header("accept", "text/event-stream").body(())?;
/// let curl = Request::builder().header("accept", "*/*").body(())?;
/// assert!(is_event_source(&browser) && !is_event_source(&curl));
/// # Ok::<(), http::Error>(())
/// ```
#[must_use]
pub fn is_event_source(request: &Request<()>) -> bool {
    is_from_event_source(request.method(), request.headers())
}

/// [`is_event_source`], of what is looked at.
pub(crate) fn is_from_event_source(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::GET && Head::of(headers).wants_events
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT;

    use super::*;

    fn head(method: Method, accept: &[&str]) -> Request<()> {
        let mut request = Request::builder().method(method);
        for value in accept {
            request = request.header(ACCEPT, *value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn a_get_that_accepts_event_streams_alone_is_an_event_source() {
        assert!(is_event_source(&head(Method::GET, &["text/event-stream"])));
        assert!(is_event_source(&head(Method::GET, &["text/event-stream;q=1"])));
    }

    #[test]
    fn everybody_else_is_not() {
        for accept in [
            &[][..],
            &["*/*"],
            &["text/event-stream, application/json"],
            &["text/event-stream;q=1, */*"],
            &["text/event-stream", "application/json"],
        ] {
            assert!(!is_event_source(&head(Method::GET, accept)), "{accept:?}");
        }
        assert!(!is_event_source(&head(Method::POST, &["text/event-stream"])));
    }

    #[test]
    fn retry_after_is_jittered_in_whole_seconds() {
        let refusal = Refusal::new().retry(Duration::from_millis(1500)..=Duration::from_secs(30));
        let mut seen: Vec<u64> = (0..200)
            .map(|_| {
                let response = refusal.answer(false, None, Why::Total);
                assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
                response.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap()
            })
            .collect();
        seen.sort_unstable();
        assert!(seen[0] >= 2 && seen[199] <= 30, "{seen:?}");
        seen.dedup();
        assert!(seen.len() > 10, "{seen:?}");
    }
}
