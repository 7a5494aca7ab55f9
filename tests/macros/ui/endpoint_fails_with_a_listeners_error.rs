use sse_tower::{ListenerError, SseEmitter, sse_endpoint};

#[sse_endpoint]
async fn push(emitter: SseEmitter) -> Result<(), ListenerError> {
    emitter.send("hello").await?;
    Ok(())
}

fn main() {}
