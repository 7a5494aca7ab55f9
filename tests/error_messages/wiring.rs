//! A context that cannot be built: everything that is wrong, at once.

use std::sync::Arc;
use std::time::Duration;

use sse_tower::{
    ApplicationContext, ApplicationEvent, Component, ContextBuilder, Emitters, Listener, component,
    event_listener,
};

use crate::heard::{panic_of, says};

#[derive(ApplicationEvent)]
struct Paid;

struct Till;

#[component]
impl Till {
    #[event_listener]
    fn count(&self, _paid: &Paid, _pages: &Component<Emitters<u64>>) {}
}

#[track_caller]
fn not_built(builder: ContextBuilder, expected: &str) {
    says(&builder.build().unwrap_err(), expected);
}

#[test]
fn a_component_that_nobody_gave() {
    not_built(
        ApplicationContext::bare().component(Till),
        "context is not wired, 1 fault found at wiring.rs:…:\n  \
         - wiring.rs:…: `error_messages::wiring::Till::count` takes `Component<Emitters<u64>>`, \
         which is missing; add `.component(..)` to the context",
    );
}

#[test]
fn a_component_that_was_given_with_other_parameters() {
    not_built(
        ApplicationContext::bare()
            .component(Till)
            .component(Emitters::<u32>::new())
            .component(Some(1_u64)),
        "context is not wired, 1 fault found at wiring.rs:…:\n  \
         - wiring.rs:…: `error_messages::wiring::Till::count` takes `Component<Emitters<u64>>`, \
         but the context has `Emitters<u32>`; take that one, or add the other by `.component(..)`",
    );
}

#[test]
fn a_component_that_was_given_in_an_arc() {
    not_built(
        ApplicationContext::bare()
            .component(Arc::new(Till))
            .listener(Listener::on_component(|_: &Till, _: &Paid| ()).id("till")),
        "context is not wired, 1 fault found at wiring.rs:…:\n  \
         - wiring.rs:…: `till` takes `Component<error_messages::wiring::Till>`, \
         but the context has an `Arc<error_messages::wiring::Till>`; add it by `.shared_component(..)`",
    );
}

#[test]
fn two_of_what_there_is_one_of() {
    #[derive(ApplicationEvent)]
    #[event(name = "mail.sent", version = 1)]
    struct Sent;
    #[derive(ApplicationEvent)]
    #[event(name = "mail.sent", version = 1)]
    struct Posted;

    not_built(
        ApplicationContext::bare()
            .component(1_u8)
            .component(2_u8)
            .listener(Listener::on(|_: &Sent| ()).id("mail"))
            .listener(Listener::on(|_: &Posted| ()).id("mail")),
        "context is not wired, 3 faults found at wiring.rs:…:\n  \
         - wiring.rs:…: component `u8` was given before, at wiring.rs:…; \
         give each a name by `.component_named(..)`, or wrap one of the two in a type of its own\n  \
         - wiring.rs:…: listener id `mail` is taken by the listener at wiring.rs:…; \
         give one of the two another id\n  \
         - event name `mail.sent` is used twice: \
         error_messages::wiring::two_of_what_there_is_one_of::Posted at wiring.rs:…, and \
         error_messages::wiring::two_of_what_there_is_one_of::Sent at wiring.rs:…; give one of them another name or version",
    );
}

#[test]
fn an_order_that_cannot_be() {
    not_built(
        ApplicationContext::bare()
            .listener(Listener::on(|_: &Paid| ()).id("mail").after(&["bill"]))
            .listener(Listener::on(|_: &Paid| ()).id("bill").after(&["mail"]))
            .listener(Listener::on(|_: &Paid| ()).id("audit").after(&["male"])),
        "context is not wired, 2 faults found at wiring.rs:…:\n  \
         - wiring.rs:…: `audit` is to run before or after `male`, and there is no such listener; \
         use its id, or the end of its path\n  \
         - listeners wait for each other: `bill` at wiring.rs:…, `mail` at wiring.rs:…; \
         take a `before` or `after` out of one",
    );
}

#[test]
fn an_option_for_asynchronous_listeners() {
    let slow = Listener::on(|_: &Paid| ()).id("slow").timeout(Duration::from_secs(5));
    not_built(
        ApplicationContext::bare().listener(slow),
        "context is not wired, 1 fault found at wiring.rs:…:\n  \
         - wiring.rs:…: `slow` is synchronous and cannot have `timeout`; \
         make it asynchronous, or leave the option out",
    );
}

#[test]
fn a_listener_that_comes_too_late_for_its_component() {
    let context = ApplicationContext::bare().build().unwrap();
    let late = Listener::on_component(|_: &Till, _: &Paid| ()).id("late");
    says(
        &context.subscribe(late).unwrap_err(),
        "context is not wired, 1 fault found at wiring.rs:…:\n  \
         - wiring.rs:…: `late` takes `Component<error_messages::wiring::Till>`, which is missing; \
         add `.component(..)` to the context",
    );
}

#[test]
fn a_trait_that_no_event_has() {
    trait Auditable {}
    let audit = Listener::on_trait::<dyn Auditable, _, _>(|_| ()).id("audit");
    let context = ApplicationContext::bare().listener(audit).build().unwrap();
    assert_eq!(
        panic_of(|| context.assert_wired()),
        "context is not wired, 1 fault found at wiring.rs:…:\n  \
         - wiring.rs:…: `audit` hears `dyn Auditable`, which no event has; \
         add `#[event(as = \"dyn Auditable\")]` to an event"
    );
}
