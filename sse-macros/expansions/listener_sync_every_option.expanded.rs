/// Writes the audit log.
#[cfg(feature = "audit")]
pub(crate) fn audit(
    PayCompleted { amount, .. }: &PayCompleted,
    log: &Component<AuditLog>,
    out: Publisher<Audited>,
    meta: EventMeta,
) -> Option<Audited> {
    log.write(*amount, meta).then_some(Audited)
}
#[cfg(feature = "audit")]
///The listener `audit`, for registration by hand: `.listener(audit::LISTENER)`.
#[allow(dead_code, non_camel_case_types, missing_debug_implementations)]
pub(crate) struct audit {}
#[cfg(feature = "audit")]
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
            ::sse_tower::__private::EventRef::of::<PayCompleted>(),
            Self::__bind,
        )
        .id("audit")
        .order(-10i32)
        .before(&["app::mail"])
        .after(&["first", "second"])
        .phase(::sse_tower::__private::Phase::AfterCommit)
        .fallback();
    fn __bind(
        __binder: &mut ::sse_tower::__private::Binder<'_>,
    ) -> ::core::option::Option<::sse_tower::__private::ErasedHandler> {
        let __a0 = __binder.inject::<&Component<AuditLog>>();
        let __a1 = __binder.inject::<Publisher<Audited>>();
        let __a2 = __binder.inject::<EventMeta>();
        __binder.returns::<Option<Audited>>();
        let __a0 = __a0?;
        let __a1 = __a1?;
        let __a2 = __a2?;
        let __prepared = ::sse_tower::__private::Handler::<
            PayCompleted,
        >::by_ref(move |__event, __call| {
            __call
                .answer(
                    audit(
                        __event,
                        __a0.give(__call),
                        __a1.give(__call),
                        __a2.give(__call),
                    ),
                )
        });
        let __prepared = __prepared.when(|event: &PayCompleted| event.amount > 100);
        ::core::option::Option::Some(__prepared.erase())
    }
}
#[cfg(feature = "audit")]
::sse_tower::__private::submit! {
    ::sse_tower::__private::LinkedListener::new(& audit::__DECLARATION)
}
