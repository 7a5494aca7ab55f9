use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint(path = "/push")]
async fn push() -> Result<SseEmitter, u64> {
    Err(7)
}

fn main() {}
