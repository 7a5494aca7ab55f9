//! `Refusals`: what a client was refused, for those who read why a test failed.

use std::{borrow::Cow, collections::VecDeque, sync::Arc};

use http::Response;
use parking_lot::Mutex;

/// How many of a client's requests that were not answered 2xx a failure names: the last 4.
pub const SHOWN_REFUSALS: usize = 4;

/// How much of such an answer's text a failure shows, in characters of its first line.
const SHOWN_TEXT: usize = 200;

/// What a response says; where the program is not set up for the request, what is missing, of which a client is told
/// nothing.
pub(super) fn said(response: &Response<String>) -> Cow<'_, str> {
    #[cfg(feature = "axum")]
    if let Some(rejection) = response.extensions().get::<sse_tower_core::ContextRejection>() {
        return Cow::Owned(rejection.to_string());
    }
    Cow::Borrowed(response.body())
}

/// The last requests of one client whose answer was not 2xx, a line each. The client and its
/// streams share them.
///
/// They are no failure: a test may well want a 500. But where an event is missing later, such an
/// answer that nobody looked at is often why.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(Arc<Mutex<VecDeque<String>>>);

impl Refusals {
    /// Notes the answer to `request`, its method and path, unless it is 2xx.
    pub(super) fn note(&self, request: &str, response: &Response<String>) {
        let status = response.status();
        if status.is_success() {
            return;
        }
        let mut line = format!("meanwhile {request} was answered {status}");
        if let Some(text) = said(response).trim().lines().next() {
            line.push_str(": ");
            line.extend(text.chars().take(SHOWN_TEXT));
        }
        let mut lines = self.0.lock();
        if lines.len() == SHOWN_REFUSALS {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// Whole lines, the oldest first; empty if there are none.
    pub(super) fn report(&self) -> String {
        Vec::from(self.0.lock().clone()).join("\n")
    }
}
