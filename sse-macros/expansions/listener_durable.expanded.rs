async fn mail(event: &PayCompleted) -> Result<(), ListenerError> {
    send(event.amount).await
}
///The listener `mail`, for registration by hand: `.listener(mail::LISTENER)`.
#[allow(dead_code, non_camel_case_types, missing_debug_implementations)]
struct mail {}
#[allow(dead_code)]
impl mail {
    ///The listener `mail`, for registration by hand: `.listener(mail::LISTENER)`.
    pub const LISTENER: ::sse_tower::__private::Listener = ::sse_tower::__private::Listener::declared(
        &Self::__DECLARATION,
    );
    const __DECLARATION: ::sse_tower::__private::Declaration = ::sse_tower::__private::Declaration::new(
            ::core::concat!(::core::module_path!(), "::mail"),
            ::core::module_path!(),
            ::sse_tower::__private::here(),
            ::sse_tower::__private::EventRef::of::<PayCompleted>(),
            Self::__bind,
        )
        .id("mail")
        .timeout_millis(10000u64)
        .durable()
        .attempts(5u32)
        .backoff_millis(2000u64)
        .concurrency(4u32)
        .ordered()
        .earliest();
    fn __bind(
        __binder: &mut ::sse_tower::__private::Binder<'_>,
    ) -> ::core::option::Option<::sse_tower::__private::ErasedHandler> {
        {
            #[allow(unused_imports)]
            use ::sse_tower::__private::{JsonIfSerde as _, NoJson as _};
            let __form = ::sse_tower::__private::Form::<PayCompleted>::new();
            ::sse_tower::__private::travels(&__form, (&__form).form());
        }
        __binder.returns::<Result<(), ListenerError>>();
        let __prepared = ::sse_tower::__private::Handler::<
            PayCompleted,
        >::lent(move |__event, __call| {
            ::std::boxed::Box::pin(async move {
                let __result = {
                    let __running = ::core::pin::pin!(mail(& __event,));
                    ::sse_tower::__private::caught(__running).await
                };
                let __answer = __call.answer(::core::convert::identity(__result));
                (__event, __answer)
            })
        });
        ::core::option::Option::Some(__prepared.erase())
    }
}
::sse_tower::__private::submit! {
    ::sse_tower::__private::LinkedListener::new(& mail::__DECLARATION)
}
