#[event_listener]
fn keep(event: Arc<PayCompleted>, last: Component<Last>) -> Result<(), LastError> {
    last.set(event)
}
