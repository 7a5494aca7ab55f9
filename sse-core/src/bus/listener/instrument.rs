//! Listeners that are counted, timed and traced. Without the features `metrics` and `tracing` a
//! listener is passed through as it is, and none of this is compiled.

use super::handler::Running;
use crate::bus::profile::Profile;
#[cfg(any(feature = "metrics", feature = "tracing"))]
use crate::observe::ListenerRun;

/// Calls a synchronous listener, and notes the call.
#[cfg(not(any(feature = "metrics", feature = "tracing")))]
#[inline(always)]
pub(crate) fn call<R>(_: &Profile, listener: impl FnOnce() -> R, _failed: fn(&R) -> bool) -> R {
    listener()
}

/// Calls a synchronous listener, and notes the call.
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub(crate) fn call<R>(
    profile: &Profile,
    listener: impl FnOnce() -> R,
    failed: fn(&R) -> bool,
) -> R {
    ListenerRun::new(profile.label()).run(listener, failed)
}

/// The asynchronous listener, whose run is noted.
#[cfg(not(any(feature = "metrics", feature = "tracing")))]
#[inline(always)]
pub(crate) fn started<E>(_: &Profile, running: Running<E>) -> Running<E> {
    running
}

/// The asynchronous listener, whose run is noted.
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub(crate) fn started<E: Send + Sync + 'static>(
    profile: &Profile,
    running: Running<E>,
) -> Running<E> {
    let mut running = running;
    let followed = async move {
        let mut event = None;
        let answer = std::future::poll_fn(|cx| running.poll(&mut event, cx)).await;
        (event, answer)
    };
    let run = ListenerRun::new(profile.label());
    Running::Instrumented(Box::pin(run.follow(followed, |(_, answer)| answer.is_failed())))
}
