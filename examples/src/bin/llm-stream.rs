//! A language model's answer, token by token, to a page that may lose its connection and come back.
//!
//! `POST /answers/{id}` with the prompt as its body streams the answer. The page makes up the id. It
//! asks again with the same id and `Last-Event-ID` after a drop, and gets the rest: the model writes
//! on meanwhile. `--every 40ms` is the time between two tokens.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path};
use axum::http::StatusCode;
use axum::routing::{get, post};
use sse_tower::{
    ApplicationContext, Component, Emitters, History, LastEventId, SseEmitter, SseEvent, SseLayer,
};
use sse_tower_examples::{Arguments, Failure, Page};
use tokio::time::sleep;

const MAX_AT_ONCE: usize = 100;
const MAX_PROMPT_BYTES: usize = 2_000;
/// More than the longest answer has, so that every reader can have all of it.
const ANSWER: History = History::events(2_000);

struct Model {
    answers: Emitters<String>,
    /// The ids of the answers that are being written.
    writing: Mutex<HashSet<String>>,
    every: Duration,
}

impl Model {
    fn writing(&self) -> MutexGuard<'_, HashSet<String>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stands in for a model: writes in a task of its own, whoever reads.
    async fn write(&self, id: &String, prompt: &str) {
        let answer = format!(
            "You asked: “{}”\n\nI am no model, only a loop that sends one word after the other. \
             Cut the connection while I write: the page dials again with the id of the last word \
             that it has, and goes on where it stopped.\n\nNothing is missing, and nothing comes \
             twice.",
            prompt.trim()
        );
        for token in answer.split_inclusive(' ') {
            // An error: this answer was finished before, and is remembered.
            if self.answers.send(id, SseEvent::data(token)).await.is_err() {
                return;
            }
            sleep(self.every).await;
        }
        self.answers.send(id, SseEvent::builder().name("done").data(""));
        self.answers.complete(id);
    }
}

async fn answer(
    Path(id): Path<String>,
    last: LastEventId,
    model: Component<Model>,
    prompt: String,
) -> Result<SseEmitter, StatusCode> {
    let begins = {
        let mut writing = model.writing();
        if !writing.contains(&id) && writing.len() >= MAX_AT_ONCE {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        writing.insert(id.clone())
    };
    let emitter = model.answers.connect(id.clone(), last);
    if begins {
        tokio::spawn(async move {
            model.write(&id, &prompt).await;
            model.writing().remove(&id);
        });
    }
    Ok(emitter)
}

async fn index() -> Page {
    Page::new(include_str!("../../pages/llm-stream.html"))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::from_env()?;
    let every = arguments.take_time("--every")?.unwrap_or(Duration::from_millis(40));
    let backplane = arguments.backplane().await?;
    let answers = Emitters::builder().history(ANSWER).backplane(&backplane, "answers").build();

    let model = Model { answers, writing: Mutex::default(), every };
    let context = ApplicationContext::builder().backplane(&backplane).component(model).build()?;
    let app = Router::new()
        .route("/", get(index))
        .route("/answers/{id}", post(answer))
        .layer(DefaultBodyLimit::max(MAX_PROMPT_BYTES))
        .layer(SseLayer::new(context.clone()));
    let listener = arguments.listen(([127, 0, 0, 1], 8080).into()).await?;
    sse_tower::serve(listener, app, context).await?;
    backplane.close().await;
    Ok(())
}
