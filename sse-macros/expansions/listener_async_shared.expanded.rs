async fn index(event: Arc<PayCompleted>) {
    search::index(event).await;
}
///The listener `index`, for registration by hand: `.listener(index::LISTENER)`.
#[allow(dead_code, non_camel_case_types, missing_debug_implementations)]
struct index {}
#[allow(dead_code)]
impl index {
    ///The listener `index`, for registration by hand: `.listener(index::LISTENER)`.
    pub const LISTENER: ::sse_tower::__private::Listener = ::sse_tower::__private::Listener::declared(
        &Self::__DECLARATION,
    );
    const __DECLARATION: ::sse_tower::__private::Declaration = ::sse_tower::__private::Declaration::new(
        ::core::concat!(::core::module_path!(), "::index"),
        ::core::module_path!(),
        ::sse_tower::__private::here(),
        ::sse_tower::__private::EventRef::of::<PayCompleted>(),
        Self::__bind,
    );
    fn __bind(
        __binder: &mut ::sse_tower::__private::Binder<'_>,
    ) -> ::core::option::Option<::sse_tower::__private::ErasedHandler> {
        __binder.returns::<()>();
        let __prepared = ::sse_tower::__private::Handler::<
            PayCompleted,
        >::future(move |__event, __call| {
            ::std::boxed::Box::pin(async move {
                let __result = {
                    let __running = ::core::pin::pin!(index(__event,));
                    ::sse_tower::__private::caught(__running).await
                };
                __call.answer(::core::convert::identity(__result))
            })
        });
        ::core::option::Option::Some(__prepared.erase())
    }
}
::sse_tower::__private::submit! {
    ::sse_tower::__private::LinkedListener::new(& index::__DECLARATION)
}
