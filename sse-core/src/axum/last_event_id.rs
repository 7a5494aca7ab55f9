//! `LastEventId` as a handler's parameter.

use std::convert::Infallible;

use axum_core::extract::FromRequestParts;
use http::{HeaderName, Method, request::Parts};

use crate::emitters::LastEventId;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The query parameter by which a page says where its state stands, or a client that cannot set
/// headers where it was.
const PARAMETER: &str = "lastEventId";

/// From the header `Last-Event-ID`, or else from `?lastEventId=`: a browser that has got events
/// since the page was rendered dials the same URL with a newer header.
impl<S: Sync> FromRequestParts<S> for LastEventId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        if parts.method == Method::HEAD {
            return Ok(Self::of_head_request());
        }
        if let Some(header) = parts.headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) {
            return Ok(Self::read(header.as_bytes()));
        }
        let query = parts.uri.query().unwrap_or_default();
        // Most have none: decoding what is there for other extractors is not worth it.
        if !query.contains(PARAMETER) && !query.contains('%') {
            return Ok(Self::default());
        }
        let parameter =
            form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == PARAMETER);
        Ok(parameter.map_or_else(Self::default, |(_, value)| Self::read(value.as_bytes())))
    }
}
