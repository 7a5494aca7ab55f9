#[derive(Debug, ApplicationEvent)]
#[event(
    name = "pay.completed",
    version = 2,
    as = ["dyn Auditable",
    "dyn Billable + Send"],
    broadcast,
    stored,
    upcast = from_v1
)]
enum PayCompleted {
    ByCard { amount: u64 },
    InCash,
}
#[automatically_derived]
impl ::sse_tower::__private::ApplicationEvent for PayCompleted {
    fn event_type() -> ::sse_tower::__private::EventType<Self> {
        {
            #[allow(unused_imports)]
            use ::sse_tower::__private::{JsonIfSerde as _, NoJson as _};
            let __form = (&::sse_tower::__private::Form::<Self>::new()).form();
            ::sse_tower::__private::json(
                ::sse_tower::__private::EventType::new()
                    .name("pay.completed")
                    .version(2)
                    .broadcast()
                    .stored()
                    .upcast(from_v1)
                    .supertype::<dyn Auditable>(|__event| __event, |__event| __event)
                    .supertype::<
                        dyn Billable + Send,
                    >(|__event| __event, |__event| __event),
                __form,
            )
        }
    }
}
::sse_tower::__private::submit! {
    ::sse_tower::__private::LinkedEvent::of:: < PayCompleted > (::core::module_path!(),
    ::sse_tower::__private::here())
}
