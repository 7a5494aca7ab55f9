//! `ResponseFuture`: waits for the response, and admits it if it is an event stream.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body;
use pin_project_lite::pin_project;
use sse_tower_core::{__private::Request as OpenedRequest, StreamControl};

use crate::{admission::Ticket, body::ResponseBody, headers};

pin_project! {
    /// The future of [`SseService`](crate::SseService). Dropping it drops the inner one.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F>
    where
        F: Future,
    {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F>
    where
        F: Future,
    {
        // The answer was known before the service was asked.
        Refused { answer: Option<Response<Bytes>> },
        Asked {
            #[pin]
            inner: F,
            // `None` for `HEAD`, which opens nothing.
            ticket: Option<Ticket>,
            // Dropped with the handler, it ends what that has opened.
            request: OpenedRequest,
        },
        // A stream of a backplane, of which it is not known yet whether there is anything to say to
        // its client.
        Deciding {
            response: Option<F::Output>,
            ticket: Option<Ticket>,
            no_content: Pin<Box<dyn Future<Output = bool> + Send>>,
        },
    }
}

impl<F: Future> ResponseFuture<F> {
    pub(crate) fn refused(answer: Response<Bytes>) -> Self {
        Self { state: State::Refused { answer: Some(answer) } }
    }

    pub(crate) fn of(inner: F, ticket: Option<Ticket>) -> Self {
        let request = OpenedRequest::default();
        Self { state: State::Asked { inner, ticket, request } }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Refused { answer } => {
                    return match answer.take() {
                        Some(answer) => Poll::Ready(Ok(answer.map(ResponseBody::whole))),
                        // `poll` after completion, which a future may answer as it likes.
                        None => Poll::Pending,
                    };
                }
                StateProj::Asked { inner, ticket, request } => {
                    let response = ready!(request.within(|| inner.poll(cx)))?;
                    request.answered();
                    if !headers::is_event_stream(response.headers()) {
                        return Poll::Ready(Ok(response.map(ResponseBody::passthrough)));
                    }
                    let ticket = ticket.take();
                    let control = response.extensions().get::<StreamControl>().cloned();
                    match control.filter(|_| ticket.is_some()) {
                        Some(control) => match control.is_no_content_now() {
                            Some(no_content) => {
                                return Poll::Ready(Ok(answer(response, ticket, no_content)));
                            }
                            None => {
                                let no_content =
                                    Box::pin(async move { control.is_no_content().await });
                                let response = Some(Ok(response));
                                this.state.set(State::Deciding { response, ticket, no_content });
                            }
                        },
                        None => return Poll::Ready(Ok(answer(response, ticket, false))),
                    }
                }
                StateProj::Deciding { response, ticket, no_content } => {
                    let no_content = ready!(no_content.as_mut().poll(cx));
                    return match response.take() {
                        Some(response) => {
                            Poll::Ready(Ok(answer(response?, ticket.take(), no_content)))
                        }
                        None => Poll::Pending,
                    };
                }
            }
        }
    }
}

/// An event stream, or 204 in its place.
fn answer<B: Body<Data = Bytes>>(
    mut response: Response<B>,
    ticket: Option<Ticket>,
    no_content: bool,
) -> Response<ResponseBody<B>> {
    if no_content {
        *response.status_mut() = StatusCode::NO_CONTENT;
        response.headers_mut().remove(CONTENT_TYPE);
        return response.map(|_| ResponseBody::whole(Bytes::new()));
    }
    headers::stop_buffering(response.headers_mut());
    match ticket {
        Some(ticket) => ticket.admit(response),
        None => response.map(ResponseBody::passthrough),
    }
}

impl<F: Future> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
