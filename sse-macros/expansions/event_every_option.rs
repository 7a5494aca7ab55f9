#[derive(Debug, ApplicationEvent)]
#[event(name = "pay.completed", version = 2, as = ["dyn Auditable", "dyn Billable + Send"], broadcast)]
enum PayCompleted {
    ByCard { amount: u64 },
    InCash,
}
