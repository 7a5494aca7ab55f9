#[derive(ApplicationEvent)]
struct PayCompletedEvent {
    pay_record_id: u64,
}
