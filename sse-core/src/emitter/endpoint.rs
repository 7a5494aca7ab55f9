//! What `#[sse_endpoint]` expands to.

use std::{future::Future, time::Duration};

use super::{MAX_HEAD_WAIT, SseEmitter};
use crate::boxed::BoxError;

/// The options of one endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct EndpointOptions {
    /// How long a stream lives.
    pub timeout: Option<Duration>,
    /// How long the wire may be silent.
    pub keep_alive: Option<Duration>,
    /// How long a client waits before it dials again.
    pub retry: Option<Duration>,
}

/// What a handler under `#[sse_endpoint]` may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no event stream",
    label = "an `#[sse_endpoint]` returns `SseEmitter` or `Result<SseEmitter, impl IntoResponse>`",
    note = "or it takes a parameter `emitter: SseEmitter` and returns `()` or `Result<(), E>`"
)]
pub trait Configure {
    /// Sets the endpoint's options where the emitter was not given its own response yet.
    #[must_use]
    fn configure(self, options: &EndpointOptions) -> Self;

    /// The emitter, if there is one.
    fn emitter(&self) -> Option<&SseEmitter>;
}

impl Configure for SseEmitter {
    fn configure(self, options: &EndpointOptions) -> Self {
        self.conn().configure(options.timeout, options.keep_alive, options.retry);
        self
    }

    fn emitter(&self) -> Option<&SseEmitter> {
        Some(self)
    }
}

impl<E> Configure for Result<SseEmitter, E> {
    fn configure(self, options: &EndpointOptions) -> Self {
        self.map(|emitter| emitter.configure(options))
    }

    fn emitter(&self) -> Option<&SseEmitter> {
        self.as_ref().ok()
    }
}

/// Waits until it is known whether this is to be answered without content, for at most
/// [`MAX_HEAD_WAIT`]. At once where there is no backplane.
pub async fn decided<C: Configure>(answer: C) -> C {
    if let Some(emitter) = answer.emitter()
        && !emitter.conn().is_decided()
    {
        let _ = tokio::time::timeout(MAX_HEAD_WAIT, emitter.conn().decided()).await;
    }
    answer
}

/// What the body of a handler that takes its emitter may return.
#[diagnostic::on_unimplemented(
    message = "an `#[sse_endpoint]` that takes its emitter cannot return `{Self}`",
    label = "return `()`, or `Result<(), E>` to end the stream with an error"
)]
pub trait Ending {
    /// Ends the stream.
    fn end(self, emitter: &SseEmitter);
}

impl Ending for () {
    fn end(self, emitter: &SseEmitter) {
        emitter.complete();
    }
}

impl<E: IntoStreamError> Ending for Result<(), E> {
    fn end(self, emitter: &SseEmitter) {
        match self {
            Ok(()) => emitter.complete(),
            Err(error) => emitter.complete_with_error(error.into_error()),
        }
    }
}

/// What the body of a handler that takes its emitter may fail with.
#[diagnostic::on_unimplemented(
    message = "a stream cannot fail with `{Self}`",
    label = "not an error",
    note = "use an error type, or `sse_tower::BoxError` for any of them; `ListenerError` is what listeners fail with"
)]
pub trait IntoStreamError {
    /// The error without its type.
    fn into_error(self) -> BoxError;
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> IntoStreamError for E {
    fn into_error(self) -> BoxError {
        self.into()
    }
}

/// Runs `body` beside the response, until it returns or the client leaves.
///
/// `emitter` is the response; `body` has a clone. A body that panics ends its stream with an error.
#[must_use]
pub fn beside<F>(emitter: SseEmitter, options: &EndpointOptions, body: F) -> SseEmitter
where
    F: Future + Send + 'static,
    F::Output: Ending,
{
    let emitter = emitter.configure(options);
    let (own, stopped) = (emitter.clone(), emitter.cancellation());
    let run = async move {
        let mut guard = Unfinished { emitter: Some(own), endpoint: endpoint::<F>() };
        // `None` where the client has left, so that nothing is to be written.
        if let Some(outcome) = stopped.run_until_cancelled(body).await
            && let Some(emitter) = guard.emitter.take()
        {
            outcome.end(&emitter);
        }
        guard.emitter = None;
    };
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(run)),
        Err(_) => emitter.complete_with_error(format!(
            "endpoint `{}` takes its emitter, so its body needs a tokio runtime; serve it within one",
            endpoint::<F>(),
        )),
    }
    emitter
}

/// The function that the body `F` is written in.
fn endpoint<F>() -> &'static str {
    let name = std::any::type_name::<F>();
    name.split("::{{closure}}").next().unwrap_or(name)
}

/// Still there when the body panics.
struct Unfinished {
    emitter: Option<SseEmitter>,
    endpoint: &'static str,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(emitter) = &self.emitter {
            let why = if std::thread::panicking() { "panicked" } else { "lost its runtime" };
            emitter.complete_with_error(format!("endpoint `{}` {why}", self.endpoint));
        }
    }
}
