use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint(path = "/push")]
async fn push(body: String) -> SseEmitter {
    drop(body);
    SseEmitter::new()
}

fn main() {}
