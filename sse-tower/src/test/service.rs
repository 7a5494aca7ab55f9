//! `Ask`: a tower service without its type, and what it answers.

use std::future::poll_fn;

use bytes::{Buf, Bytes};
use http::{Request, Response, StatusCode, request::Parts};
use http_body::Body;
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use parking_lot::Mutex;
use sse_tower_core::BoxError;
use tower_service::Service;

use super::unmet::{Cause, MAX_UNREAD};
use crate::{boxed::BoxFuture, headers::is_event_stream};

pub(super) type TestBody = UnsyncBoxBody<Bytes, BoxError>;
pub(super) type ServiceResult = Result<Response<TestBody>, BoxError>;

/// Sends the head of a request once more, without a body.
pub(super) type Dial = Box<dyn Fn(Parts) -> BoxFuture<'static, ServiceResult> + Send>;

/// The response, if it is an event stream.
pub(super) async fn event_stream(answer: ServiceResult) -> Result<Response<TestBody>, Cause> {
    let response = answer.map_err(Cause::Service)?;
    let is_ok = response.status() == StatusCode::OK;
    if is_ok && is_event_stream(response.headers()) {
        return Ok(response);
    }
    Err(Cause::NoStream(Box::new(whole(response).await?)))
}

/// Reads a body to its end. What is no text is shown as such.
pub(super) async fn whole(response: Response<TestBody>) -> Result<Response<String>, Cause> {
    let (parts, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    for _ in 0..MAX_UNREAD {
        match body.frame().await {
            None => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                return Ok(Response::from_parts(parts, text));
            }
            Some(Err(error)) => return Err(Cause::Broken(error)),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    bytes.extend_from_slice(data);
                }
            }
        }
    }
    Err(Cause::TooMuch)
}

fn without_type<R>(body: R) -> TestBody
where
    R: Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
{
    let bytes = |mut data: R::Data| data.copy_to_bytes(data.remaining());
    body.map_frame(move |frame| frame.map_data(bytes)).map_err(Into::into).boxed_unsync()
}

/// A service without its type.
pub(super) trait Ask<B>: Send + Sync {
    fn ask(&self, request: Request<B>) -> BoxFuture<'static, ServiceResult>;
}

// The lock is held while the service is cloned, and no longer: many services are not `Sync`.
impl<S, B, R> Ask<B> for Mutex<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Send + 'static,
    R: Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
{
    fn ask(&self, request: Request<B>) -> BoxFuture<'static, ServiceResult> {
        let mut service = self.lock().clone();
        Box::pin(async move {
            let ready = poll_fn(|cx| service.poll_ready(cx)).await;
            ready.map_err(Into::into)?;
            let response = service.call(request).await.map_err(Into::into)?;
            Ok(response.map(without_type))
        })
    }
}
