fn audit(event: &(dyn Auditable + Send)) {
    event.audit();
}
///The listener `audit`, for registration by hand: `.listener(audit::LISTENER)`.
#[allow(dead_code, non_camel_case_types, missing_debug_implementations)]
struct audit {}
#[allow(dead_code)]
impl audit {
    ///The listener `audit`, for registration by hand: `.listener(audit::LISTENER)`.
    pub const LISTENER: ::sse_tower::__private::Listener = ::sse_tower::__private::Listener::declared(
        &Self::__DECLARATION,
    );
    const __DECLARATION: ::sse_tower::__private::Declaration = ::sse_tower::__private::Declaration::new(
        ::core::concat!(::core::module_path!(), "::audit"),
        ::core::module_path!(),
        ::sse_tower::__private::here(),
        ::sse_tower::__private::EventRef::supertype::<dyn Auditable + Send>(),
        Self::__bind,
    );
    fn __bind(
        __binder: &mut ::sse_tower::__private::Binder<'_>,
    ) -> ::core::option::Option<::sse_tower::__private::ErasedHandler> {
        __binder.returns::<()>();
        let __prepared = ::sse_tower::__private::Handler::<
            dyn Auditable + Send,
        >::by_ref(move |__event, __call| __call.answer(audit(__event)));
        ::core::option::Option::Some(__prepared.erase())
    }
}
::sse_tower::__private::submit! {
    ::sse_tower::__private::LinkedListener::new(& audit::__DECLARATION)
}
