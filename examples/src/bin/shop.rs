//! An order and the event that tells of it, in one transaction; and a listener that does not lose it.
//!
//! `POST /orders?address=ann@example.org` orders; `mails` writes to the customer, which fails twice, and at last
//! succeeds; an address without `@` is a dead letter at once. `POST /letters/retry` mends the addresses of dead letters
//! and tries them again. `GET /state` is how all stands, `GET /changes` a stream of what changes, `GET /` the page.
//!
//! With `--backplane postgres://..` orders are rows, events are rows of the same transactions, and any number of these
//! programs share the work. Otherwise orders are kept in memory, by this one alone.

use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router, http::StatusCode};
use serde::{Deserialize, Serialize};
use sse_tower::{
    ApplicationContext, ApplicationEvent, Component, DurableError, Emitters, EventMeta,
    LastEventId, ListenerError, SseEmitter, SseLayer, event_listener,
};
use sse_tower_examples::{Arguments, Failure, Order, Orders, Page};

/// What is stored; so it has a name that stays, and serde.
#[derive(Serialize, Deserialize, ApplicationEvent)]
#[event(name = "shop.order-placed")]
struct OrderPlaced {
    order: i64,
}

type Changes = Emitters<()>;

/// Runs in one process of those that have it, and again after a failure, under the same [`EventMeta::event_id`].
#[event_listener(durable, id = "mails", backoff = "1s", attempts = 5)]
async fn mails(
    placed: &OrderPlaced,
    meta: EventMeta,
    orders: Component<Orders>,
    changes: Component<Changes>,
) -> Result<(), ListenerError> {
    let order = orders.tried(placed.order, meta.attempt()).await?;
    changes.send(&(), "tried");
    if !order.address.contains('@') {
        return Err(ListenerError::give_up().because("no such address"));
    }
    if meta.attempt() < 3 {
        return Err("the mail server is away".into());
    }
    // The mail itself would go out here, with `meta.event_id()` as its key.
    orders.mailed(placed.order, meta).await?;
    changes.send(&(), "mailed");
    Ok(())
}

#[derive(Clone)]
struct Shop {
    context: ApplicationContext,
    orders: Component<Orders>,
    changes: Component<Changes>,
}

#[derive(Deserialize)]
struct Customer {
    address: String,
}

/// What went wrong is for the log; the customer hears that it did.
fn failed(error: impl std::fmt::Debug) -> StatusCode {
    eprintln!("{error:?}");
    StatusCode::INTERNAL_SERVER_ERROR
}

async fn order(
    Query(Customer { address }): Query<Customer>,
    State(shop): State<Shop>,
) -> Result<Json<Order>, StatusCode> {
    let placed = |order| OrderPlaced { order };
    let order = shop.orders.place(&shop.context, address, placed).await.map_err(failed)?;
    shop.changes.send(&(), "placed");
    Ok(Json(order))
}

#[derive(Serialize)]
struct Dead {
    order: Option<i64>,
    error: String,
    attempts: u32,
}

#[derive(Serialize)]
struct Shown {
    store: &'static str,
    orders: Vec<Order>,
    letters: Vec<Dead>,
}

async fn letters(context: &ApplicationContext) -> Result<Vec<Dead>, DurableError> {
    let letters = context.dead_letters("mails").await?.into_iter().map(|letter| {
        let placed = serde_json::from_slice::<OrderPlaced>(&letter.body).ok();
        let order = placed.map(|placed| placed.order);
        Dead { order, error: letter.error, attempts: letter.attempts }
    });
    Ok(letters.collect())
}

async fn state(State(shop): State<Shop>) -> Result<Json<Shown>, StatusCode> {
    let orders = shop.orders.list().await.map_err(failed)?;
    let letters = letters(&shop.context).await.map_err(failed)?;
    Ok(Json(Shown { store: shop.orders.store(), orders, letters }))
}

async fn retry(State(shop): State<Shop>) -> Result<Json<usize>, StatusCode> {
    for dead in letters(&shop.context).await.map_err(failed)?.iter().filter_map(|it| it.order) {
        shop.orders.mend(dead).await.map_err(failed)?;
    }
    let count = shop.context.dead_letters("mails").retry_all().await.map_err(failed)?;
    shop.changes.send(&(), "retried");
    Ok(Json(count))
}

async fn changes(last: LastEventId, State(shop): State<Shop>) -> SseEmitter {
    shop.changes.connect((), last)
}

async fn index() -> Page {
    Page::new(include_str!("../../pages/shop.html"))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::from_env()?;
    let url = arguments.backplane_url()?;
    let backplane = sse_tower::backplane::open(&url).await?;
    let orders = Orders::open(&url).await?;
    let changes = Changes::builder().backplane_with(&backplane, "changes", |()| "all").build();
    let context = ApplicationContext::builder()
        .backplane(&backplane)
        .component(orders)
        .component(changes)
        .build()?;
    let orders = context.component::<Orders>().ok_or(std::fmt::Error)?;
    let changes = context.component::<Changes>().ok_or(std::fmt::Error)?;
    let shop = Shop { context: context.clone(), orders, changes };
    let app = Router::new()
        .route("/", get(index))
        .route("/orders", post(order))
        .route("/letters/retry", post(retry))
        .route("/state", get(state))
        .route("/changes", get(self::changes))
        .layer(SseLayer::new(context.clone()))
        .with_state(shop);
    let listener = arguments.listen(([127, 0, 0, 1], 8080).into()).await?;
    sse_tower::serve(listener, app, context).await?;
    backplane.close().await;
    Ok(())
}
