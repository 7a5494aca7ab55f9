#[event_listener]
async fn index(event: Arc<PayCompleted>) {
    search::index(event).await;
}
