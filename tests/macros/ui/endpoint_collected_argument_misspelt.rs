use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint(path = "/push")]
async fn push(last: LastEventid) -> SseEmitter {
    drop(last);
    SseEmitter::new()
}

fn main() {}
