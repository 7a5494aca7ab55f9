//! An axum application as there are many, to which push was added: the lines marked `// push`.
//!
//! It had a state, people who log in with a cookie, notes from one to another, an event stream of
//! axum's own, compression and a time limit. Now a note is on its reader's pages at once, and on
//! nobody else's; axum's own stream no longer holds up the end of the program.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, State};
use axum::http::{StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Sse, sse::Event};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use futures_util::stream::{Stream, unfold};
use serde::{Deserialize, Serialize};
use sse_tower::{ApplicationContext, Emitters, LastEventId, SseEmitter, SseEvent, SseLayer}; // push
use sse_tower_examples::{Arguments, Failure, Page};
use tower_http::{compression::CompressionLayer, timeout::TimeoutLayer};

const MAX_SESSIONS: usize = 10_000;
const MAX_NOTES: usize = 1_000;

#[derive(Clone)]
struct App {
    data: Arc<Mutex<Data>>,
    readers: Emitters<User>, // push
}

#[derive(Default)]
struct Data {
    sessions: HashMap<String, User>,
    notes: VecDeque<Note>,
    written: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct User(String);

#[derive(Clone, Serialize)]
struct Note {
    number: u64,
    from: User,
    to: User,
    text: String,
}

impl App {
    fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose session the cookie names. Nobody's is a 401, which ends an `EventSource` for good.
impl FromRequestParts<App> for User {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, StatusCode> {
        let cookies = parts.headers.get_all(header::COOKIE).iter().filter_map(|c| c.to_str().ok());
        let session = cookies
            .flat_map(|cookies| cookies.split("; "))
            .find_map(|cookie| cookie.strip_prefix("session="));
        let data = app.data();
        let user = session.and_then(|session| data.sessions.get(session));
        user.cloned().ok_or(StatusCode::UNAUTHORIZED)
    }
}

#[derive(Deserialize)]
struct Login {
    name: User,
}

async fn login(
    State(app): State<App>,
    Form(login): Form<Login>,
) -> Result<impl IntoResponse, StatusCode> {
    let random = || getrandom::u64().map_err(|_| StatusCode::SERVICE_UNAVAILABLE);
    let session = format!("{:016x}{:016x}", random()?, random()?);
    let mut data = app.data();
    if login.name.0.is_empty() || data.sessions.len() >= MAX_SESSIONS {
        return Err(StatusCode::BAD_REQUEST);
    }
    let cookie = format!("session={session}; HttpOnly; SameSite=Strict; Path=/");
    data.sessions.insert(session, login.name);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]))
}

/// Everywhere: on each device of this user.
async fn logout(user: User, State(app): State<App>) -> StatusCode {
    app.data().sessions.retain(|_, other| *other != user);
    app.readers.disconnect(&user); // push: an open page dials again, and is answered 401
    StatusCode::NO_CONTENT
}

async fn inbox(user: User, State(app): State<App>) -> impl IntoResponse {
    let position = app.readers.position(); // push: where a page goes on that shows this answer
    let notes = app.data().notes.iter().filter(|note| note.to == user).cloned().collect::<Vec<_>>();
    ([("x-position", position.to_string())], Json(notes)) // push: the header
}

#[derive(Deserialize)]
struct Draft {
    to: User,
    text: String,
}

async fn write(from: User, State(app): State<App>, Json(draft): Json<Draft>) -> StatusCode {
    let note = {
        let mut data = app.data();
        data.written += 1;
        let note = Note { number: data.written, from, to: draft.to, text: draft.text };
        data.notes.push_back(note.clone());
        if data.notes.len() > MAX_NOTES {
            data.notes.pop_front();
        }
        note
    };
    // Awaited, so that the position of a list which shows the note is not older than its push. The
    // note is written whatever becomes of that.
    let _ = app.readers.send(&note.to, SseEvent::builder().name("note").json(&note)).await; // push
    StatusCode::CREATED
}

async fn push(user: User, last: LastEventId, State(app): State<App>) -> SseEmitter {
    app.readers.connect(user, last) // push: this handler
}

/// For how long this page is open: axum's own event stream, as it was.
async fn clock(_user: User) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let opened = Instant::now();
    Sse::new(unfold((), move |()| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let seconds = opened.elapsed().as_secs();
        Some((Ok(Event::default().data(seconds.to_string())), ()))
    }))
}

async fn index() -> Page {
    Page::new(include_str!("../../pages/existing-axum.html"))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::from_env()?;
    let backplane = arguments.backplane().await?; // push
    let readers = Emitters::builder()
        .backplane_with(&backplane, "readers", |user: &User| user.0.clone())
        .build(); // push
    let context = ApplicationContext::builder().backplane(&backplane).build()?; // push
    let app = Router::new()
        .route("/", get(index))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/notes", get(inbox).post(write))
        .route("/clock", get(clock))
        .route("/push", get(push)) // push
        .layer(SseLayer::new(context.clone())) // push
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(10)))
        .layer(CompressionLayer::new())
        .with_state(App { data: Arc::default(), readers });
    let listener = arguments.listen(([127, 0, 0, 1], 8080).into()).await?;
    sse_tower::serve(listener, app, context).await?; // push: was `axum::serve(listener, app).await?`
    Ok(())
}
