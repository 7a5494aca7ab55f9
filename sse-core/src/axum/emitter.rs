//! An emitter as a handler's parameter, and as its response.

use std::convert::Infallible;

use axum_core::{
    body::Body,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::request::Parts;

use crate::SseEmitter;

impl IntoResponse for SseEmitter {
    fn into_response(self) -> Response {
        self.into_http().map(Body::new)
    }
}

/// A new emitter. Under `#[sse_endpoint]` it is the response to this request.
impl<S: Sync> FromRequestParts<S> for SseEmitter {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::new())
    }
}
