#[sse_endpoint(keep_alive = "15s")]
async fn count(emitter: SseEmitter) -> Result<(), SendError> {
    for n in 0..10 {
        emitter.send(n.to_string()).await?;
    }
    Ok(())
}
