#[derive(ApplicationEvent)]
#[event(name = "pay.completed")]
struct PayCompleted {
    amount: u64,
}
