//! A listener may take the context that it runs in.

use super::application_context::ApplicationContext;
use crate::{
    backplane::Node,
    bus::{
        declare::{Binder, Inject},
        listener::Call,
    },
    drain::OpenStreams,
};

/// What of a context is not its bus, as a component of its own type: so the bus need not know what a
/// context is, and a listener that takes one keeps none alive.
#[derive(Clone, Debug)]
pub struct NotTheBus {
    pub(super) streams: OpenStreams,
    pub(super) backplane: Option<Node>,
}

impl Inject<'_> for ApplicationContext {
    type Bound = NotTheBus;
    fn bind(binder: &mut Binder<'_>) -> Option<NotTheBus> {
        binder.component::<NotTheBus>().map(|rest| NotTheBus::clone(&rest))
    }
    fn give(rest: &NotTheBus, call: &Call<'_>) -> Self {
        Self::new(call.bus.clone(), rest.clone())
    }
}
