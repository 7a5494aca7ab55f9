#[derive(ApplicationEvent)]
#[event(name = "pay.completed")]
struct PayCompleted {
    amount: u64,
}
#[automatically_derived]
impl ::sse_tower::__private::ApplicationEvent for PayCompleted {
    fn event_type() -> ::sse_tower::__private::EventType<Self> {
        {
            #[allow(unused_imports)]
            use ::sse_tower::__private::{JsonIfSerde as _, NoJson as _};
            (&::sse_tower::__private::Form::<Self>::new())
                .of(::sse_tower::__private::EventType::new().name("pay.completed"))
        }
    }
}
::sse_tower::__private::submit! {
    ::sse_tower::__private::LinkedEvent::of:: < PayCompleted > (::core::module_path!(),
    ::sse_tower::__private::here())
}
