//! The checks of `build()` and of `assert_wired()`, each on its own.

use std::{any::TypeId, collections::HashMap, panic::Location, sync::Arc};

use super::{
    application_context::ApplicationContext,
    given::Maker,
    hooks::Hook,
    linked::{EndpointInfo, EndpointNeeds, LinkedCrate, LinkedEvent, LinkedListener, crate_of},
    wiring::{WiringError, WiringFault},
};
use crate::{
    backplane::Node,
    bus::{
        declare::EventRef,
        event::EventKey,
        listener::arrange,
        listeners::{ErasedHandler, ListenerNode, ListenersByType},
        plans::AnyPlan,
        profile::{Phase, Profile},
    },
    component::{Components, TypeMap},
};

pub(super) fn synchronous_options(
    profile: &Profile,
    handler: &ErasedHandler,
    faults: &mut Vec<WiringFault>,
) {
    if handler.is_async() {
        return;
    }
    let options = [("timeout", profile.timeout.is_some()), ("spawn", profile.spawn)];
    for (option, _) in options.into_iter().filter(|(_, set)| *set) {
        faults.push(WiringFault::SynchronousListener {
            listener: profile.label(),
            option,
            declared_at: profile.declared_at,
        });
    }
}

/// Listeners that take the transaction: only one that runs before a commit, and is waited for, can add to what
/// commits.
pub(super) fn joins(profile: &Profile, joins: bool, faults: &mut Vec<WiringFault>) {
    let can = profile.phase == Some(Phase::BeforeCommit) && !profile.fallback && !profile.spawn;
    if joins && !can {
        faults.push(WiringFault::NoTransaction {
            listener: profile.label(),
            declared_at: profile.declared_at,
        });
    }
}

/// Durable listeners that lack something, or have something that they cannot have.
pub(super) fn durable(profile: &Profile, heard: &EventRef, faults: &mut Vec<WiringFault>) {
    if profile.durable.is_none() {
        return;
    }
    let travels = heard.arrivals.is_some_and(|it| (it.kinds)().is_some());
    let set = [
        (profile.spawn, "`spawn`: it runs beside everything else anyhow"),
        (profile.phase.is_some(), "a phase: what it hears was committed"),
    ];
    let stops = profile.durable.is_some_and(|it| it.stop && !it.ordered);
    let problem = if profile.id.is_none() {
        "needs an id, by which the store knows it from one release to the next; add one, such as `mail`".to_owned()
    } else if let Some((_, what)) = set.into_iter().find(|(set, _)| *set) {
        format!("cannot have {what}; leave it out")
    } else if stops {
        "stops at a dead letter, which only one that is `ordered` can; add that, or leave `on_dead` out".to_owned()
    } else if cfg!(not(feature = "json")) {
        "needs the feature `json` of sse-tower".to_owned()
    } else if heard.arrivals.is_none() {
        format!(
            "hears the trait `{}`, and one type can be stored; let it hear that",
            heard.key.label()
        )
    } else if !travels {
        format!(
            "hears `{}`, which has no stable name or no form; add `#[event(name = \"..\")]`, `Serialize` and `Deserialize`",
            heard.key.label()
        )
    } else {
        return;
    };
    faults.push(WiringFault::Durable {
        listener: profile.label(),
        problem,
        declared_at: profile.declared_at,
    });
}

/// Events that leave the process and cannot be encoded, or not be read again.
pub(super) fn travelling(events: &[EventKey], faults: &mut Vec<WiringFault>) {
    for event in events {
        if let Some(problem) = event.fault() {
            faults.push(WiringFault::TravellingEvent { event: event.label(), problem });
        }
    }
}

/// Durable listeners at an engine that cannot keep their events.
#[cfg(feature = "json")]
pub(super) fn queue(setup: &crate::durable::Setup, faults: &mut Vec<WiringFault>) {
    let Some(node) = &setup.node else { return };
    if node.shared().shared_engine().queue().is_some() {
        return;
    }
    faults.extend(setup.listeners.iter().map(|it| WiringFault::Durable {
        listener: it.id,
        problem: "is at a backplane whose engine has no queue; use another engine".to_owned(),
        declared_at: it.registered.profile.declared_at,
    }));
}

/// Functions that `build()` cannot wait for.
pub(super) fn needs_async(makers: &[Maker], starts: &[Hook], faults: &mut Vec<WiringFault>) {
    let makers = makers.iter().map(|it| (it.of, it.given_at, "component_from"));
    let starts = starts.iter().map(|it| (it.of, it.given_at, "on_start"));
    faults.extend(makers.chain(starts).map(|(of, given_at, what)| WiringFault::NeedsAsync {
        component: (of.type_name)(),
        what,
        given_at,
    }));
}

pub(super) fn ids(nodes: &[ListenerNode], faults: &mut Vec<WiringFault>) {
    let mut seen = HashMap::new();
    for profile in nodes.iter().map(|it| &it.profile) {
        let Some(id) = profile.id else { continue };
        if let Some(first) = seen.insert(id, profile.declared_at) {
            faults.push(WiringFault::DuplicateListenerId {
                id,
                first,
                second: profile.declared_at,
            });
        }
    }
}

/// Scheduled functions that one process at a time is to run.
pub(super) fn once(
    nodes: &[ListenerNode],
    backplane: Option<&Node>,
    faults: &mut Vec<WiringFault>,
) {
    let has_queue = backplane.is_none_or(|node| node.shared().shared_engine().queue().is_some());
    let can_hold = backplane.is_none() || cfg!(feature = "json");
    let mut seen = HashMap::new();
    for profile in nodes.iter().map(|it| &it.profile) {
        let Some(name) = profile.timetable.and_then(|table| table.once) else { continue };
        let problem = if let Some(first) = seen.insert(name, profile.declared_at) {
            format!("is taken by the function at {first}; give one of the two another name")
        } else if !can_hold {
            "needs the feature `json` of sse-tower".to_owned()
        } else if !has_queue {
            "is at a backplane whose engine has no queue; use another engine".to_owned()
        } else {
            continue;
        };
        faults.push(WiringFault::Once {
            function: profile.label(),
            name,
            problem,
            declared_at: profile.declared_at,
        });
    }
}

/// In a bare context a listener may name one that is linked in and was left out on purpose.
pub(super) fn targets(nodes: &[ListenerNode], linked: bool, faults: &mut Vec<WiringFault>) {
    let elsewhere = |target: &str| {
        !linked
            && inventory::iter::<LinkedListener>
                .into_iter()
                .any(|it| it.0.profile.is_called(target))
    };
    for profile in nodes.iter().map(|it| &it.profile) {
        for target in profile.before.iter().chain(profile.after) {
            let known = nodes.iter().any(|it| it.profile.is_called(target)) || elsewhere(target);
            if !known {
                faults.push(WiringFault::UnknownListener {
                    listener: profile.label(),
                    target,
                    declared_at: profile.declared_at,
                });
            }
        }
    }
}

pub(super) fn event_names(events: &[EventKey], faults: &mut Vec<WiringFault>) {
    let mut seen = HashMap::new();
    for event in events {
        let Some(description) = event.description() else { continue };
        let Some(name) = description.name else { continue };
        // Derived types are found in the binary with their place; others have only their name.
        let mut linked = inventory::iter::<LinkedEvent>.into_iter();
        let second = match linked.find(|it| it.event.id() == event.id()) {
            Some(it) => format!("{} at {}", description.type_name, it.declared_at),
            None => description.type_name.to_owned(),
        };
        if let Some(first) = seen.insert((name, description.version), second.clone()) {
            faults.push(WiringFault::DuplicateEventName { name, first, second });
        }
    }
}

/// Crates that were named and contributed nothing.
pub(super) fn silent_crates(faults: &mut Vec<WiringFault>) {
    let mut speaking: Vec<&str> = Vec::new();
    speaking.extend(inventory::iter::<LinkedListener>.into_iter().map(|it| it.0.profile.module));
    speaking.extend(inventory::iter::<LinkedEvent>.into_iter().map(|it| it.module));
    speaking.extend(inventory::iter::<EndpointInfo>.into_iter().map(|it| it.module));
    for named in inventory::iter::<LinkedCrate> {
        if !speaking.iter().any(|module| crate_of(module) == named.name) {
            faults.push(WiringFault::SilentCrate { name: named.name, named_at: named.named_at });
        }
    }
}

/// Listeners of one event that wait for each other, each group once.
pub(super) fn cycles(
    plans: &TypeMap<Box<dyn AnyPlan>>,
    fixed: &ListenersByType,
    faults: &mut Vec<WiringFault>,
) {
    let mut reported: Vec<Vec<(&str, u32)>> = Vec::new();
    let mut check = |profiles: Vec<Arc<Profile>>| {
        let Err(cycle) = arrange(&profiles) else { return };
        let mut members: Vec<&Arc<Profile>> =
            cycle.members.iter().filter_map(|&i| profiles.get(i)).collect();
        members.sort_by_key(|it| (it.label(), it.declared_at.line()));
        let key: Vec<_> = members.iter().map(|it| (it.label(), it.declared_at.line())).collect();
        if !reported.contains(&key) {
            reported.push(key);
            let listeners = members.iter().map(|it| (it.label(), it.declared_at)).collect();
            faults.push(WiringFault::OrderCycle { listeners });
        }
    };
    for plan in plans.values() {
        check(plan.profiles());
    }
    // Trait objects whose events nobody has named yet.
    for listeners in fixed.groups() {
        check(listeners.iter().map(|it| Arc::clone(&it.profile)).collect());
    }
}

/// Listeners of trait objects that no known event has.
fn supertypes(nodes: &[ListenerNode], events: &[EventKey]) -> Vec<WiringFault> {
    let known: Vec<TypeId> = events.iter().flat_map(EventKey::supertypes).collect();
    nodes
        .iter()
        .map(|it| &it.profile)
        .filter(|it| it.event.description().is_none() && !known.contains(&it.event.id()))
        .map(|it| WiringFault::UnknownSupertype {
            listener: it.label(),
            supertype: it.event.label(),
            declared_at: it.declared_at,
        })
        .collect()
}

/// Endpoints that take a component which the context does not have.
fn endpoints(components: &Components, which: impl Fn(&EndpointInfo) -> bool) -> Vec<WiringFault> {
    let mut faults = Vec::new();
    for endpoint in inventory::iter::<EndpointInfo>.into_iter().filter(|it| which(it)) {
        let mut needs = EndpointNeeds::default();
        (endpoint.needs)(&mut needs);
        for component in needs.0.iter().filter(|it| !components.contains(it.key())) {
            let taken_by = endpoint.path.unwrap_or(endpoint.function);
            let place = endpoint.declared_at;
            faults.push(WiringFault::missing(component, components, taken_by, place));
        }
    }
    faults
}

impl ApplicationContext {
    /// Checks what `build()` cannot know to be a mistake, for one test of the program: that every
    /// annotated endpoint finds its components, and that each trait that a listener hears is
    /// declared by some event.
    ///
    /// A plain axum handler says nowhere what it takes before it is called, so its components are not checked: where one
    /// is missing, its first request is answered 500, and the log says which, as [`ContextRejection`](crate::ContextRejection)
    /// in the response's extensions does. A test that asks each plain route once finds the same; `#[sse_endpoint]` on
    /// the handler makes it known here.
    ///
    /// # Panics
    /// With the whole list, each with file and line, if something is wrong.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, WiringError};
    /// # fn context() -> Result<ApplicationContext, WiringError> { ApplicationContext::builder().build() }
    /// # /*
    /// #[test]
    /// fn everything_finds_what_it_takes() {
    /// # */
    ///     context().unwrap().assert_wired();
    /// # /*
    /// }
    /// # */
    /// ```
    #[track_caller]
    pub fn assert_wired(&self) {
        let mut faults = supertypes(self.bus().nodes(), self.bus().events());
        if self.bus().is_linked() {
            faults.extend(endpoints(self.bus().components(), |_| true));
        }
        let checked = WiringError::check(faults, Location::caller());
        assert!(checked.is_ok(), "{}", checked.err().map(|it| it.to_string()).unwrap_or_default());
    }

    /// For `sse-tower`: what the endpoints that it is about to route lack.
    #[doc(hidden)]
    #[must_use]
    pub fn faults_of_collected_endpoints(&self) -> Vec<WiringFault> {
        endpoints(self.bus().components(), |it| it.path.is_some())
    }
}
