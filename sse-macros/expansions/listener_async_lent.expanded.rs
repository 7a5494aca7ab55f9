async fn mail(
    event: &PayCompleted,
    mailer: Component<Mailer>,
) -> Result<Mailed, MailError> {
    mailer.send(event.id).await?;
    Ok(Mailed)
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
        .timeout_millis(5000u64)
        .spawn();
    fn __bind(
        __binder: &mut ::sse_tower::__private::Binder<'_>,
    ) -> ::core::option::Option<::sse_tower::__private::ErasedHandler> {
        let __a0 = __binder.inject::<Component<Mailer>>();
        __binder.returns::<Result<Mailed, MailError>>();
        let __args = ::std::sync::Arc::new((__a0?,));
        let __prepared = ::sse_tower::__private::Handler::<
            PayCompleted,
        >::lent(move |__event, __call| {
            let __args = ::std::sync::Arc::clone(&__args);
            ::std::boxed::Box::pin(async move {
                let __result = {
                    let __running = ::core::pin::pin!(
                        mail(& __event, __args.0.give(& __call.call()))
                    );
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
