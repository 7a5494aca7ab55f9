//! Components: as trait objects, by name, made by functions, started and stopped.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use sse_tower_core::{
    __private as p, ApplicationContext, ApplicationEvent, Building, Component, ComponentName,
    ContextBuilder, ContextClosed, ContextStarted, Drain, Listener, Schedule, WiringError,
    WiringFault,
};
use tokio::time::{Instant, sleep};

struct Paid;
impl ApplicationEvent for Paid {}

trait Mailer: Send + Sync {
    fn send(&self, to: &str);
}

/// What happened, in order.
#[derive(Clone, Default)]
struct Noted(Arc<Mutex<Vec<String>>>);

impl Noted {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Mailer for Noted {
    fn send(&self, to: &str) {
        self.note(to);
    }
}

/// What `#[component(as = "dyn Mailer")]` leaves behind.
struct Smtp(Noted);

impl Mailer for Smtp {
    fn send(&self, to: &str) {
        self.0.note(format!("smtp: {to}"));
    }
}

const _: () = {
    fn offer(component: &p::ErasedComponent) -> Option<p::ErasedComponent> {
        component.offer::<Smtp, dyn Mailer>(|it| -> Arc<dyn Mailer> { it })
    }
    p::submit! {
        p::LinkedOffer::new(
            p::ComponentRef::of::<Smtp>(), p::ComponentRef::of::<dyn Mailer>(), offer, p::here(),
        )
    }
};

#[derive(Debug)]
struct Pool(&'static str);

struct Eu;
impl ComponentName for Eu {
    const NAME: &'static str = "eu";
}

fn welcome() -> Listener {
    Listener::on_component_async(|mailer: Component<dyn Mailer>, _: Arc<Paid>| async move {
        mailer.send("ada");
    })
    .id("welcome")
    .into()
}

fn faults(error: &WiringError) -> Vec<String> {
    error.faults().iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_test_puts_a_fake_in_the_place_of_a_trait() {
    let fake = Noted::default();
    let context = ApplicationContext::bare()
        .component_as::<dyn Mailer>(Arc::new(fake.clone()))
        .listener(welcome())
        .build()
        .unwrap();
    context.publish_event(Paid).await.unwrap();
    assert_eq!(fake.all(), ["ada"]);
}

#[tokio::test]
async fn what_is_given_comes_before_what_an_attribute_offers() {
    let (real, fake) = (Noted::default(), Noted::default());
    let program = || ApplicationContext::bare().component(Smtp(real.clone())).listener(welcome());
    program().build().unwrap().publish_event(Paid).await.unwrap();
    assert_eq!(real.all(), ["smtp: ada"]);
    let context = program().component_as::<dyn Mailer>(Arc::new(fake.clone())).build().unwrap();
    context.publish_event(Paid).await.unwrap();
    assert_eq!((real.all().len(), fake.all().len()), (1, 1));
}

#[test]
fn two_of_one_type_have_names() {
    let context = ApplicationContext::bare()
        .component_named("eu", Pool("db.eu"))
        .component_named("us", Pool("db.us"))
        .component(Pool("db"))
        .build()
        .unwrap();
    let server = |pool: Option<Component<Pool>>| pool.map(|pool| pool.0);
    assert_eq!(server(context.component_named("eu")), Some("db.eu"));
    assert_eq!(server(context.component_named("us")), Some("db.us"));
    assert_eq!(server(context.component()), Some("db"));
    assert_eq!(server(context.component_named("asia")), None);
}

#[tokio::test]
async fn a_listener_takes_the_one_that_it_names() {
    let (told, noted) = (Noted::default(), Noted::default());
    let tell = Listener::on_component_async(move |pool: Component<Pool, Eu>, _: Arc<Paid>| {
        let told = told.clone();
        async move { told.note(pool.0) }
    });
    let told = noted.clone();
    let context = ApplicationContext::bare()
        .component_named("us", Pool("db.us"))
        .component_named("eu", Pool("db.eu"))
        .listener(tell)
        .schedule(Schedule::every(Duration::from_secs(60)).run_on(
            move |pool: Component<Pool, Eu>| {
                let told = told.clone();
                async move { told.note(pool.0) }
            },
        ))
        .build()
        .unwrap();
    assert_eq!(context.publish_event(Paid).await.unwrap().ran(), 1);
    while noted.all().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(noted.all(), ["db.eu"]);
}

#[test]
fn what_is_missing_is_told_with_the_names_that_there_are() {
    let takes_eu = || Listener::on_component_async(|_: Component<Pool, Eu>, _: Arc<Paid>| async {});
    let takes = Listener::on_component(|_: &Pool, _: &Paid| ());
    let error = ApplicationContext::bare()
        .component_named("us", Pool("db.us"))
        .listener(takes_eu().id("eu"))
        .listener(takes.id("any"))
        .listener(welcome())
        .build()
        .unwrap_err();
    let said = faults(&error);
    assert!(said[0].contains("`eu` takes the `components::Pool` named `eu`"), "{}", said[0]);
    assert!(
        said[0].contains("there is `us`; add it by `.component_named(\"eu\", ..)`"),
        "{said:?}"
    );
    assert!(
        said[1].contains("`any` takes `Component<components::Pool>` without a name"),
        "{said:?}"
    );
    assert!(said[2].contains("add `.component_as::<dyn components::Mailer>(..)`"), "{said:?}");
    let error = ApplicationContext::bare().listener(takes_eu()).build().unwrap_err();
    assert!(faults(&error)[0].contains("none of that type has a name"), "{error}");
}

#[test]
fn two_of_one_name_and_two_offers_are_faults() {
    let error = ApplicationContext::bare()
        .component_named("eu", Pool("a"))
        .component_named("eu", Pool("b"))
        .component_named("us", Pool("c"))
        .build()
        .unwrap_err();
    assert!(matches!(error.faults(), [WiringFault::DuplicateComponent { .. }]), "{error}");
    // Also where they are given by one line.
    let twice = (0..2).fold(ApplicationContext::bare(), |builder, _| builder.component(Pool("d")));
    assert_eq!(twice.build().unwrap_err().faults().len(), 1);
}

/// Given in the wrong order on purpose.
fn made(noted: &Noted) -> ContextBuilder {
    struct Url(&'static str);
    let note = |noted: &Noted, what: &'static str| {
        let noted = noted.clone();
        move || noted.note(what)
    };
    let (orders, pool) = (note(noted, "orders"), note(noted, "pool"));
    ApplicationContext::bare()
        .component_from(async move |context| {
            let pool = context.component::<Pool>().await?;
            orders();
            Ok(Orders(pool))
        })
        .component_from(async move |context: Building| {
            let url = context.component::<Url>().await?;
            sleep(Duration::from_secs(1)).await;
            pool();
            Ok(Pool(url.0))
        })
        .component(Url("db"))
}

struct Orders(Component<Pool>);

#[tokio::test(start_paused = true)]
async fn components_are_made_after_what_they_take() {
    let noted = Noted::default();
    let context = made(&noted).build_async().await.unwrap();
    assert_eq!(noted.all(), ["pool", "orders"]);
    assert_eq!(context.component::<Orders>().unwrap().0.0, "db");
}

#[tokio::test]
async fn build_says_that_something_has_to_be_awaited() {
    let takes = Listener::on_component(|_: &Orders, _: &Paid| ());
    let error = made(&Noted::default())
        .on_start(async |_: Component<Pool>| ())
        .listener(takes)
        .build()
        .unwrap_err();
    let [
        WiringFault::NeedsAsync { what: "component_from", component, given_at },
        WiringFault::NeedsAsync { what: "component_from", .. },
        WiringFault::NeedsAsync { what: "on_start", .. },
    ] = error.faults()
    else {
        panic!("{error}")
    };
    assert!(component.ends_with("Orders") && given_at.file().ends_with("components.rs"));
    assert!(faults(&error)[0].contains("build the context by `.build_async().await`"), "{error}");
}

#[tokio::test]
async fn all_that_cannot_be_made_is_told_at_once_and_each_thing_once() {
    struct A;
    struct B;
    struct C;
    let error = ApplicationContext::bare()
        .component_from(async |context| {
            context.component::<Pool>().await.map(|_| A).map_err(Into::into)
        })
        .component_from(async |_| Err::<Pool, _>("the database is down".into()))
        .component_from(async |_| -> Result<B, _> { panic!("no number") })
        .component_from(async |context| {
            context.component::<Noted>().await?;
            Ok(C)
        })
        .listener(Listener::on_component(|_: &A, _: &Paid| ()))
        .listener(Listener::on_component(|_: &Smtp, _: &Paid| ()).id("mail"))
        .build_async()
        .await
        .unwrap_err();
    let mut said = faults(&error);
    said.sort();
    assert_eq!(said.len(), 4, "{error}");
    assert!(said[0].starts_with("sse-core/tests/components.rs:"), "{error}");
    assert!(
        said[0].contains("`components::Pool` could not be made: the database is down"),
        "{error}"
    );
    assert!(said[1].contains("B` could not be made: panicked: no number"), "{error}");
    assert!(
        said[2].contains("C` takes `Component<components::Noted>`, which is missing"),
        "{error}"
    );
    assert!(said[3].contains("`mail` takes `Component<components::Smtp>`"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn components_that_wait_for_each_other_are_named_with_both_places() {
    struct A;
    struct B;
    let line = line!() + 2;
    let error = ApplicationContext::bare()
        .component_from(async |context| {
            context.component::<B>().await?;
            Ok(A)
        })
        .component_from(async |context| {
            sleep(Duration::from_secs(1)).await;
            context.component::<A>().await?;
            Ok(B)
        })
        .component_from(async |context| {
            context.component::<A>().await?;
            Ok(Pool("waits for the two"))
        })
        .build_async()
        .await
        .unwrap_err();
    let [WiringFault::ComponentCycle { components }] = error.faults() else { panic!("{error}") };
    let said: Vec<_> = components.iter().map(|(_, place)| place.line()).collect();
    assert_eq!(said, [line + 4, line], "{error}");
    assert!(error.to_string().contains("wait for each other: `components::"), "{error}");
}

#[tokio::test]
async fn a_component_that_waits_for_itself_is_a_circle_of_one() {
    let error = ApplicationContext::bare()
        .component_from(async |context| {
            context.component::<Pool>().await?;
            Ok(Pool("never"))
        })
        .build_async()
        .await
        .unwrap_err();
    let [WiringFault::ComponentCycle { components }] = error.faults() else { panic!("{error}") };
    assert_eq!(components.len(), 1);
}

#[tokio::test]
async fn what_is_made_may_be_offered_as_a_trait_too() {
    let real = Noted::default();
    let smtp = real.clone();
    let context = ApplicationContext::bare()
        .component_from(async |context| {
            context.component::<dyn Mailer>().await?.send("first");
            Ok(Pool("after the mailer"))
        })
        .component_from(async move |_| Ok(Smtp(smtp)))
        .listener(welcome())
        .build_async()
        .await
        .unwrap();
    context.publish_event(Paid).await.unwrap();
    assert_eq!(real.all(), ["smtp: first", "smtp: ada"]);
}

#[tokio::test(start_paused = true)]
async fn components_start_after_what_they_take_and_stop_before_it() {
    let noted = Noted::default();
    let hook = |what: &'static str| {
        let noted = noted.clone();
        async move || {
            sleep(Duration::from_millis(10)).await;
            noted.note(what);
        }
    };
    let note = |what: &'static str| {
        let noted = noted.clone();
        move || noted.note(what)
    };
    let (start_orders, stop_orders) = (hook("start orders"), hook("stop orders"));
    let (start_pool, stop_pool) = (hook("start pool"), hook("stop pool"));
    let (started, closed) = (note("started"), note("closed"));
    let context = made(&noted)
        .on_stop(async move |_: Component<Pool>| stop_pool().await)
        .on_start(async move |_: Component<Orders>| start_orders().await)
        .on_stop(async move |_: Component<Orders>| stop_orders().await)
        .on_start(async move |_: Component<Pool>| start_pool().await)
        .listener(Listener::on(move |_: &ContextStarted| started()))
        .listener(Listener::on(move |_: &ContextClosed| closed()))
        .build_async()
        .await
        .unwrap();
    assert_eq!(noted.all(), ["pool", "orders", "start pool", "start orders", "started"]);
    context.drain().await;
    assert_eq!(noted.all()[5..], ["closed", "stop orders", "stop pool"]);
    context.drain().await;
    assert_eq!(noted.all().len(), 8, "once");
}

#[tokio::test]
async fn a_start_that_fails_stops_what_was_started() {
    let noted = Noted::default();
    let (pool, orders) = (noted.clone(), noted.clone());
    let error = made(&noted)
        .on_start(async |_: Component<Orders>| Err("no stock"))
        .on_stop(async move |_: Component<Pool>| pool.note("stop pool"))
        .on_stop(async move |_: Component<Orders>| orders.note("stop orders"))
        .listener(Listener::on(|_: &ContextStarted| -> () { panic!("it has not") }))
        .build_async()
        .await
        .unwrap_err();
    let [WiringFault::NotStarted { error: why, .. }] = error.faults() else { panic!("{error}") };
    assert_eq!(why.to_string(), "no stock");
    assert_eq!(noted.all(), ["pool", "orders", "stop pool"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_fails_or_hangs_holds_up_no_other() {
    let stopped = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&stopped);
    let context = ApplicationContext::bare()
        .component(Pool("first"))
        .component(Noted::default())
        .component(Smtp(Noted::default()))
        .on_stop(async move |_: Component<Pool>| {
            counted.fetch_add(1, Ordering::Relaxed);
        })
        .on_stop(async |_: Component<Noted>| std::future::pending::<()>().await)
        .on_stop(async |_: Component<Smtp>| -> Result<(), String> { panic!("out of paper") })
        .build()
        .unwrap();
    let began = Instant::now();
    context.drain().with(Drain::new().deadline(Duration::from_secs(5))).await;
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(stopped.load(Ordering::Relaxed), 1);
}

#[test]
fn a_hook_of_a_component_that_nobody_gave_is_a_fault() {
    let error =
        ApplicationContext::bare().on_stop(async |_: Component<Pool>| ()).build().unwrap_err();
    let [WiringFault::MissingComponent { taken_by, .. }] = error.faults() else {
        panic!("{error}")
    };
    assert_eq!(taken_by, "on_stop");
}

#[tokio::test]
async fn a_building_that_is_kept_keeps_no_component_alive() {
    let (kept, keep) = (Arc::new(Mutex::new(None)), Arc::new(Pool("shared")));
    let keeps = Arc::clone(&kept);
    let context = ApplicationContext::bare()
        .shared_component(Arc::clone(&keep))
        .component_from(async move |context| {
            *keeps.lock().unwrap() = Some(context);
            Ok(Noted::default())
        })
        .build_async()
        .await
        .unwrap();
    let building = kept.lock().unwrap().take().unwrap();
    let late = building.component::<Pool>().await.unwrap_err();
    assert!(late.to_string().contains("is built already"), "{late}");
    drop(context);
    assert_eq!(Arc::strong_count(&keep), 1);
}
