#[event_listener]
async fn audit(event: &dyn Auditable, log: Component<AuditLog>) {
    log.write(event.line()).await;
}
