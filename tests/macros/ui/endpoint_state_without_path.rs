use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint(state = AppState)]
async fn push() -> SseEmitter {
    SseEmitter::new()
}

#[derive(Clone)]
pub struct AppState;

fn main() {}
