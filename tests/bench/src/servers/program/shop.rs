//! What both programs have: their other routes, and what all handlers take.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, PoisonError, RwLock},
};

use axum::{
    Json, Router,
    extract::{FromRef, FromRequestParts, Path, Query, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::Html,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};

/// What the shop knows, in place of a database.
#[derive(Clone, Default)]
pub(super) struct Shop(Arc<RwLock<HashMap<u64, Order>>>);

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Order {
    article: String,
    paid: bool,
}

impl Shop {
    /// Takes note of a payment; orders that nobody placed are paid all the same.
    pub(super) fn paid(&self, number: u64) {
        let mut orders = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(order) = orders.get_mut(&number) {
            order.paid = true;
        }
    }

    fn order(&self, number: u64) -> Option<Order> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    fn place(&self, order: Order) -> u64 {
        let mut orders = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let number = orders.len() as u64;
        orders.insert(number, order);
        number
    }
}

/// What the program was started with.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) thanks: Arc<str>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { thanks: "look at the listening page".into() }
    }
}

/// Who asks, as a cookie says.
pub(super) struct Visitor(pub(super) Option<String>);

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let cookies = parts.headers.get(header::COOKIE).and_then(|value| value.to_str().ok());
        let mut pairs = cookies.into_iter().flat_map(|cookies| cookies.split("; "));
        Ok(Self(pairs.find_map(|pair| pair.strip_prefix("session=")).map(str::to_owned)))
    }
}

/// Ten routes beside those of the payment.
pub(super) fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Shop: FromRef<S>,
    Settings: FromRef<S>,
{
    Router::new()
        .route("/", get(home))
        .route("/health", get(|| async { "ok" }))
        .route("/orders", get(count).post(place))
        .route("/orders/{number}", get(show))
        .route("/orders/{number}/receipt", get(show))
        .route("/visitors/me", get(me))
        .route("/search", get(search))
        .route("/assets/{*path}", get(asset))
        .route("/admin/orders", get(count))
        .route("/admin/refunds", post(refund))
}

async fn home(visitor: Visitor, State(settings): State<Settings>) -> Html<String> {
    Html(format!("<p>{}, {}</p>", visitor.0.unwrap_or_default(), settings.thanks))
}

async fn count(State(shop): State<Shop>) -> String {
    shop.0.read().unwrap_or_else(PoisonError::into_inner).len().to_string()
}

async fn place(State(shop): State<Shop>, Json(order): Json<Order>) -> (StatusCode, Json<u64>) {
    (StatusCode::CREATED, Json(shop.place(order)))
}

async fn show(
    Path(number): Path<u64>,
    State(shop): State<Shop>,
) -> Result<Json<Order>, StatusCode> {
    shop.order(number).map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn me(visitor: Visitor, headers: HeaderMap) -> Result<String, StatusCode> {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let name = visitor.0.ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(format!("{name} with {}", agent.unwrap_or("something")))
}

async fn search(Query(words): Query<HashMap<String, String>>) -> Json<Vec<String>> {
    Json(words.into_values().collect())
}

async fn asset(Path(path): Path<String>) -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, path)
}

async fn refund(State(shop): State<Shop>, Json(number): Json<u64>) -> StatusCode {
    shop.order(number).map_or(StatusCode::NOT_FOUND, |_| StatusCode::ACCEPTED)
}
