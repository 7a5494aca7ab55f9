//! Listeners that are counted, timed and traced. Without the features `metrics` and `tracing` a
//! listener is passed through as it is, and none of this is compiled.

use super::prepared::Bound;

/// The listener, noted under `label` whenever it runs.
#[cfg(not(any(feature = "metrics", feature = "tracing")))]
#[inline]
pub(crate) fn observed<E>(bound: Bound<E>, _label: &'static str) -> Bound<E> {
    bound
}

/// The listener, noted under `label` whenever it runs.
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub(crate) fn observed<E: Send + Sync + 'static>(bound: Bound<E>, label: &'static str) -> Bound<E> {
    use std::sync::Arc;

    use super::{answer::Answer, call::Call, prepared::Held};
    use crate::observe::ListenerRun;

    match bound {
        Bound::Ref(listener) => Bound::by_ref(move |event: &E, call: &Call<'_>| {
            ListenerRun::new(label).run(|| listener(event, call), Answer::is_failed)
        }),
        Bound::Shared(listener) => Bound::Shared(Arc::new(move |event, call: &Call<'_>| {
            ListenerRun::new(label).run(|| listener(event, call), Answer::is_failed)
        })),
        Bound::Future(listener) => Bound::Future(Arc::new(move |event, call| {
            Box::pin(ListenerRun::new(label).follow(listener(event, call), Answer::is_failed))
        })),
        Bound::Lent(listener) => Bound::Lent(Arc::new(move |event: Held<E>, call| {
            let running = listener.start(event, call);
            let failed = |(_, answer): &(Held<E>, Answer)| answer.is_failed();
            let running = ListenerRun::new(label).follow(running, failed);
            Box::pin(running) as super::prepared::BoxFuture<(Held<E>, Answer)>
        })),
    }
}
