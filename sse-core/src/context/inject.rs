//! A listener may take the context that it runs in.

use super::application_context::ApplicationContext;
use crate::{
    bus::{
        declare::{Binder, Inject},
        listener::Call,
    },
    drain::OpenStreams,
};

/// What of a context is not its bus, as a component of its own type: so the bus need not know what a
/// context is, and a listener that takes one keeps none alive.
pub(super) struct ContextStreams(pub(super) OpenStreams);

impl Inject<'_> for ApplicationContext {
    type Bound = OpenStreams;
    fn bind(binder: &mut Binder<'_>) -> Option<OpenStreams> {
        binder.component::<ContextStreams>().map(|streams| streams.0.clone())
    }
    fn give(streams: &OpenStreams, call: &Call<'_>) -> Self {
        Self::new(call.bus.clone(), streams.clone())
    }
}
