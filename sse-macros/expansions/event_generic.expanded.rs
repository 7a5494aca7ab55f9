#[derive(ApplicationEvent)]
#[event(name = "changed", stored)]
struct Changed<T: Clone, const N: usize>
where
    T: PartialEq,
{
    values: [T; N],
}
#[automatically_derived]
impl<T: Clone, const N: usize> ::sse_tower::__private::ApplicationEvent for Changed<T, N>
where
    T: PartialEq,
    Self: ::core::marker::Send + ::core::marker::Sync + 'static
        + ::sse_tower::__private::WithForm,
{
    fn event_type() -> ::sse_tower::__private::EventType<Self> {
        ::sse_tower::__private::json(
            ::sse_tower::__private::EventType::new().name("changed").stored(),
        )
    }
}
