//! How many unread messages somebody has, on all of their tabs: the state first, then what changes.
//!
//! `POST /login?user=N` begins a session (a cookie); `GET /bell` is its stream; `POST /messages?to=N` leaves a message,
//! `POST /read` reads all of one's own; `POST /everyone` with a text says something to all; `GET /` is the page.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sse_tower::{
    ApplicationContext, Emitters, InvalidEvent, LastEventId, SseEmitter, SseEvent, SseLayer,
};
use sse_tower_examples::{Arguments, Failure, Page};

/// How many sessions and mailboxes there are at most: this is no database.
const MOST: usize = 10_000;

/// In place of a database.
#[derive(Clone, Default)]
struct Mail {
    unread: Arc<Mutex<HashMap<u64, u32>>>,
}

#[derive(Serialize)]
struct Bell {
    unread: u32,
}

impl Mail {
    fn unread(&self) -> MutexGuard<'_, HashMap<u64, u32>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn bell(self, user: u64) -> Result<SseEvent, InvalidEvent> {
        bell(self.unread().get(&user).copied().unwrap_or(0))
    }
}

/// A change says what is, not what was done: so it does no harm if it comes twice.
fn bell(unread: u32) -> Result<SseEvent, InvalidEvent> {
    SseEvent::builder().name("bell").json(&Bell { unread }).build()
}

#[derive(Clone)]
struct Site {
    mail: Mail,
    bells: Emitters<u64>,
    sessions: Arc<Mutex<HashMap<String, u64>>>,
}

impl Site {
    fn sessions(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose session it is: the key of a stream comes from here, never from the page.
    fn user(&self, headers: &HeaderMap) -> Result<u64, StatusCode> {
        let cookies = headers.get(header::COOKIE).and_then(|cookies| cookies.to_str().ok());
        let mut cookies = cookies.unwrap_or_default().split("; ");
        let session = cookies.find_map(|cookie| cookie.strip_prefix("session="));
        session
            .and_then(|session| self.sessions().get(session).copied())
            .ok_or(StatusCode::UNAUTHORIZED)
    }
}

#[derive(Deserialize)]
struct Login {
    user: u64,
}

async fn login(
    Query(Login { user }): Query<Login>,
    State(site): State<Site>,
) -> Result<Response, StatusCode> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let session = format!("{:032x}", u128::from_ne_bytes(random));
    let cookie = format!("session={session}; HttpOnly; SameSite=Strict; Path=/");
    let cookie = HeaderValue::try_from(cookie).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let mut sessions = site.sessions();
    if sessions.len() >= MOST {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    sessions.insert(session, user);
    Ok(([(header::SET_COOKIE, cookie)], StatusCode::NO_CONTENT).into_response())
}

async fn listen(
    headers: HeaderMap,
    last: LastEventId,
    State(site): State<Site>,
) -> Result<SseEmitter, StatusCode> {
    Ok(site.bells.connect(site.user(&headers)?, last))
}

#[derive(Deserialize)]
struct To {
    to: u64,
}

/// The state changes first, and whoever looks at it is told then. Both under one lock, so that of two messages at the same
/// time the later count is the later event.
async fn leave(
    Query(To { to }): Query<To>,
    State(site): State<Site>,
) -> Result<StatusCode, (StatusCode, String)> {
    let mut mail = site.mail.unread();
    if mail.len() >= MOST && !mail.contains_key(&to) {
        return Err((StatusCode::SERVICE_UNAVAILABLE, "no more mailboxes".to_owned()));
    }
    let unread = mail.entry(to).or_default();
    *unread = unread.saturating_add(1);
    tell(&site, to, *unread)
}

async fn read(
    headers: HeaderMap,
    State(site): State<Site>,
) -> Result<StatusCode, (StatusCode, String)> {
    let user = site.user(&headers).map_err(|status| (status, "log in first".to_owned()))?;
    let mut mail = site.mail.unread();
    mail.remove(&user);
    tell(&site, user, 0)
}

fn tell(site: &Site, user: u64, unread: u32) -> Result<StatusCode, (StatusCode, String)> {
    let event =
        bell(unread).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    // Done by the call.
    site.bells.send(&user, event);
    Ok(StatusCode::NO_CONTENT)
}

/// On every tab of everybody; and on those that were away while it was said.
async fn everyone(State(site): State<Site>, text: String) -> Json<usize> {
    let event = SseEvent::builder().name("everyone").data(text);
    let told = site.bells.send_all(event).await;
    Json(told.map_or(0, |receipt| receipt.receivers))
}

async fn index() -> Page {
    Page::new(include_str!("../../pages/bell.html"))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::from_env()?;
    let mail = Mail::default();
    let of = mail.clone();
    let bells = Emitters::builder().snapshot(move |user| of.clone().bell(user)).build();
    let site = Site { mail, bells, sessions: Arc::default() };

    let context = ApplicationContext::bare().build()?;
    let app = Router::new()
        .route("/", get(index))
        .route("/login", post(login))
        .route("/bell", get(listen))
        .route("/messages", post(leave))
        .route("/read", post(read))
        .route("/everyone", post(everyone))
        .layer(SseLayer::new(context.clone()))
        .with_state(site);
    let listener = arguments.listen(([127, 0, 0, 1], 8080).into()).await?;
    sse_tower::serve(listener, app, context).await?;
    Ok(())
}
