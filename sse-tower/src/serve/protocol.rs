//! `http1`, `http2`: hyper's settings for streams.

use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::settings::ServeSettings;

/// How many HTTP/2 streams one connection may have open: browsers show about a hundred.
const MAX_STREAMS: u32 = 256;
/// After how long an HTTP/2 connection without a sign of life is asked for one, and how long the
/// answer may take.
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(20);
/// The most that the headers of an HTTP/2 request may take, in bytes.
const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// How long a client that comes while the server leaves may take for its head.
const LAST_HEADER_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a client may take for the head of a request.
pub(super) fn header_timeout(settings: &ServeSettings, last: bool) -> Duration {
    let most = if last { LAST_HEADER_TIMEOUT } else { Duration::MAX };
    settings.header_timeout.min(most)
}

/// hyper's HTTP/1.1. `last` for a connection that comes while the server leaves: one request, then the end.
pub(super) fn http1(settings: &ServeSettings, last: bool) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // See `HeadTimeout`.
        .header_read_timeout(None)
        .max_buf_size(settings.buffer_bytes)
        // Events are small: one copied piece costs less than three that are gathered.
        .writev(false)
        .keep_alive(!last);
    builder
}

/// hyper's HTTP/2.
pub(super) fn http2(settings: &ServeSettings) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES)
        .enable_connect_protocol()
        .max_send_buf_size(settings.buffer_bytes);
    builder
}
