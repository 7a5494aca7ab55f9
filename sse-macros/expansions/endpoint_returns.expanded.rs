pub async fn push(
    Query(q): Query<PayRecord>,
    last: LastEventId,
    listener: Component<PayListener>,
) -> SseEmitter {
    ::sse_tower::__private::decided(
            ::sse_tower::__private::Configure::configure(
                async move {
                    #[allow(
                        unreachable_code,
                        clippy::diverging_sub_expression,
                        clippy::empty_loop,
                        clippy::let_unit_value,
                        clippy::needless_return
                    )]
                    if false {
                        let __expected: SseEmitter = loop {};
                        return __expected;
                    }
                    listener.emitters.connect(q.pay_record_id, last)
                }
                    .await,
                &const {
                    ::sse_tower::__private::EndpointOptions {
                        timeout: ::core::option::Option::Some(
                            ::core::time::Duration::from_millis(60000u64),
                        ),
                        keep_alive: ::core::option::Option::Some(
                            ::core::time::Duration::from_millis(15000u64),
                        ),
                        retry: ::core::option::Option::Some(
                            ::core::time::Duration::from_millis(3000u64),
                        ),
                    }
                },
            ),
        )
        .await
}
::sse_tower::__private::submit! {
    ::sse_tower::__private::EndpointInfo::new("GET", ::core::option::Option::None,
    "push", ::core::module_path!(), ::sse_tower::__private::here(),).needs(| __needs | {
    __needs.component:: < PayListener > (); })
}
