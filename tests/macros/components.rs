//! Components as traits and by name, in everything that takes them.

use std::sync::{Arc, Mutex};

use axum::Router;
use sse_tower::test::TestClient;
use sse_tower::{
    ApplicationContext, ApplicationEvent, Component, ComponentName, ContextBuilder, Emitters,
    SseEmitter, SseLayer, component, endpoints, event_listener, scheduled, sse_endpoint,
};

#[derive(ApplicationEvent)]
struct SignedUp {
    name: &'static str,
}

pub(crate) trait Mailer: Send + Sync {
    fn send(&self, to: &str);
}

trait Named: Send + Sync {
    fn name(&self) -> &str;
}

#[derive(Default)]
struct Smtp(Mutex<Vec<String>>);

impl Mailer for Smtp {
    fn send(&self, to: &str) {
        self.0.lock().unwrap().push(format!("smtp: {to}"));
    }
}

impl Named for Smtp {
    fn name(&self) -> &str {
        "smtp"
    }
}

#[component(as = ["dyn Mailer", "dyn Named"])]
impl Smtp {
    #[event_listener]
    fn note(&self, event: &SignedUp) {
        self.0.lock().unwrap().push(format!("noted: {}", event.name));
    }
}

#[derive(Default)]
pub(crate) struct Fake(Mutex<Vec<String>>);

impl Mailer for Fake {
    fn send(&self, to: &str) {
        self.0.lock().unwrap().push(to.to_owned());
    }
}

pub(crate) struct Region(pub(crate) &'static str);

struct Eu;

impl ComponentName for Eu {
    const NAME: &'static str = "eu";
}

#[event_listener]
fn welcome(event: &SignedUp, mailer: Component<dyn Mailer>, region: &Component<Region, Eu>) {
    mailer.send(&format!("{} in {}", event.name, region.0));
}

#[event_listener]
async fn later(event: &SignedUp, mailer: &Component<dyn Mailer>) {
    tokio::task::yield_now().await;
    mailer.send(&format!("{}, later", event.name));
}

#[scheduled(every = "1h")]
fn hourly(mailer: &Component<dyn Mailer>, region: Component<Region, Eu>) {
    mailer.send(&format!("hourly in {}", region.0));
}

#[sse_endpoint(path = "/where/as-trait")]
async fn tells(mailer: Component<dyn Mailer>, region: Component<Region, Eu>) -> SseEmitter {
    mailer.send("asked");
    let emitter = SseEmitter::new();
    drop(emitter.try_send(region.0));
    emitter.complete();
    emitter
}

fn with_regions() -> ContextBuilder {
    ApplicationContext::bare()
        .component_named("us", Region("Ohio"))
        .component_named("eu", Region("Frankfurt"))
        .listener(welcome::LISTENER)
        .listener(later::LISTENER)
}

#[tokio::test]
async fn a_component_is_the_traits_that_its_attribute_names() {
    let context = with_regions().component(Smtp::default()).build().unwrap();
    assert_eq!(context.component::<dyn Named>().unwrap().name(), "smtp");
    context.publish_event(SignedUp { name: "Ada" }).await.unwrap();
    let mut said = context.component::<Smtp>().unwrap().0.lock().unwrap().clone();
    said.sort();
    assert_eq!(said, ["noted: Ada", "smtp: Ada in Frankfurt", "smtp: Ada, later"]);
}

#[tokio::test(start_paused = true)]
async fn a_fake_takes_its_place_in_listeners_schedules_and_handlers() {
    let fake = Arc::new(Fake::default());
    let context = with_regions()
        .component(Smtp::default())
        .component_as::<dyn Mailer>(fake.clone())
        .listener(hourly::LISTENER)
        .build()
        .unwrap();
    context.publish_event(SignedUp { name: "Ada" }).await.unwrap();
    let app = Router::new()
        .route("/tells", axum::routing::get(tells))
        .layer(SseLayer::new(context.clone()));
    let mut page = TestClient::new(app).open("/tells").await;
    assert_eq!(page.next_event().await.data, "Frankfurt");
    context.settled().await;
    let mut said = fake.0.lock().unwrap().clone();
    said.sort();
    assert_eq!(said, ["Ada in Frankfurt", "Ada, later", "asked", "hourly in Frankfurt"]);
    assert_eq!(context.component::<Smtp>().unwrap().0.lock().unwrap().len(), 1, "its own listener");
}

#[tokio::test]
async fn an_endpoint_that_is_collected_says_what_it_lacks_by_trait_and_by_name() {
    let context = ApplicationContext::bare()
        .component(Emitters::<u8>::new())
        .component_named("us", Region("Ohio"))
        .build()
        .unwrap();
    let error = endpoints::<()>(&context).unwrap_err().to_string();
    assert!(error.contains("`/where/as-trait` takes `Component<dyn "), "{error}");
    assert!(error.contains("Mailer>(..)`"), "{error}");
    assert!(error.contains("Region` named `eu`, and there is `us`"), "{error}");
}

#[tokio::test]
async fn a_handler_that_takes_a_name_that_there_is_not_is_answered_500_and_says_so_to_layers() {
    let context = ApplicationContext::bare()
        .component(Smtp::default())
        .component(Region("nowhere"))
        .build()
        .unwrap();
    let app =
        Router::new().route("/tells", axum::routing::get(tells)).layer(SseLayer::new(context));
    let refused = TestClient::new(app).open("/tells").result().await.unwrap_err();
    let said = refused.to_string();
    assert!(said.contains("Region` named `eu`"), "{said}");
}
