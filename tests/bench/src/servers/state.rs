//! Ours with a state for each key, and a stream of its changes.
//!
//! * `GET /state?pay_record_id=N`: the stream;
//! * `POST /state?pay_record_id=N`: its body is the new state, and the data of the event that says so;
//! * `GET /runs`: how often the function has run that makes snapshots.

use std::{
    collections::HashMap,
    convert::Infallible,
    io::{self, Error},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    routing::get,
};
use sse_tower::{ApplicationContext, Emitters, LastEventId, SseEmitter, SseLayer};
use tokio::net::TcpListener;

use super::PayRecord;

/// Longer than a round takes on any machine: each round has a key of its own, and one run is what it may cost.
const AGE: Duration = Duration::from_secs(60);

#[derive(Clone)]
struct App {
    pages: Emitters<u64>,
    states: Arc<Mutex<HashMap<u64, String>>>,
    runs: Arc<AtomicUsize>,
}

impl App {
    fn new(snapshot: bool) -> Self {
        let states = Arc::<Mutex<HashMap<u64, String>>>::default();
        let runs = Arc::<AtomicUsize>::default();
        let mut pages = Emitters::builder();
        if snapshot {
            let (states, runs) = (Arc::clone(&states), Arc::clone(&runs));
            let state_of = move |key: u64| {
                runs.fetch_add(1, Ordering::Relaxed);
                let states = states.lock().unwrap_or_else(PoisonError::into_inner);
                let state = states.get(&key).cloned().unwrap_or_default();
                async move {
                    // As one that asks somebody else for it.
                    tokio::task::yield_now().await;
                    Ok::<_, Infallible>(state)
                }
            };
            pages = pages.snapshot(state_of).snapshot_age(AGE);
        }
        Self { pages: pages.build(), states, runs }
    }
}

pub(super) async fn serve(listener: TcpListener, snapshot: bool) -> io::Result<()> {
    let context = ApplicationContext::bare().build().map_err(Error::other)?;
    let router = Router::new()
        .route("/state", get(stream).post(change))
        .route("/runs", get(runs))
        .with_state(App::new(snapshot))
        .layer(SseLayer::new(context.clone()));
    sse_tower::serve(listener, router, context).await
}

async fn stream(
    State(app): State<App>,
    Query(query): Query<PayRecord>,
    last: LastEventId,
) -> SseEmitter {
    app.pages.connect(query.pay_record_id, last)
}

async fn change(
    State(app): State<App>,
    Query(query): Query<PayRecord>,
    state: String,
) -> StatusCode {
    let key = query.pay_record_id;
    app.states.lock().unwrap_or_else(PoisonError::into_inner).insert(key, state.clone());
    match app.pages.send(&key, state).await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn runs(State(app): State<App>) -> String {
    app.runs.load(Ordering::Relaxed).to_string()
}
