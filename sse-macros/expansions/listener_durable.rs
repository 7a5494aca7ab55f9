#[event_listener(durable, id = "mail", attempts = 5, backoff = "2s", timeout = "10s", concurrency = 4, ordered, from = "earliest")]
async fn mail(event: &PayCompleted) -> Result<(), ListenerError> {
    send(event.amount).await
}
