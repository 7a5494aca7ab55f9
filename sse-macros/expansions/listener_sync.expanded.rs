fn on_paid(event: &PayCompleted) {
    println!("{}", event.amount);
}
///The listener `on_paid`, for registration by hand: `.listener(on_paid::LISTENER)`.
#[allow(dead_code, non_camel_case_types, missing_debug_implementations)]
struct on_paid {}
#[allow(dead_code)]
impl on_paid {
    ///The listener `on_paid`, for registration by hand: `.listener(on_paid::LISTENER)`.
    pub const LISTENER: ::sse_tower::__private::Listener = ::sse_tower::__private::Listener::declared(
        &Self::__DECLARATION,
    );
    const __DECLARATION: ::sse_tower::__private::Declaration = ::sse_tower::__private::Declaration::new(
        ::core::concat!(::core::module_path!(), "::on_paid"),
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
        >::by_ref(move |__event, __call| __call.answer(on_paid(__event)));
        ::core::option::Option::Some(__prepared.erase())
    }
}
::sse_tower::__private::submit! {
    ::sse_tower::__private::LinkedListener::new(& on_paid::__DECLARATION)
}
