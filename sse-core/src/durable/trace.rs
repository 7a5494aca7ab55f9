//! What an event came from: which event caused it, with which one all began, and the trace that it is part of.

use std::{
    cell::RefCell,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
};

use crate::{bus::event::EventUid, observe};

/// Says which trace the program is in, as `traceparent` of W3C writes it.
pub(crate) type TraceHook = Box<dyn Fn() -> Option<String> + Send + Sync>;

thread_local! {
    /// Of what runs on this thread at this moment.
    static CURRENT: RefCell<Option<EventTrace>> = const { RefCell::new(None) };
}

/// Where an event that left its process came from: while a listener of it runs, [`current`](Self::current) is the event's.
///
/// What such a listener publishes has that event as its cause, and the same correlation and trace, in whatever process it
/// is heard. The attributes travel under CloudEvents' names: `id`, `causationid`, `correlationid`, `traceparent`.
///
/// For a trace the program says where it is with [`ContextBuilder::traceparent`](crate::ContextBuilder::traceparent), and
/// its listener begins there: the first attempt as a child, a later one, better, as a trace of its own with a link.
///
/// ```
/// # use {sse_tower_core::{ApplicationContext, ApplicationEvent, EventTrace, EventType, Listener}, std::time::Duration};
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Paid { order: u64 }
///
/// impl ApplicationEvent for Paid {
///     fn event_type() -> EventType<Self> {
///         EventType::new().name("order.paid").json()
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (tell, told) = std::sync::mpsc::channel();
/// let mail = Listener::on(move |_: &Paid| tell.send(EventTrace::current()));
/// let context = ApplicationContext::bare()
///     .listener(mail.durable().id("mail"))
///     .traceparent(|| Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()))
///     .build()?;
/// context.publish_event(Paid { order: 7 }).await?;
/// tokio::time::sleep(Duration::from_secs(1)).await;
/// let trace = told.try_recv()?.ok_or("a listener that survives has one")?;
/// assert_eq!(trace.traceparent(), Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
/// assert_eq!((trace.causation_id(), trace.correlation_id()), (None, trace.event_id()));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTrace {
    event: EventUid,
    pub(super) causation: Option<EventUid>,
    pub(super) correlation: EventUid,
    pub(super) traceparent: Option<Arc<str>>,
}

impl EventTrace {
    /// Of the event whose listener runs here: one that is durable, or that hears a broadcast of another node. A task that
    /// the listener spawns has none.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// The event itself.
    #[must_use]
    pub fn event_id(&self) -> EventUid {
        self.event
    }

    /// The event whose listener published this one.
    #[must_use]
    pub fn causation_id(&self) -> Option<EventUid> {
        self.causation
    }

    /// The event with which it all began: itself, if nothing caused it.
    #[must_use]
    pub fn correlation_id(&self) -> EventUid {
        self.correlation
    }

    /// The trace in which it was published, as W3C's `traceparent`.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }

    /// Of an event that nothing is known of.
    pub(super) fn of(event: EventUid) -> Self {
        Self { event, causation: None, correlation: event, traceparent: None }
    }

    /// Of an event that came from the store with these attributes.
    pub(super) fn read(
        event: EventUid,
        causation: Option<EventUid>,
        correlation: Option<EventUid>,
        traceparent: Option<&str>,
    ) -> Self {
        let correlation = correlation.unwrap_or(event);
        let traceparent = traceparent.filter(|it| is_traceparent(it)).map(Arc::from);
        Self { event, causation, correlation, traceparent }
    }

    /// Of an event that is published here and now.
    pub(super) fn publishing(event: EventUid, hook: Option<&TraceHook>) -> Self {
        let cause = Self::current();
        let told = hook.and_then(|hook| hook()).filter(|it| is_traceparent(it)).map(Arc::from);
        let traceparent = told.or_else(|| cause.as_ref().and_then(|it| it.traceparent.clone()));
        let correlation = cause.as_ref().map_or(event, |it| it.correlation);
        Self { event, causation: cause.map(|it| it.event), correlation, traceparent }
    }

    /// For one attempt of a durable listener.
    pub(super) fn attempt(self, listener: &Arc<str>, tried: u32) -> Within {
        let ids = (&self.event as _, &self.correlation as _);
        let span = observe::attempt_span(listener, ids, self.traceparent.as_deref(), tried);
        Within { trace: self, span }
    }

    /// For the listeners of a broadcast.
    pub(super) fn broadcast(self) -> Within {
        Within { trace: self, span: observe::Span::current() }
    }
}

/// What runs in it, runs for an event.
pub(super) struct Within {
    trace: EventTrace,
    span: observe::Span,
}

impl Within {
    /// Runs something at once.
    pub(super) fn enter<R>(&self, run: impl FnOnce() -> R) -> R {
        let _back = Back(CURRENT.replace(Some(self.trace.clone())));
        self.span.run(run)
    }

    /// Runs to its end, a step at a time.
    pub(super) async fn run<F: Future + Unpin>(&self, mut running: F) -> F::Output {
        poll_fn(|cx| self.enter(|| Pin::new(&mut running).poll(cx))).await
    }
}

impl fmt::Debug for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Within").field(&self.trace).finish()
    }
}

/// Restores what was before, also after a panic.
struct Back(Option<EventTrace>);

impl Drop for Back {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// `00-<trace>-<span>-<flags>` in small hexadecimal digits, neither of the two all zero. Of a later version its beginning is
/// that, and no more of it is understood.
fn is_traceparent(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut part = |digits: usize| {
        parts.next().is_some_and(|it| {
            it.len() == digits && it.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    let whole = part(2) && part(32) && part(16) && part(2) && parts.next().is_none();
    let named = text.get(3..35).is_some_and(|it| it.bytes().any(|b| b != b'0'))
        && text.get(36..52).is_some_and(|it| it.bytes().any(|b| b != b'0'));
    whole && named && !text.starts_with("ff")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn only_what_others_can_read_is_a_traceparent() {
        assert!(is_traceparent(GOOD));
        for bad in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319é-b7ad6b716920333-01",
        ] {
            assert!(!is_traceparent(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_published_for_an_event_has_it_as_its_cause_and_its_beginning_and_trace() {
        let (first, second, third) = (EventUid::new(1), EventUid::new(2), EventUid::new(3));
        let begin = EventTrace::read(first, None, None, Some(GOOD));
        let caused = begin.broadcast().enter(|| EventTrace::publishing(second, None));
        assert_eq!((caused.causation_id(), caused.correlation_id()), (Some(first), first));
        assert_eq!(caused.traceparent(), Some(GOOD));
        let other = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        let hook: TraceHook = Box::new(move || Some(other.to_owned()));
        let caused = caused.broadcast().enter(|| EventTrace::publishing(third, Some(&hook)));
        assert_eq!((caused.causation_id(), caused.correlation_id()), (Some(second), first));
        assert_eq!(caused.traceparent(), Some(other));
        let wrong: TraceHook = Box::new(|| Some("nonsense".to_owned()));
        assert_eq!(EventTrace::publishing(third, Some(&wrong)), EventTrace::of(third));
    }

    #[test]
    fn a_panic_leaves_nothing_behind() {
        let within = EventTrace::of(EventUid::new(1)).broadcast();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            within.enter(|| panic!("on purpose"));
        }));
        assert!(panicked.is_err());
        assert_eq!(EventTrace::current(), None);
    }
}
