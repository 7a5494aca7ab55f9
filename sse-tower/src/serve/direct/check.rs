//! `request_fits`, `response_fits`: which streams may take the direct path.

use http::{
    HeaderMap, Method, Request, Response, StatusCode, Version,
    header::{
        CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, TRAILER, TRANSFER_ENCODING,
        UPGRADE,
    },
};
use http_body::Body;
use sse_tower_core::StreamControl;

use crate::headers;

/// With one of these in its head a response is not just chunks, or not events.
const UNFIT: [HeaderName; 6] =
    [CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// A response to this can be chunked, nothing of the request is left to be read, and the connection
/// outlives it as HTTP/1.1 has it.
pub(in crate::serve) fn request_fits<B: Body>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11
        && request.method() != Method::HEAD
        && request.method() != Method::CONNECT
        && request.body().is_end_stream()
        && !request.headers().contains_key(UPGRADE)
        && says_keep_alive(request.headers())
}

/// HTTP/1.1 connections are kept unless something else is said; browsers say it all the same.
fn says_keep_alive(headers: &HeaderMap) -> bool {
    let mut said = headers.get_all(CONNECTION).iter();
    said.all(|value| value.as_bytes().eq_ignore_ascii_case(b"keep-alive"))
}

/// What hyper writes as a chunked body without trailers, and is an event stream of ours: of those it
/// is known that they are polled quickly.
pub(super) fn response_fits<B: Body>(response: &Response<B>) -> bool {
    response.status() == StatusCode::OK
        && response.version() == Version::HTTP_11
        && response.extensions().get::<StreamControl>().is_some()
        && headers::is_event_stream(response.headers())
        && response.headers().keys().all(|name| !UNFIT.contains(name))
        && !response.body().is_end_stream()
        && response.body().size_hint().exact().is_none()
}
