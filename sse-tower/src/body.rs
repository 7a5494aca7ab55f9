//! `ResponseBody`: what a response carries under the layer.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use sse_tower_core::EventId;

use crate::{
    admission::Permit,
    foreign::{Foreign, ForeignControl},
};

pin_project! {
    /// The body of a response under [`SseLayer`](crate::SseLayer): the inner one as it is, an event
    /// stream that others made with keep-alive and farewell between its events, or a refusal.
    ///
    /// Dropping it is the disconnect: its place under the limits is free at once.
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        Passthrough { #[pin] body: B },
        // In a block of its own, as is the other one: every stream of ours is the first, and those are many.
        Foreign { body: Pin<Box<Foreign<B>>> },
        Whole { bytes: Option<Box<Bytes>> },
    }
}

impl<B> ResponseBody<B> {
    pub(crate) fn passthrough(body: B) -> Self {
        Self { kind: Kind::Passthrough { body } }
    }

    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { kind: Kind::Whole { bytes: Some(Box::new(bytes)) } }
    }

    pub(crate) fn foreign(
        body: B,
        control: Arc<ForeignControl>,
        position: Option<EventId>,
        keep_alive: Duration,
        permit: Permit,
    ) -> Self {
        let body = Foreign::new(body, control, position, keep_alive, permit);
        Self { kind: Kind::Foreign { body: Box::pin(body) } }
    }
}

impl<B> Default for ResponseBody<B> {
    /// No body: what layers such as CORS answer with when they do not ask the service.
    fn default() -> Self {
        Self { kind: Kind::Whole { bytes: None } }
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Passthrough { body } => body.poll_frame(cx),
            KindProj::Foreign { body } => body.as_mut().poll_frame(cx),
            KindProj::Whole { bytes } => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(*b)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Passthrough { body } => body.is_end_stream(),
            Kind::Foreign { body } => body.is_end_stream(),
            Kind::Whole { bytes } => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Passthrough { body } => body.size_hint(),
            // Comments may be added, so nothing is known.
            Kind::Foreign { .. } => SizeHint::default(),
            Kind::Whole { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Passthrough { .. } => "ResponseBody(passthrough)",
            Kind::Foreign { .. } => "ResponseBody(event stream)",
            Kind::Whole { .. } => "ResponseBody(refusal)",
        })
    }
}
