//! Feature `http`: an [`EventStream`] is a body, an emitter becomes a response.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};

use crate::{
    emitter::{IntoResponseState, SseEmitter},
    stream::{EventStream, StreamFailed},
};

/// The content type of event streams. No character set: they are UTF-8 by definition.
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
/// How many headers a response of ours has, and one more.
const HEADERS: usize = 3;
/// Keeps proxies from holding events back to compress them.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache, no-transform");

/// What is logged where an emitter is to become a second response.
#[cfg(feature = "tracing")]
const TAKEN: &str = "this emitter is a response already; make one for each request, \
    and send to several through `Emitters`";

impl SseEmitter {
    /// The response: 200 with the stream as its body, or 204 where there is nothing left to say to
    /// this client. What `IntoResponse` gives to axum.
    ///
    /// An emitter is one response. A second one, from another clone, is a 500 with an empty body, and
    /// the first goes on; the log says why.
    ///
    /// ```
    /// # use sse_tower_core::SseEmitter;
    /// let response = SseEmitter::new().into_http();
    /// assert_eq!(response.headers()["content-type"], "text/event-stream");
    /// ```
    #[must_use]
    pub fn into_http(self) -> Response<EventStream> {
        let control = self.control();
        let (state, stream) = self.open();
        let mut response = Response::new(stream);
        match state {
            IntoResponseState::Stream => {
                // A server keeps the map as long as the connection, and by itself it has room for six.
                *response.headers_mut() = HeaderMap::with_capacity(HEADERS);
                let headers = response.headers_mut();
                headers.insert(header::CONTENT_TYPE, EVENT_STREAM);
                headers.insert(header::CACHE_CONTROL, NO_CACHE);
                response.extensions_mut().insert(control);
            }
            IntoResponseState::NoContent => *response.status_mut() = StatusCode::NO_CONTENT,
            IntoResponseState::Taken => {
                #[cfg(feature = "tracing")]
                tracing::error!(target: "sse_tower", "{TAKEN}");
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
        }
        response
    }
}

/// Logs it once in a process: a program that does this does it for all its streams.
#[cfg(feature = "tracing")]
fn warn_once() {
    static SAID: std::sync::Once = std::sync::Once::new();
    SAID.call_once(|| {
        tracing::warn!(
            target: "sse_tower",
            "an event stream is sent that no `SseLayer` knows of: no limit counts it, and no drain ends it; \
             put `.layer(SseLayer::new(context))` after the last `.route`, `.nest` and `.merge`"
        );
    });
}

impl EventStream {
    #[inline(never)]
    fn poll_frame_by_the_rules(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamFailed>>> {
        #[cfg(feature = "tracing")]
        if self.begins_unknown() {
            warn_once();
        }
        match ready!(self.poll_by_the_rules(cx)) {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => self.poll_failure(cx).map(|failed| failed.map(Err)),
        }
    }
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = StreamFailed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamFailed>>> {
        match self.poll_usual(cx) {
            Some(poll) => poll.map(|bytes| Some(Ok(Frame::data(bytes)))),
            None => self.poll_frame_by_the_rules(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_ended()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_ended() { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}
