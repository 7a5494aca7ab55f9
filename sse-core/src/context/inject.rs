//! A listener may take the context that it runs in.

use super::application_context::{ApplicationContext, NotTheBus};
use crate::bus::{
    declare::{Binder, Inject},
    listener::Call,
};

impl Inject<'_> for ApplicationContext {
    type Bound = NotTheBus;
    fn bind(binder: &mut Binder<'_>) -> Option<NotTheBus> {
        binder.component::<NotTheBus, ()>().map(|rest| NotTheBus::clone(&rest))
    }
    fn give(rest: &NotTheBus, call: &Call<'_>) -> Self {
        Self::new(call.bus.clone(), rest.clone())
    }
}
