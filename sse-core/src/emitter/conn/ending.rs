//! How a connection ends, and who is told.

use super::{CLOSED, Conn, IntoResponseState, STATE, Signals};
use crate::{
    boxed::BoxError,
    close_reason::CloseReason,
    emitter::{
        callbacks::{Callback, OnCompletion, OnError, OnTimeout, OtherHooks},
        queue::{Queue, Queued},
    },
    event::{SseEvent, bye},
    log::clock,
    panics,
    sync::{Arc, Ordering, lock},
};

impl Conn {
    /// Ends the connection at its timeout.
    pub(crate) fn time_out(&self) {
        {
            let mut state = lock(&self.state);
            if state.lifecycle.closed().is_none() {
                let others = state.hooks.others.as_mut();
                let hooks = others.map(|others| std::mem::take(&mut others.timeout));
                self.callbacks.add(hooks.into_iter().flatten().map(Callback::Timeout));
            }
        }
        self.callbacks.run();
        self.close(CloseReason::TimedOut, Some(bye(CloseReason::TimedOut, None)));
    }

    /// Notes that nothing more will be written. Callbacks run here, unless another thread runs them.
    pub(crate) fn finish(&self, everything_was_written: bool) {
        let (left, others, signals, turn) = {
            let mut state = lock(&self.state);
            let Some(reason) = state.lifecycle.finish(everything_was_written) else { return };
            self.bits.fetch_or(CLOSED, Ordering::AcqRel);
            let counts = state.counts.close();
            state.queue = Queue::default();
            let hooks = std::mem::take(&mut state.hooks);
            let completion = hooks.completion.into_iter();
            let turn =
                self.callbacks.begin(completion.map(|hook| Callback::Completion(hook, reason)));
            let left = (std::mem::take(&mut state.cursors), counts);
            (left, hooks.others, state.signals.clone(), turn)
        };
        let waker = self.replace_carrier(None);
        // Dropped here because they are the program's: their drop may do anything.
        drop((left, waker));
        if let Some(others) = others {
            let OtherHooks { timeout, error } = *others;
            timeout.into_iter().for_each(|hook| panics::contain(|| drop(hook)));
            error.into_iter().for_each(|hook| panics::contain(|| drop(hook)));
        }
        if let Some(signals) = &signals {
            signals.tell_closed();
            self.callbacks.add([Callback::Over(signals.over.clone())]);
        }
        drop(turn);
        self.callbacks.run();
    }

    /// Takes no more events; the stream ends once what is queued was written.
    pub(crate) fn close(&self, reason: CloseReason, last: Option<SseEvent>) -> bool {
        self.close_with(reason, last.map(Queued::farewell), None)
    }

    pub(super) fn close_with(
        &self,
        reason: CloseReason,
        last: Option<Queued>,
        error: Option<BoxError>,
    ) -> bool {
        let (signals, counts) = {
            let mut state = lock(&self.state);
            if !state.lifecycle.close(reason) {
                return false;
            }
            self.bits.fetch_or(CLOSED, Ordering::AcqRel);
            let counts = state.counts.close();
            state.until = clock::last();
            if let Some(last) = last {
                state.queue.push(last);
            }
            if let Some(error) = error {
                let error = Arc::new(error);
                let others = state.hooks.others.as_mut();
                let hooks = others.map(|others| std::mem::take(&mut others.error));
                let hooks = hooks.into_iter().flatten();
                self.callbacks.add(hooks.map(|hook| Callback::Error(hook, Arc::clone(&error))));
            }
            (state.signals.clone(), counts)
        };
        drop(counts);
        self.callbacks.run();
        if let Some(signals) = signals {
            signals.tell_closed();
        }
        self.notify(STATE);
        true
    }

    /// Ends it because a log has overtaken it: it takes no more events. The caller may also finish it, since its
    /// stream may not be polled. `false` if it ends for another reason.
    pub(crate) fn falls_behind(&self) -> bool {
        self.close(CloseReason::Lagged, Some(bye(CloseReason::Lagged, None)))
            || self.lifecycle().closed() == Some(CloseReason::Lagged)
    }

    /// Whether it was ended for being too slow although its stream is still there.
    pub(crate) fn was_given_up(&self) -> bool {
        self.lifecycle().over() == Some(CloseReason::Lagged)
    }

    /// Ends the stream with an error: its body is not complete, and says so.
    pub(crate) fn fail(&self, error: BoxError) {
        #[cfg(feature = "tracing")]
        tracing::warn!(
            target: "sse_tower",
            error = %crate::error_chain::ErrorChain(&*error),
            "stream was completed with an error"
        );
        let last = Queued::farewell(bye(CloseReason::Failed, None));
        self.close_with(CloseReason::Failed, Some(last), Some(error));
    }

    /// Whether it has not become a response yet.
    pub(crate) fn is_unanswered(&self) -> bool {
        lock(&self.state).response != IntoResponseState::Taken
    }

    /// Notes that nobody will make a response of it.
    pub(crate) fn abandoned(&self) {
        if self.is_unanswered() {
            self.finish(false);
        }
    }

    /// Notes that every sending handle was dropped.
    pub(crate) fn senders_dropped(&self) {
        let (taken, follows) = {
            let state = lock(&self.state);
            (state.response == IntoResponseState::Taken, state.open_logs > 0)
        };
        if !taken {
            // It never became a response, and nobody is left who could make it one.
            self.finish(false);
        } else if !follows {
            // Nothing can come any more.
            self.close(CloseReason::Completed, None);
        }
    }

    pub(crate) fn signals(&self) -> Arc<Signals> {
        let mut state = lock(&self.state);
        let signals = Arc::clone(state.signals.get_or_insert_with(Default::default));
        let lifecycle = state.lifecycle;
        drop(state);
        if lifecycle.closed().is_some() {
            signals.tell_closed();
        }
        if lifecycle.over().is_some() {
            // Behind the callbacks that may still run.
            drop(self.callbacks.begin([Callback::Over(signals.over.clone())]));
        }
        signals
    }

    pub(crate) fn on_timeout(&self, hook: OnTimeout) {
        let mut state = lock(&self.state);
        if state.lifecycle.over().is_none() {
            state.hooks.others.get_or_insert_default().timeout.push(hook);
        }
    }

    pub(crate) fn on_error(&self, hook: OnError) {
        let mut state = lock(&self.state);
        if state.lifecycle.over().is_none() {
            state.hooks.others.get_or_insert_default().error.push(hook);
        }
    }

    pub(crate) fn on_completion(&self, hook: OnCompletion) {
        let reason = {
            let mut state = lock(&self.state);
            let Some(reason) = state.lifecycle.over() else {
                state.hooks.completion.push(hook);
                return;
            };
            reason
        };
        drop(self.callbacks.begin([Callback::Completion(hook, reason)]));
    }
}
