//! `Ticket`: makes a handler's response a stream that is counted, limited, leased and drained.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Body;
use sse_tower_core::{
    CloseReason, LastEventId, RegisterError, StreamControl, StreamHandle, StreamOrder, observe,
};
use tokio::time::Instant;

use super::{cors, permit::Permit, refusal::Why};
use crate::{
    body::ResponseBody, foreign::ForeignControl, headers, lease::Lease, settings::LayerSettings,
};

/// Put into the extensions of a response, says that this stream cannot be resumed: a drain comes to it last, and not
/// before the last quarter of the deadline. For an answer that is being written, say.
///
/// ```
/// use axum::{Extension, response::IntoResponse};
/// use sse_tower::{DrainLast, SseEmitter};
///
/// async fn answer() -> impl IntoResponse {
///     (Extension(DrainLast), SseEmitter::new())
/// }
/// # let _ = answer;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainLast;

/// Put into the extensions of a response that a layer has taken on: an outer layer leaves it alone.
#[derive(Clone, Copy)]
pub(super) struct Admitted;

/// What is known of a request while its handler runs.
pub(crate) struct Ticket {
    pub(crate) settings: Arc<LayerSettings>,
    pub(crate) keys: Vec<Option<String>>,
    pub(crate) event_source: bool,
    /// The `Last-Event-ID` that came with it.
    pub(crate) last: Option<HeaderValue>,
    /// The page that asks, if it is of another origin.
    pub(crate) origin: Option<HeaderValue>,
    pub(crate) lease: Option<Lease>,
    pub(crate) since: Option<Instant>,
}

impl Ticket {
    /// Takes an event stream on, or refuses it.
    pub(crate) fn admit<B>(self, mut response: Response<B>) -> Response<ResponseBody<B>>
    where
        B: Body<Data = Bytes>,
    {
        if response.extensions().get::<Admitted>().is_some() {
            return response.map(ResponseBody::passthrough);
        }
        if let Some(control) = response.extensions().get::<StreamControl>().cloned() {
            if control.is_admitted() {
                return response.map(ResponseBody::passthrough);
            }
            // One that is gone is over.
            let Some(handle) = control.handle() else {
                return response.map(ResponseBody::passthrough);
            };
            return match self.take_on(&response, &handle) {
                Ok(permit) => {
                    control.default_keep_alive(self.settings.keep_alive);
                    control.on_completion(move |reason| permit.over(reason));
                    control.admit();
                    response.map(ResponseBody::passthrough)
                }
                Err(why) => {
                    control.end(CloseReason::Refused, None);
                    self.refuse(why, response.headers())
                }
            };
        }
        if headers::has_length(response.headers()) || response.body().size_hint().exact().is_some()
        {
            // All of it is there already: nothing to keep alive, to drain, or to add to.
            return response.map(ResponseBody::passthrough);
        }
        let control = Arc::new(ForeignControl::new(headers::is_encoded(response.headers())));
        let handle: Arc<dyn StreamHandle> = control.clone();
        match self.take_on(&response, &handle) {
            Ok(permit) => {
                response.extensions_mut().insert(Admitted);
                let keep_alive = self.settings.keep_alive;
                let position = self.last.as_ref().map(|last| LastEventId::read(last.as_bytes()));
                let position = position.and_then(|last| last.id().cloned());
                response
                    .map(|body| ResponseBody::foreign(body, control, position, keep_alive, permit))
            }
            Err(why) => self.refuse(why, response.headers()),
        }
    }

    fn take_on<B>(
        &self,
        response: &Response<B>,
        handle: &Arc<dyn StreamHandle>,
    ) -> Result<Permit, Why> {
        let settings = &self.settings;
        let last = response.extensions().get::<DrainLast>().is_some();
        let order = if last { StreamOrder::Last } else { StreamOrder::InTurn };
        if !settings.context.is_ready() {
            // Asked first, so that a drain ends nobody's oldest stream.
            return Err(Why::not_ready(&settings.context));
        }
        let place = settings.limits.take(self.keys.clone(), handle)?;
        let open = match settings.context.streams().register(handle.clone(), order) {
            Ok(open) => open,
            Err(RegisterError::Draining) => return Err(Why::Draining),
            Err(_) => return Err(Why::Total),
        };
        if let Some(since) = self.since {
            observe::time_to_headers(since.elapsed());
        }
        let leases = self.lease.iter().chain(response.extensions().get::<Lease>());
        let retry = settings.refusal.jittered_retry();
        let leases = leases.map(|l| l.watch(handle, settings.keep_alive, retry)).collect();
        Ok(Permit::new(open, place, leases))
    }

    /// The refusal, in place of a response with these headers.
    fn refuse<B>(&self, why: Why, replaced: &HeaderMap) -> Response<ResponseBody<B>> {
        let mut answer = self.settings.refusal.answer(self.event_source, self.last.as_ref(), why);
        cors::carry(replaced, self.origin.as_ref(), answer.headers_mut());
        answer.map(ResponseBody::whole)
    }
}
