fn keep(event: Arc<PayCompleted>, last: Component<Last>) -> Result<(), LastError> {
    last.set(event)
}
///The listener `keep`, for registration by hand: `.listener(keep::LISTENER)`.
#[allow(dead_code, non_camel_case_types, missing_debug_implementations)]
struct keep {}
#[allow(dead_code)]
impl keep {
    ///The listener `keep`, for registration by hand: `.listener(keep::LISTENER)`.
    pub const LISTENER: ::sse_tower::__private::Listener = ::sse_tower::__private::Listener::declared(
        &Self::__DECLARATION,
    );
    const __DECLARATION: ::sse_tower::__private::Declaration = ::sse_tower::__private::Declaration::new(
        ::core::concat!(::core::module_path!(), "::keep"),
        ::core::module_path!(),
        ::sse_tower::__private::here(),
        ::sse_tower::__private::EventRef::of::<PayCompleted>(),
        Self::__bind,
    );
    fn __bind(
        __binder: &mut ::sse_tower::__private::Binder<'_>,
    ) -> ::core::option::Option<::sse_tower::__private::ErasedHandler> {
        let __a0 = __binder.inject::<Component<Last>>();
        __binder.returns::<Result<(), LastError>>();
        let __a0 = __a0?;
        let __prepared = ::sse_tower::__private::Handler::<
            PayCompleted,
        >::shared(move |__event, __call| {
            __call.answer(keep(__event, __a0.give(__call)))
        });
        ::core::option::Option::Some(__prepared.erase())
    }
}
::sse_tower::__private::submit! {
    ::sse_tower::__private::LinkedListener::new(& keep::__DECLARATION)
}
