//! `Unmet`: why a wait of the kit failed.

use std::{error::Error, fmt, time::Duration};

use http::{Response, StatusCode};
use sse_tower_core::{BoxError, PublishError};

use super::{event::ReceivedEvent, refusals::said, standstill::MAX_STANDSTILL};

/// How many pieces of a body one wait reads, and how many events a stream keeps unread: 65 536. One
/// more fails the wait with [`Cause::TooMuch`].
pub const MAX_UNREAD: usize = 65_536;

/// An expectation of a test that was not met: what was expected, what happened instead, and what had come
/// before. A test sees it as the text of a panic, and need not name it.
///
/// It is the text with which awaiting a [`Wait`](super::Wait) panics;
/// [`Wait::result`](super::Wait::result) returns it.
///
/// ```
/// # use {axum::{Router, http::StatusCode, routing::get}, sse_tower::test::{Cause, TestClient}};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let push = async || (StatusCode::FORBIDDEN, "not yours");
/// let client = TestClient::new(Router::new().route("/push", get(push)));
/// let unmet = client.open("/push").result().await.unwrap_err();
/// assert_eq!(unmet.status(), Some(StatusCode::FORBIDDEN));
/// assert!(matches!(unmet.cause(), Cause::NoStream(response) if response.body() == "not yours"));
/// # }
/// ```
pub struct Unmet {
    expected: String,
    cause: Cause,
    came: String,
}

/// What happened instead.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// It did not come within the deadline.
    TooLate(Duration),
    /// Tokio's clock stood still for [`MAX_STANDSTILL`] of real time, so that no deadline could
    /// pass: a paused clock waits for tasks that never rest, and for blocking ones.
    ClockStoodStill,
    /// The stream had ended, or ended now.
    Ended,
    /// The stream ended within this event, which a browser would drop.
    EndedWithin(String),
    /// An event came where none was expected.
    Came(ReceivedEvent),
    /// The body broke off with an error.
    Broken(BoxError),
    /// It was not among the first [`MAX_UNREAD`](super::MAX_UNREAD) pieces of the body.
    TooMuch,
    /// The response is no event stream; 204 tells an `EventSource` to stay away for good. This is
    /// all of it.
    NoStream(Box<Response<String>>),
    /// The request could not be made of what was given.
    BadRequest(http::Error),
    /// The service answered with an error of its own instead of a response.
    Service(BoxError),
    /// Listeners of the published event failed.
    ListenersFailed(PublishError),
    /// Everything settled, and no such event was published.
    NotPublished,
}

impl Unmet {
    pub(super) fn new(expected: &str, cause: Cause, came: String) -> Self {
        Self { expected: expected.to_owned(), cause, came }
    }

    /// What happened instead.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// The status of a response that was no event stream.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match &self.cause {
            Cause::NoStream(response) => Some(response.status()),
            _ => None,
        }
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, but {}", self.expected, self.cause)?;
        // Only of a cause that can say no more by itself.
        let mut source = self.cause.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        if !self.came.is_empty() {
            write!(f, "\n{}", self.came)?;
        }
        Ok(())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLate(deadline) => {
                write!(f, "it did not come within {deadline:?}; `.within(..)` waits longer")
            }
            Self::ClockStoodStill => write!(
                f,
                "tokio's clock stood still for {MAX_STANDSTILL:?}: it is paused, and some task never rests or \
                 blocks a thread"
            ),
            Self::Ended => f.write_str("the stream ended"),
            Self::EndedWithin(text) => {
                write!(f, "the stream ended within an event, which a browser drops: {text:?}")
            }
            Self::Came(event) => write!(f, "there came {event}"),
            Self::Broken(_) => f.write_str("the body broke off"),
            Self::TooMuch => {
                write!(f, "{MAX_UNREAD} pieces of the body came without it")
            }
            Self::NoStream(response) => {
                let status = response.status();
                let body = said(response);
                let body = body.trim_end();
                match response.headers().get(http::header::CONTENT_TYPE) {
                    None if body.is_empty() => {
                        write!(f, "the response is {status}, without a body")
                    }
                    None => write!(f, "the response is {status}: {body}"),
                    Some(kind) => write!(f, "the response is {status} of type {kind:?}: {body}"),
                }
            }
            Self::BadRequest(_) => f.write_str("the request is not valid"),
            Self::Service(_) => f.write_str("the service failed"),
            Self::ListenersFailed(error) => {
                error.fmt(f)?;
                for failure in error.failures() {
                    write!(f, "\n  {failure}")?;
                    let mut source = failure.source();
                    while let Some(error) = source {
                        write!(f, ": {error}")?;
                        source = error.source();
                    }
                }
                Ok(())
            }
            Self::NotPublished => f.write_str("everything settled without it"),
        }
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Broken(error) | Self::Service(error) => Some(&**error),
            Self::BadRequest(error) => Some(error),
            _ => None,
        }
    }
}

impl Error for Unmet {}

/// As [`Display`](fmt::Display), for it is what `unwrap` and a test's `Result` show.
impl fmt::Debug for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
