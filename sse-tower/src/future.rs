//! `ResponseFuture`: waits for the response, and admits it if it is an event stream.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use crate::{admission::Ticket, body::ResponseBody, headers};

pin_project! {
    /// The future of [`SseService`](crate::SseService). Dropping it drops the inner one.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        // The answer was known before the service was asked.
        Refused { answer: Option<Response<Bytes>> },
        Asked {
            #[pin]
            inner: F,
            // `None` for `HEAD`, which opens nothing.
            ticket: Option<Ticket>,
        },
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) fn refused(answer: Response<Bytes>) -> Self {
        Self { state: State::Refused { answer: Some(answer) } }
    }

    pub(crate) fn of(inner: F, ticket: Option<Ticket>) -> Self {
        Self { state: State::Asked { inner, ticket } }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Refused { answer } => match answer.take() {
                Some(answer) => Poll::Ready(Ok(answer.map(ResponseBody::whole))),
                // `poll` after completion, which a future may answer as it likes.
                None => Poll::Pending,
            },
            StateProj::Asked { inner, ticket } => {
                let mut response = ready!(inner.poll(cx))?;
                if !headers::is_event_stream(response.headers()) {
                    return Poll::Ready(Ok(response.map(ResponseBody::passthrough)));
                }
                headers::stop_buffering(response.headers_mut());
                Poll::Ready(Ok(match ticket.take() {
                    Some(ticket) => ticket.admit(response),
                    None => response.map(ResponseBody::passthrough),
                }))
            }
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
