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
        {
            #[allow(unused_imports)]
            use ::sse_tower::__private::{JsonIfSerde as _, NoJson as _};
            let __form = (&::sse_tower::__private::Form::<Self>::new()).form();
            ::sse_tower::__private::json(
                ::sse_tower::__private::EventType::new().name("changed").stored(),
                __form,
            )
        }
    }
}
