//! What `build()` finds wrong, and what the graph shows.

#![allow(missing_docs, clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use sse_tower_core::{
    __private as p, ApplicationContext, ApplicationEvent, ContextBuilder, EventType, Listener,
    WiringFault,
};

struct Paid;
impl ApplicationEvent for Paid {
    fn event_type() -> EventType<Self> {
        EventType::new().name("pay.completed").version(1)
    }
}
struct OldPaid;
impl ApplicationEvent for OldPaid {
    fn event_type() -> EventType<Self> {
        EventType::new().name("pay.completed").version(1)
    }
}
struct Shipped;
impl ApplicationEvent for Shipped {}

fn faults(builder: ContextBuilder) -> Vec<WiringFault> {
    match builder.build() {
        Ok(_) => Vec::new(),
        Err(error) => error.faults().to_vec(),
    }
}

#[test]
fn everything_that_is_wrong_is_listed_at_once() {
    let line = line!() + 3;
    let error = ApplicationContext::bare()
        .component(1_u8)
        .component(2_u8)
        .listener(Listener::on_component(|_: &String, _: &Paid| ()).id("a"))
        .listener(Listener::on(|_: &OldPaid| ()).id("a"))
        .listener(Listener::on(|_: &Shipped| ()).before(&["nobody"]).timeout(Duration::ZERO))
        .build()
        .unwrap_err();
    let [two, missing, option, id, target, name] = error.faults() else { panic!("{error}") };
    assert!(matches!(two, WiringFault::DuplicateComponent { first, second, .. }
        if first.line() == line - 1 && second.line() == line));
    assert!(
        matches!(missing, WiringFault::MissingComponent { component, taken_by, declared_at, .. }
        if component.contains("String") && taken_by == "a" && declared_at.line() == line + 1)
    );
    assert!(matches!(option, WiringFault::SynchronousListener { option: "timeout", .. }));
    assert!(matches!(id, WiringFault::DuplicateListenerId { id: "a", .. }));
    assert!(matches!(target, WiringFault::UnknownListener { target: "nobody", .. }));
    assert!(matches!(name, WiringFault::DuplicateEventName { name: "pay.completed", .. }));
    let text = format!("{error:?}");
    assert_eq!(text, error.to_string(), "`main` prints `Debug`");
    assert_eq!(text.lines().count(), 7, "{text}");
    assert!(text.contains(&format!("wiring.rs:{}", line + 1)), "{text}");
    assert!(text.contains("add `.component(..)`"), "{text}");
}

#[test]
fn listeners_that_wait_for_each_other_are_named() {
    let faults = faults(
        ApplicationContext::bare()
            .listener(Listener::on(|_: &Paid| ()).id("a").before(&["b"]))
            .listener(Listener::on(|_: &Paid| ()).id("b").before(&["c"]))
            .listener(Listener::on(|_: &Paid| ()).id("c").before(&["a"]))
            .listener(Listener::on(|_: &Paid| ()).id("d")),
    );
    let [WiringFault::OrderCycle { listeners }] = &faults[..] else { panic!("{faults:?}") };
    let names: Vec<_> = listeners.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn a_good_context_is_wired() {
    let context = ApplicationContext::bare()
        .listener(Listener::on(|_: &Paid| ()).id("a"))
        .listener(Listener::on(|_: &Paid| ()).after(&["a"]))
        .build()
        .unwrap();
    context.assert_wired();
}

#[test]
#[should_panic(expected = "hears `dyn Forgotten`, which no event has")]
fn a_listener_of_a_trait_that_no_event_has_is_not_wired() {
    trait Forgotten {}
    let listener = Listener::on_trait::<dyn Forgotten, _, _>(|_| ());
    ApplicationContext::bare().listener(listener).build().unwrap().assert_wired();
}

// What an endpoint's attribute leaves behind.
const _: () = {
    p::submit! {
        p::EndpointInfo::new("GET", Some("/push"), "push", module_path!(), p::here())
            .needs(|needs| needs.component::<Desk>())
    }
    p::submit! {
        p::EndpointInfo::new("POST", None, "kiosk", module_path!(), p::here())
            .needs(|needs| needs.component::<Kiosk>())
    }
};

struct Desk;
struct Kiosk;

const _: () = {
    fn bind(binder: &mut p::Binder<'_>) -> Option<p::ErasedHandler> {
        let this = binder.inject::<&p::Component<Desk>>();
        binder.returns::<Option<Shipped>>();
        let this = this?;
        Some(
            p::Handler::<Paid>::by_ref(move |_: &Paid, call: &p::Call<'_>| {
                let _: &Desk = this.component();
                call.answer(Some(Shipped))
            })
            .erase(),
        )
    }
    const DECLARATION: p::Declaration = p::Declaration::new(
        concat!(module_path!(), "::Desk::on_paid"),
        module_path!(),
        p::here(),
        p::EventRef::of::<Paid>(),
        bind,
    )
    .owner(p::ComponentRef::of::<Desk>());
    p::submit! { p::LinkedListener::new(&DECLARATION) }
};

#[test]
fn a_linked_listener_whose_component_is_missing_stops_the_build() {
    let faults = faults(ApplicationContext::builder());
    let [WiringFault::MissingComponent { taken_by, .. }] = &faults[..] else {
        panic!("{faults:?}")
    };
    assert_eq!(taken_by, "wiring::Desk::on_paid");
}

#[test]
fn contexts_of_one_process_do_not_see_each_other() {
    let other = ApplicationContext::builder().component(Desk).build().unwrap();
    let bare = ApplicationContext::bare().build().unwrap();
    bare.publish_event(Paid).detach();
    assert_eq!((bare.unheard(), other.unheard()), (1, 0));
    assert!(bare.component::<Desk>().is_none());
}

#[test]
#[should_panic(expected = "`kiosk` takes `Component<wiring::Kiosk>`, which is missing")]
fn a_component_of_an_endpoint_that_is_missing_is_found_by_assert_wired() {
    ApplicationContext::builder().component(Desk).build().unwrap().assert_wired();
}

#[test]
fn a_context_with_all_that_its_endpoints_take_is_wired() {
    let context = ApplicationContext::builder().component(Desk).component(Kiosk).build().unwrap();
    context.assert_wired();
}

#[test]
fn the_graph_shows_events_listeners_and_endpoints() {
    let context = ApplicationContext::builder().component(Desk).build().unwrap();
    assert_eq!(
        context.graph(),
        r#"flowchart LR
  e0(["pay.completed v1"])
  e1(["Shipped"])
  l0["wiring::Desk::on_paid"]
  e0 --> l0
  l0 --> e1
  p0[/"POST kiosk"/]
  p1[/"GET /push"/]
  l0 -.-> p1
"#
    );
}

#[test]
fn the_graph_shows_supertypes_and_escapes_labels() {
    trait Auditable: Send + Sync {}
    struct Wrapped<T>(T);
    impl<T> Auditable for Wrapped<T> where T: Send + Sync {}
    impl<T: Send + Sync + 'static> ApplicationEvent for Wrapped<T> {
        fn event_type() -> EventType<Self> {
            EventType::new().supertype::<dyn Auditable>(|it| it, |it| it)
        }
    }
    let context = ApplicationContext::bare()
        .listener(Listener::on_trait::<dyn Auditable, _, _>(|_| ()).id("audit \"all\""))
        .listener(Listener::on_async(async |_: Arc<Wrapped<u8>>| ()).id("wrapped"))
        .build()
        .unwrap();
    assert_eq!(
        context.graph(),
        r#"flowchart LR
  e0{{"dyn Auditable"}}
  e1(["Wrapped#lt;u8#gt;"])
  e1 -.-> e0
  l0["audit #quot;all#quot;"]
  e0 --> l0
  l1["wrapped"]
  e1 --> l1
"#
    );
}
