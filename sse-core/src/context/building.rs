//! `Building`: components while they are made, and which of them wait for which.
//!
//! A function that takes what is not made yet waits, and its wait is noted: a function that would wait for itself in
//! the end is told so, and so is every function that waits there with it.

use std::{error::Error, fmt, panic::Location, sync::Arc};

use tokio::sync::watch;

use super::{linked::LinkedOffer, wiring::WiringFault};
use crate::{
    boxed::BoxError,
    bus::event::readable_name,
    component::{Component, ComponentKey, ComponentRef, Components, ErasedComponent},
    sync::plain::{Mutex, lock},
};

/// The components of a context that is being built: what a function of
/// [`component_from`](crate::ContextBuilder::component_from) gets what it needs from.
///
/// Cheap to clone. Once the context is built it has no component any more: keep what you took from it instead.
#[derive(Clone)]
pub struct Building {
    site: Arc<Site>,
    /// The place of the function that it was given to.
    me: usize,
}

/// A component is not to be had while the context is built: nobody gave it, it could not be made, or it is made of
/// what asks for it.
///
/// A function that returns it is not reported for itself, but for what it lacks.
#[derive(Clone, thiserror::Error)]
#[error("{text}")]
pub struct UnavailableComponent {
    text: String,
    /// The fault to report, unless it is reported already.
    fault: Option<WiringFault>,
}

crate::error_chain::debug_with_causes!(UnavailableComponent);

/// Where components are made.
pub(super) struct Site {
    state: Mutex<State>,
    /// Something was made, or cannot be.
    changed: watch::Sender<()>,
}

struct State {
    components: Components,
    makers: Vec<Progress>,
    offers: Vec<(usize, &'static LinkedOffer)>,
    faults: Vec<WiringFault>,
}

/// How far one function is.
struct Progress {
    of: ComponentRef,
    given_at: &'static Location<'static>,
    standing: Standing,
    /// The functions that it waits for at this moment.
    waits: Vec<usize>,
    /// The functions that have made something for it.
    after: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    UnderWay,
    Made,
    Failed,
}

/// What can be said of a component now.
enum Look {
    There(ErasedComponent),
    /// The function at this place is making it.
    Soon(usize),
    Never(UnavailableComponent),
}

/// The components that were made.
pub(super) struct Made {
    pub(super) components: Components,
    pub(super) faults: Vec<WiringFault>,
    /// Each component, and what is offered of it, after what it takes.
    pub(super) order: Vec<Vec<ComponentKey>>,
}

impl Site {
    pub(super) fn new(
        components: Components,
        makers: impl Iterator<Item = (ComponentRef, &'static Location<'static>)>,
        offers: Vec<(usize, &'static LinkedOffer)>,
    ) -> Arc<Self> {
        let progress = |(of, given_at)| Progress {
            of,
            given_at,
            standing: Standing::UnderWay,
            waits: Vec::new(),
            after: Vec::new(),
        };
        let makers = makers.map(progress).collect();
        let state = State { components, makers, offers, faults: Vec::new() };
        Arc::new(Self { state: Mutex::new(state), changed: watch::Sender::new(()) })
    }

    /// Notes that one function has returned.
    pub(super) fn settle(
        &self,
        maker: usize,
        (of, given_at): (ComponentRef, &'static Location<'static>),
        outcome: Result<ErasedComponent, BoxError>,
    ) {
        // Under no lock: an error and its causes are the program's.
        let outcome = outcome.map_err(|error| match unavailable(&*error) {
            Some(lacking) => lacking.fault.clone(),
            None => {
                let component = (of.type_name)();
                Some(WiringFault::NotMade { component, given_at, error: error.into() })
            }
        });
        lock(&self.state).settle(maker, outcome);
        self.changed.send_replace(());
    }

    /// Takes what was made: all functions have returned. A `Building` that somebody kept has nothing any more.
    pub(super) fn finish(&self) -> Made {
        let mut state = lock(&self.state);
        let order = state.order().into_iter().filter_map(|maker| state.keys(maker)).collect();
        state.makers.clear();
        let components = std::mem::take(&mut state.components);
        Made { components, faults: std::mem::take(&mut state.faults), order }
    }
}

impl Building {
    pub(super) fn new(site: &Arc<Site>, me: usize) -> Self {
        Self { site: Arc::clone(site), me }
    }

    /// The component of type `T`. Waits until it is made.
    ///
    /// # Errors
    /// [`UnavailableComponent`] if nobody gave it, if it could not be made, or if it waits for this one in turn. `?`
    /// is right: what is at fault is reported once, with its place.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn component<T: ?Sized + Send + Sync + 'static>(
        &self,
    ) -> Result<Component<T>, UnavailableComponent> {
        self.component_named("").await
    }

    /// The component of type `T` with this name. Waits until it is made.
    ///
    /// # Errors
    /// As [`component`](Self::component).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn component_named<T: ?Sized + Send + Sync + 'static>(
        &self,
        name: &'static str,
    ) -> Result<Component<T>, UnavailableComponent> {
        let wanted = ComponentRef::of::<T>().called(name);
        loop {
            // Before looking: what is made between the two would otherwise wake nobody.
            let mut changed = self.site.changed.subscribe();
            let on = match lock(&self.site.state).look(self.me, &wanted) {
                Look::There(component) => {
                    let component = component.get::<T>().map(Component::new);
                    return component.ok_or_else(|| UnavailableComponent::built(&wanted));
                }
                Look::Never(error) => return Err(error),
                Look::Soon(on) => on,
            };
            let waiting = Waiting { building: self, on };
            // Its sender is in `self`.
            let _ = changed.changed().await;
            drop(waiting);
        }
    }
}

impl fmt::Debug for Building {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Building").finish_non_exhaustive()
    }
}

/// A wait that is noted until it is dropped.
struct Waiting<'a> {
    building: &'a Building,
    on: usize,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.building.site.state);
        let Some(mine) = state.makers.get_mut(self.building.me) else { return };
        if let Some(at) = mine.waits.iter().position(|it| *it == self.on) {
            mine.waits.swap_remove(at);
        }
    }
}

impl State {
    fn look(&mut self, me: usize, wanted: &ComponentRef) -> Look {
        let maker = self.maker_of(wanted.key());
        let Some(on) = maker else {
            let found = self.components.erased((wanted.type_id)(), wanted.name);
            return match (found, self.makers.get(me)) {
                (Some(component), _) => Look::There(component.clone()),
                (None, Some(mine)) => {
                    Look::Never(UnavailableComponent::missing(WiringFault::missing(
                        wanted,
                        &self.components,
                        readable_name((mine.of.type_name)()),
                        mine.given_at,
                    )))
                }
                (None, None) => Look::Never(UnavailableComponent::built(wanted)),
            };
        };
        let Some(standing) = self.makers.get(on).map(|it| it.standing) else {
            return Look::Never(UnavailableComponent::built(wanted));
        };
        match standing {
            Standing::Failed => Look::Never(UnavailableComponent::not_made(wanted)),
            Standing::Made => {
                if let Some(mine) = self.makers.get_mut(me) {
                    mine.after.push(on);
                }
                let found = self.components.erased((wanted.type_id)(), wanted.name);
                match found {
                    Some(component) => Look::There(component.clone()),
                    None => Look::Never(UnavailableComponent::built(wanted)),
                }
            }
            Standing::UnderWay => match self.way(on, me) {
                Some(circle) => {
                    let place = |it: usize| {
                        let maker = self.makers.get(it)?;
                        Some(((maker.of.type_name)(), maker.given_at))
                    };
                    let components = circle.into_iter().filter_map(place).collect();
                    self.faults.push(WiringFault::ComponentCycle { components });
                    Look::Never(UnavailableComponent::not_made(wanted))
                }
                None => {
                    if let Some(mine) = self.makers.get_mut(me) {
                        mine.waits.push(on);
                    }
                    Look::Soon(on)
                }
            },
        }
    }

    /// The function that makes it, or makes what is offered as it.
    fn maker_of(&self, key: ComponentKey) -> Option<usize> {
        let own = self.makers.iter().position(|it| it.of.key() == key);
        own.or_else(|| {
            let offers = |(maker, offer): &&(usize, &LinkedOffer)| {
                let name = self.makers.get(*maker).map_or("", |it| it.of.name);
                offer.offered.called(name).key() == key
            };
            self.offers.iter().find(offers).map(|it| it.0)
        })
    }

    /// The functions that wait for each other from `from` on until `to`, which would wait for `from`; `to` comes
    /// first.
    fn way(&self, from: usize, to: usize) -> Option<Vec<usize>> {
        let mut came_from = vec![None; self.makers.len()];
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            if at == to {
                let mut way = vec![to];
                let mut step = (from != to).then(|| came_from.get(to).copied().flatten()).flatten();
                while let Some(at) = step {
                    way.push(at);
                    step = (at != from).then(|| came_from.get(at).copied().flatten()).flatten();
                }
                // In the order in which they wait: `to` for `from`, and so on.
                way[1..].reverse();
                return Some(way);
            }
            let waits = self.makers.get(at).map(|it| &*it.waits).unwrap_or_default();
            for next in waits {
                if let Some(place @ None) = came_from.get_mut(*next) {
                    *place = Some(at);
                    open.push(*next);
                }
            }
        }
        None
    }

    fn settle(&mut self, me: usize, outcome: Result<ErasedComponent, Option<WiringFault>>) {
        let Some(mine) = self.makers.get_mut(me) else { return };
        mine.waits.clear();
        let of = mine.of;
        match outcome {
            Ok(component) => {
                mine.standing = Standing::Made;
                for (_, offer) in self.offers.iter().filter(|it| it.0 == me) {
                    if let Some(offered) = (offer.cast)(&component) {
                        self.components.add(offer.offered.called(of.name), offered);
                    }
                }
                self.components.add(of, component);
            }
            Err(fault) => {
                mine.standing = Standing::Failed;
                self.faults.extend(fault);
                self.give_up(me);
            }
        }
    }

    /// Notes that nothing of this function will be there, so that listeners that take it need not say that it is
    /// missing.
    fn give_up(&mut self, maker: usize) {
        let Some(of) = self.makers.get(maker).map(|it| it.of) else { return };
        for (_, offer) in self.offers.iter().filter(|it| it.0 == maker) {
            self.components.promise(offer.offered.called(of.name));
        }
        self.components.promise(of);
    }

    /// What this function makes.
    fn keys(&self, maker: usize) -> Option<Vec<ComponentKey>> {
        let of = self.makers.get(maker)?.of;
        let offers = self.offers.iter().filter(|it| it.0 == maker);
        let offered = offers.map(|(_, offer)| offer.offered.called(of.name).key());
        Some(std::iter::once(of.key()).chain(offered).collect())
    }

    /// The places of all functions, each behind those that it waited for.
    fn order(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.makers.len());
        for maker in 0..self.makers.len() {
            self.visit(maker, &mut order);
        }
        order
    }

    /// No deeper than there are functions: there was no circle.
    fn visit(&self, maker: usize, order: &mut Vec<usize>) {
        let Some(it) = self.makers.get(maker).filter(|_| !order.contains(&maker)) else { return };
        for before in &it.after {
            self.visit(*before, order);
        }
        order.push(maker);
    }
}

impl UnavailableComponent {
    fn missing(fault: WiringFault) -> Self {
        Self { text: fault.to_string(), fault: Some(fault) }
    }

    fn not_made(wanted: &ComponentRef) -> Self {
        let text = format!("component {wanted} could not be made");
        Self { text, fault: None }
    }

    #[cold]
    fn built(wanted: &ComponentRef) -> Self {
        let text = format!(
            "component {wanted} is asked for when the context is built already; take it before"
        );
        Self { text, fault: None }
    }
}

/// The component that was lacking, if that is behind an error of the program.
fn unavailable<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a UnavailableComponent> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(lacking) = error.downcast_ref() {
            return Some(lacking);
        }
        cause = error.source();
    }
    None
}
