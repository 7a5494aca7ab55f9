async fn count(emitter: SseEmitter) -> ::sse_tower::__private::SseEmitter {
    ::sse_tower::__private::beside(
        ::core::clone::Clone::clone(&emitter),
        &const {
            ::sse_tower::__private::EndpointOptions {
                timeout: ::core::option::Option::None,
                keep_alive: ::core::option::Option::Some(
                    ::core::time::Duration::from_millis(15000u64),
                ),
                retry: ::core::option::Option::None,
            }
        },
        async move {
            #[allow(
                unreachable_code,
                clippy::diverging_sub_expression,
                clippy::empty_loop,
                clippy::let_unit_value,
                clippy::needless_return
            )]
            if false {
                let __expected: Result<(), SendError> = loop {};
                return __expected;
            }
            for n in 0..10 {
                emitter.send(n.to_string()).await?;
            }
            Ok(())
        },
    )
}
::sse_tower::__private::submit! {
    ::sse_tower::__private::EndpointInfo::new("GET", ::core::option::Option::None,
    "count", ::core::module_path!(), ::sse_tower::__private::here(),)
}
