//! `Given` and `Maker`: the components that a context is given, and the functions that make others.

use std::collections::{HashMap, hash_map::Entry};

use super::{
    building::Building,
    linked::LinkedOffer,
    wiring::{Place, WiringFault},
};
use crate::{
    boxed::{BoxError, BoxFuture},
    component::{ComponentKey, ComponentRef, Components, ErasedComponent},
    sorted::sort_by_key,
};

/// A component.
pub(super) struct Given {
    pub(super) of: ComponentRef,
    pub(super) component: ErasedComponent,
    pub(super) given_at: Place,
}

/// A function that makes a component.
pub(super) struct Maker {
    pub(super) of: ComponentRef,
    pub(super) make: Make,
    pub(super) given_at: Place,
}

pub(super) type Make =
    Box<dyn FnOnce(Building) -> BoxFuture<Result<ErasedComponent, BoxError>> + Send>;

/// Everything that was given, and in which order it is started.
pub(super) struct Collected {
    pub(super) components: Components,
    pub(super) makers: Vec<Maker>,
    /// What attributes offer of what is made, by its maker's place among them.
    pub(super) offers: Vec<(usize, &'static LinkedOffer)>,
    /// Each component's place, those that were given first.
    pub(super) order: HashMap<ComponentKey, usize>,
}

impl Collected {
    /// Collects them. What is given twice is a fault; what was given comes before what attributes offer.
    pub(super) fn new(
        components: Vec<Given>,
        makers: Vec<Maker>,
        faults: &mut Vec<WiringFault>,
    ) -> Self {
        let mut taken = Taken::default();
        let mut collected = Self {
            components: Components::default(),
            makers: Vec::new(),
            offers: Vec::new(),
            order: HashMap::new(),
        };
        let mut owners = Vec::new();
        for it in components {
            if taken.take(&it.of, it.given_at, faults) {
                collected.order.insert(it.of.key(), owners.len());
                collected.components.add(it.of, it.component.clone());
                owners.push(Owner::Given(it.of, it.component));
            }
        }
        for it in makers {
            if taken.take(&it.of, it.given_at, faults) {
                owners.push(Owner::Made(it.of, collected.makers.len()));
                collected.makers.push(it);
            }
        }
        collected.offer(&owners, &taken, faults);
        collected
    }

    /// Adds what attributes say that components are, unless something was given for that.
    fn offer(&mut self, owners: &[Owner], taken: &Taken, faults: &mut Vec<WiringFault>) {
        let mut offered: HashMap<ComponentKey, Place> = HashMap::new();
        for (place, owner) in owners.iter().enumerate() {
            let (Owner::Given(own, _) | Owner::Made(own, _)) = owner;
            for offer in linked(own) {
                let of = offer.offered.called(own.name);
                if taken.0.contains_key(&of.key()) {
                    continue;
                }
                let second = offer.declared_at;
                if let Some(first) = offered.insert(of.key(), second) {
                    let component = (of.type_name)();
                    faults.push(WiringFault::OfferedTwice { component, first, second });
                    continue;
                }
                match owner {
                    Owner::Given(_, component) => {
                        self.order.insert(of.key(), place);
                        let cast = (offer.cast)(component);
                        cast.map(|component| self.components.add(of, component));
                    }
                    Owner::Made(_, maker) => self.offers.push((*maker, offer)),
                }
            }
        }
    }
}

/// A component whose attributes may offer something.
enum Owner {
    Given(ComponentRef, ErasedComponent),
    /// It is made by the function at this place.
    Made(ComponentRef, usize),
}

/// Where each component was given first.
#[derive(Default)]
struct Taken(HashMap<ComponentKey, Place>);

impl Taken {
    /// Notes one more. Whether it is the first.
    fn take(&mut self, of: &ComponentRef, second: Place, faults: &mut Vec<WiringFault>) -> bool {
        match self.0.entry(of.key()) {
            Entry::Vacant(place) => {
                place.insert(second);
                true
            }
            Entry::Occupied(first) => {
                let (component, first) = ((of.type_name)(), *first.get());
                faults.push(WiringFault::DuplicateComponent { component, first, second });
                false
            }
        }
    }
}

/// What attributes offer of this component, in the same order on every run.
fn linked(owner: &ComponentRef) -> Vec<&'static LinkedOffer> {
    let offers = inventory::iter::<LinkedOffer>.into_iter();
    let mut offers: Vec<_> =
        offers.filter(|it| (it.owner.type_id)() == (owner.type_id)()).collect();
    sort_by_key(&mut offers, |it| {
        (it.declared_at.file(), it.declared_at.line(), it.declared_at.column())
    });
    offers
}
