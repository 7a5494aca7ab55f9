//! `request_fits`, `response_fits`: which streams may take the direct path.

use http::{
    Method, Request, Response, StatusCode, Version,
    header::{
        CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, TRAILER, TRANSFER_ENCODING,
        UPGRADE,
    },
};
use http_body::Body;
use sse_tower_core::StreamControl;

/// Headers with which a response is not just chunks, or not events.
const UNFIT: [HeaderName; 6] =
    [CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// Whether a response to this can be chunked, and nothing of the request is left to be read. Whether the connection
/// outlives it is said by its headers.
pub(in crate::serve) fn request_fits<B: Body>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11
        && request.method() != Method::HEAD
        && request.method() != Method::CONNECT
        && request.body().is_end_stream()
}

/// Whether hyper writes this event stream as a chunked body without trailers, and it is one of ours, which are known
/// to be polled quickly.
pub(super) fn response_fits<B: Body>(response: &Response<B>) -> bool {
    response.status() == StatusCode::OK
        && response.version() == Version::HTTP_11
        && response.extensions().get::<StreamControl>().is_some()
        && response.headers().keys().all(|name| !UNFIT.contains(name))
        && !response.body().is_end_stream()
        && response.body().size_hint().exact().is_none()
}
