//! The listeners of one event type, in the order in which they run. Never changed once it is made.

use std::{
    any::TypeId,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::bus::{
    event::{ApplicationEvent, EventMeta, Supertype},
    listener::{
        Answer, Call, Condition, Handler, HandlerFn, MaybeShared, OwnedCall, RefFn, Running,
        arrange, instrument,
    },
    listeners::{ListenersByType, Registered},
    profile::{Phase, Profile},
};

/// One listener in the plan of `E`.
pub(crate) struct Entry<E> {
    function: HandlerFn<E>,
    condition: Option<Condition<E>>,
    pub(crate) profile: Arc<Profile>,
    /// See [`ErasedHandler::misplaced`](crate::bus::listeners::ErasedHandler).
    misplaced: Arc<AtomicBool>,
}

impl<E: Send + Sync + 'static> Entry<E> {
    /// Whether there is nothing to ask before calling it: no condition, no phase, no future.
    fn is_plain(&self) -> bool {
        self.function.as_ref_fn().is_some()
            && self.condition.is_none()
            && self.profile.phase.is_none()
    }

    /// Whether its condition holds, if it has one.
    #[inline]
    pub(crate) fn wants(&self, event: &E) -> bool {
        self.condition.as_ref().is_none_or(|condition| condition(event))
    }

    /// Logs, once for each listener, that it was skipped because the event is of no transaction: mostly somebody
    /// forgot the transaction.
    #[cold]
    #[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
    pub(crate) fn is_misplaced(&self, phase: Phase, meta: &EventMeta) {
        let is_said = self.misplaced.swap(true, Ordering::Relaxed);
        #[cfg(feature = "tracing")]
        if !is_said {
            tracing::warn!(
                target: "sse_tower",
                listener = self.profile.label(),
                declared_at = %self.profile.declared_at,
                published_at = %meta.published_at,
                "listener of phase `{phase}` is skipped: the event was published outside of a transaction; publish it \
                 through `context.transaction()`, in a listener before the commit through the `Transaction` that it takes, or \
                 declare the listener with `fallback`; this is said once for each listener"
            );
        }
    }

    /// See [`HandlerFn::call`].
    #[inline]
    pub(crate) fn call(&self, event: &MaybeShared<E>, call: &Call<'_>) -> Option<Answer> {
        if self.function.is_async() {
            return None;
        }
        let failed = |answer: &Option<Answer>| answer.as_ref().is_some_and(Answer::is_failed);
        instrument::call(&self.profile, || self.function.call(event, call), failed)
    }

    /// See [`HandlerFn::start`].
    #[inline]
    pub(crate) fn start(&self, event: MaybeShared<E>, call: OwnedCall) -> Option<Running<E>> {
        let running = self.function.start(event, call)?;
        Some(instrument::started(&self.profile, running))
    }
}

/// The listeners of `E`, in the order in which they run.
pub(crate) struct Plan<E> {
    pub(crate) entries: Box<[Entry<E>]>,
    /// The event has to be in an `Arc`.
    pub(crate) shared: bool,
    /// Some listener needs a clock, hence a runtime.
    pub(crate) timed: bool,
}

impl<E: ApplicationEvent> Plan<E> {
    /// The plan of the listeners that hear `E` or one of its supertypes.
    pub(crate) fn new(
        fixed: &ListenersByType,
        subscribed: Option<&ListenersByType>,
        supertypes: &[Supertype<E>],
    ) -> Self {
        let mut entries = Vec::new();
        for listeners in std::iter::once(fixed).chain(subscribed) {
            for listener in listeners.of(TypeId::of::<E>()) {
                let handler = listener.handler.get().downcast_ref::<Handler<E>>().cloned();
                entries.extend(entry(listener, handler));
            }
            for supertype in supertypes {
                for listener in listeners.of(supertype.type_id) {
                    let handler = supertype.adapt(listener.handler.get());
                    let handler = handler.and_then(|it| it.downcast::<Handler<E>>().ok());
                    entries.extend(entry(listener, handler.map(|it| *it)));
                }
            }
        }
        let profiles: Vec<_> = entries.iter().map(|entry| Arc::clone(&entry.profile)).collect();
        // A cycle was refused when the listeners were registered.
        let places = arrange(&profiles).unwrap_or_else(|cycle| cycle.places);
        let mut entries: Vec<_> = entries.into_iter().map(Some).collect();
        let mut arranged = Vec::with_capacity(entries.len());
        for place in places {
            arranged.extend(entries.get_mut(place).and_then(Option::take));
        }
        let entries = arranged.into_boxed_slice();
        let timed = entries.iter().any(|it| it.profile.timeout.is_some());
        // A future that is stopped, or that runs on its own, does not give the event back.
        let shared =
            timed || entries.iter().any(|it| it.profile.spawn || it.function.needs_share());
        Self { entries, shared, timed }
    }

    /// The listeners, if there are any and each of them is plain.
    pub(crate) fn plain(&self) -> Option<Plain<E>> {
        let (first, rest) = self.entries.split_first()?;
        let rest = rest.iter().map(PlainListener::of);
        Some(Plain { first: PlainListener::of(first)?, rest: rest.collect::<Option<_>>()? })
    }
}

/// `None` for a handler of another type: a listener is registered under the type that it was bound for.
fn entry<E: ApplicationEvent>(
    listener: &Registered,
    handler: Option<Handler<E>>,
) -> Option<Entry<E>> {
    let Handler { function, condition } = handler?;
    let misplaced = Arc::clone(&listener.handler.misplaced);
    Some(Entry { function, condition, profile: Arc::clone(&listener.profile), misplaced })
}

/// The listeners of a plan in which each is plain, in order. Most plans have one, which is found without one more step.
pub(crate) struct Plain<E> {
    pub(crate) first: PlainListener<E>,
    pub(crate) rest: Box<[PlainListener<E>]>,
}

/// What of a plain listener's [`Entry`] is needed to call it.
pub(crate) struct PlainListener<E> {
    function: Arc<Box<RefFn<E>>>,
    pub(crate) profile: Arc<Profile>,
}

impl<E: Send + Sync + 'static> PlainListener<E> {
    fn of(entry: &Entry<E>) -> Option<Self> {
        let function = entry.is_plain().then(|| entry.function.as_ref_fn()).flatten()?;
        Some(Self { function: Arc::clone(function), profile: Arc::clone(&entry.profile) })
    }

    #[inline]
    pub(crate) fn call(&self, event: &E, call: &Call<'_>) -> Answer {
        instrument::call(&self.profile, || (self.function)(event, call), Answer::is_failed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::fixture::{Audited, Heard, Paid, by_type, plan, profile, registered, with},
        *,
    };
    use crate::bus::{event::EventKey, profile::Phase};

    fn names(plan: &Plan<Paid>) -> Vec<&'static str> {
        plan.entries.iter().map(|entry| entry.profile.name).collect()
    }

    #[test]
    fn listeners_of_the_event_and_of_its_traits_are_in_one_order() {
        let heard = Heard::default();
        let mut of_trait = profile("b");
        of_trait.event = EventKey::supertype::<dyn Audited>();
        let handler = Handler::<dyn Audited>::by_ref(|event, _| {
            assert_eq!(event.amount(), 7);
            Answer::RAN
        });
        let of_trait = Registered { profile: Arc::new(of_trait), handler: handler.erase() };
        let plan = plan(vec![of_trait, heard.plain("c"), heard.plain("a")]);
        assert_eq!(names(&plan), ["a", "b", "c"]);
    }

    #[test]
    fn subscribed_listeners_take_their_place_among_the_others() {
        let heard = Heard::default();
        let fixed = by_type(vec![heard.plain("c"), heard.plain("a")]);
        let subscribed = by_type(vec![heard.plain("b")]);
        assert_eq!(names(&Plan::new(&fixed, Some(&subscribed), &[])), ["a", "b", "c"]);
    }

    #[test]
    fn a_plan_is_plain_only_if_there_is_nothing_to_ask_of_any_listener() {
        let heard = Heard::default();
        let plain = || heard.plain("plain");
        assert_eq!(plan(vec![plain(), heard.plain("b")]).plain().map(|it| it.rest.len()), Some(1));
        assert!(plan(Vec::new()).plain().is_none());
        let by_ref = || Handler::by_ref(|_: &Paid, _| Answer::RAN);
        for other in [
            registered("condition", by_ref().when(|paid| paid.0 > 0), |_| ()),
            with(heard.plain("phase"), |it| it.phase = Some(Phase::AfterCommit)),
            registered("shared", Handler::shared(|_: Arc<Paid>, _| Answer::RAN), |_| ()),
            heard.lent("async"),
        ] {
            let name = other.profile.name;
            assert!(plan(vec![plain(), other]).plain().is_none(), "{name}");
        }
    }

    #[test]
    fn the_event_is_shared_only_if_somebody_keeps_it() {
        let heard = Heard::default();
        assert!(!plan(vec![heard.plain("a"), heard.lent("b")]).shared);
        let shared = registered("shared", Handler::shared(|_: Arc<Paid>, _| Answer::RAN), |_| ());
        let future = Handler::future(|_: Arc<Paid>, _| Box::pin(std::future::ready(Answer::RAN)));
        for keeps in [
            shared,
            registered("future", future, |_| ()),
            with(heard.lent("spawned"), |it| it.spawn = true),
            with(heard.lent("timed"), |it| it.timeout = Some(Duration::from_secs(1))),
        ] {
            let name = keeps.profile.name;
            assert!(plan(vec![heard.plain("a"), keeps]).shared, "{name}");
        }
    }

    #[test]
    fn only_a_timeout_needs_a_clock() {
        let heard = Heard::default();
        assert!(!plan(vec![heard.plain("a"), heard.lent("b")]).timed);
        let timed = with(heard.lent("timed"), |it| it.timeout = Some(Duration::from_secs(1)));
        assert!(plan(vec![timed]).timed);
    }
}
