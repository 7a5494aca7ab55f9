async fn audit(event: &dyn Auditable, log: Component<AuditLog>) {
    log.write(event.line()).await;
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
        ::sse_tower::__private::EventRef::supertype::<dyn Auditable>(),
        Self::__bind,
    );
    fn __bind(
        __binder: &mut ::sse_tower::__private::Binder<'_>,
    ) -> ::core::option::Option<::sse_tower::__private::ErasedHandler> {
        let __a0 = __binder.inject::<Component<AuditLog>>();
        __binder.returns::<()>();
        let __args = ::std::sync::Arc::new((__a0?,));
        let __prepared = ::sse_tower::__private::Handler::<
            dyn Auditable,
        >::future(move |__event, __call| {
            let __args = ::std::sync::Arc::clone(&__args);
            ::std::boxed::Box::pin(async move {
                let __result = {
                    let __running = ::core::pin::pin!(
                        audit(& * __event, __args.0.give(& __call.call()))
                    );
                    ::sse_tower::__private::caught(__running).await
                };
                __call.answer(::core::convert::identity(__result))
            })
        });
        ::core::option::Option::Some(__prepared.erase())
    }
}
::sse_tower::__private::submit! {
    ::sse_tower::__private::LinkedListener::new(& audit::__DECLARATION)
}
