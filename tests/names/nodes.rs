//! Several processes, and events that survive one.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use sse_tower::{
    ApplicationContext, ApplicationEvent, BroadcastGap, Component, DeadReason, Emitters, EventId,
    EventMeta, EventOrigin, LastEventId, Letter, Listener, ListenerError, ListenerState, Receipt,
    SendError, SseEvent, SseEventBuilder,
    backplane::{self, Backplane, BackplaneError, Engine, Health, OnceIn, StoreIn},
    component, event_listener,
};
use tokio::sync::watch;

#[derive(Serialize, Deserialize, ApplicationEvent)]
#[event(name = "names.paid", version = 1, broadcast)]
struct Paid {
    order: u64,
}

#[derive(Serialize, Deserialize, ApplicationEvent)]
#[event(name = "names.sent", stored)]
struct Sent {
    order: u64,
}

#[derive(Serialize, Deserialize, ApplicationEvent)]
#[event(name = "names.article", version = 1)]
struct ArticleV1 {
    price: u32,
}

#[derive(Serialize, Deserialize, ApplicationEvent)]
#[event(name = "names.article", version = 2, upcast = from_v1)]
struct Article {
    cents: u64,
}

fn from_v1(old: ArticleV1) -> Article {
    Article { cents: u64::from(old.price) * 100 }
}

#[event_listener(durable, id = "names.mail")]
async fn mail(paid: &Paid, meta: EventMeta) -> Result<(), ListenerError> {
    let (_, _) = (paid.order, meta.event_id().to_string());
    match meta.attempt() {
        1 => Err(ListenerError::retry_after(Duration::from_secs(1))),
        2 => Err(ListenerError::give_up()),
        _ => Ok(()),
    }
}

#[event_listener(
    durable,
    id = "names.books",
    attempts = 20,
    backoff = "1s",
    timeout = "30s",
    concurrency = 16,
    from = "earliest"
)]
async fn books(article: Arc<Article>) -> Result<(), std::io::Error> {
    let _ = article.cents;
    Ok(())
}

#[event_listener(durable, id = "names.ledger", ordered, on_dead = "stop")]
fn ledger(sent: &Sent) {
    let _ = sent.order;
}

#[derive(Default)]
pub(crate) struct Desk {
    emitters: Emitters<u64>,
}

#[component]
impl Desk {
    #[event_listener(durable, id = "names.desk", attempts = 5)]
    async fn told(&self, paid: &Paid, meta: EventMeta) -> Result<(), SendError> {
        let once: SseEventBuilder = SseEvent::builder().once(meta.event_id().to_string());
        self.emitters.send(&paid.order, once.data("paid")).await.map(drop)
    }

    #[event_listener]
    fn heard(&self, _paid: &Paid, meta: EventMeta) {
        let _: EventOrigin = meta.origin();
    }

    #[event_listener]
    fn gap(&self, _gap: &BroadcastGap) {}
}

/// In the program's own transaction, of whatever driver.
async fn in_a_transaction<S, O, T: StoreIn<S> + OnceIn<O>>(
    mut tx: T,
    context: &ApplicationContext,
    emitters: &Emitters<u64>,
    meta: &EventMeta,
) -> Result<(), Box<dyn std::error::Error>> {
    let events = context.transaction();
    events.publish_event(Paid { order: 1 });
    events.store_in(&mut tx).await?;
    emitters.send_in(&mut tx, &1, "paid").await?;
    let _first: bool = meta.once_in(&mut tx).await?;
    events.commit().await?;
    Ok(())
}

fn over_an_engine_of_ones_own(engine: impl Engine) -> Backplane {
    Backplane::new(engine)
}

#[tokio::test]
async fn many_nodes() -> Result<(), Box<dyn std::error::Error>> {
    let _ = in_a_transaction::<
        backplane::postgres::TokioPostgres,
        backplane::postgres::TokioPostgres,
        tokio_postgres::Transaction<'_>,
    >;
    let _ = over_an_engine_of_ones_own(backplane::MemoryStore::new().engine());
    let _ = Backplane::memory();
    let _ = (backplane::postgres::SCHEMA, backplane::postgres::outbox_sql("sse", &[])?.text);
    let backplane: Backplane = backplane::open("memory:").await?;
    let shop = Backplane::builder("memory:").namespace("shop").deadline(Duration::from_secs(1));
    shop.open().await?.close().await;
    let health: watch::Receiver<Health> = backplane.health();
    match *health.borrow() {
        Health::Up => {}
        Health::Degraded { since } | Health::Down { since } => println!("{since:?}"),
    }
    let emitters: Emitters<u64> = Emitters::builder().backplane(&backplane, "payments").build();
    let _: Emitters<(u8, u8)> = Emitters::builder()
        .backplane_with(&backplane, "pairs", |(a, b): &(u8, u8)| format!("{a}-{b}"))
        .build();
    match emitters.send(&7, "paid").await {
        Ok(Receipt { id, receivers }) => assert_eq!((emitters.position(), receivers), (id, 0)),
        Err(SendError::Backplane { event, source, .. }) => {
            let _: (SseEvent, BackplaneError) = (event, source);
        }
        Err(other) => return Err(other.into()),
    }
    let _ = (emitters.connect(7, LastEventId::earliest()), emitters.position() as EventId);

    let by_hand = Listener::on(|_: &Paid| ()).durable().id("names.hand").attempts(3).ordered();
    let by_hand = by_hand.backoff(Duration::ZERO).concurrency(1).from_earliest();
    let context = ApplicationContext::bare()
        .backplane(&backplane)
        .component(Desk { emitters })
        .listener(by_hand)
        .listener(mail::LISTENER)
        .listener(books::LISTENER)
        .listener(ledger::LISTENER)
        .build()?;
    let _: Option<Component<Desk>> = context.component::<Desk>();
    context.publish_event(Sent { order: 7 }).await?;
    let letters: Vec<Letter> = context.dead_letters("names.mail").await?;
    for Letter { id, event, error, attempts, published_at, age, body, reason, .. } in letters {
        println!("{event} {error} {attempts} {published_at:?} {age:?} {body:?}");
        assert_ne!(reason, DeadReason::Expired);
        let _: bool = context.dead_letters("names.mail").retry(id).await?;
        let _: bool = context.dead_letters("names.mail").discard(id).await?;
    }
    let _: usize = context.dead_letters("names.mail").retry_all().await?;
    context.listeners().pause("names.mail").await?;
    context.listeners().resume("names.mail").await?;
    context.listeners().retire("names.mail").await?;
    let all = context.listeners().await?;
    assert!(all.iter().any(|it| it.state == ListenerState::Retired && it.backlog == 0));
    assert!(context.is_ready());
    context.drain().await;
    backplane.close().await;
    Ok(())
}
