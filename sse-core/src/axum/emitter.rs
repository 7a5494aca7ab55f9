//! An emitter as a handler's parameter, and as its response.

use std::convert::Infallible;

use axum_core::{
    body::Body,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};

use crate::emitter::SseEmitter;

impl IntoResponse for SseEmitter {
    fn into_response(self) -> Response {
        let response = self.into_http();
        if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
            // What is wrong is the program's, and in its log.
            let said = "this server made a mistake with this stream; \
                        its log says which, with the feature `tracing` of sse-tower";
            return (response.status(), said).into_response();
        }
        response.map(Body::new)
    }
}

/// A new emitter. Under `#[sse_endpoint]` it is the response to this request.
impl<S: Sync> FromRequestParts<S> for SseEmitter {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::new())
    }
}
