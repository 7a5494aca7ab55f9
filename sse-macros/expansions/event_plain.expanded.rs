#[derive(ApplicationEvent)]
struct PayCompletedEvent {
    pay_record_id: u64,
}
#[automatically_derived]
impl ::sse_tower::__private::ApplicationEvent for PayCompletedEvent {
    fn event_type() -> ::sse_tower::__private::EventType<Self> {
        ::sse_tower::__private::EventType::new()
    }
}
::sse_tower::__private::submit! {
    ::sse_tower::__private::LinkedEvent::of:: < PayCompletedEvent >
    (::core::module_path!(), ::sse_tower::__private::here())
}
