#[derive(Debug, ApplicationEvent)]
#[event(name = "pay.completed", version = 2, as = ["dyn Auditable", "dyn Billable + Send"], broadcast, stored, upcast = from_v1)]
enum PayCompleted {
    ByCard { amount: u64 },
    InCash,
}
