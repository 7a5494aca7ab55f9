#[event_listener]
fn audit(event: &(dyn Auditable + Send)) {
    event.audit();
}
