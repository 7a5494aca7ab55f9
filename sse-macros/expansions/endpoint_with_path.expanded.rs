async fn orders(
    Path(id): Path<u64>,
    State(app): State<AppState>,
    desk: Component<Desk>,
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
                    desk.open(app, id)
                }
                    .await,
                &const {
                    ::sse_tower::__private::EndpointOptions {
                        timeout: ::core::option::Option::Some(
                            ::core::time::Duration::from_millis(300000u64),
                        ),
                        keep_alive: ::core::option::Option::None,
                        retry: ::core::option::Option::None,
                    }
                },
            ),
        )
        .await
}
::sse_tower::__private::submit! {
    ::sse_tower::__private::EndpointInfo::new("GET",
    ::core::option::Option::Some("/orders/{id}"), "orders", ::core::module_path!(),
    ::sse_tower::__private::here(),).needs(| __needs | { __needs.component:: < Desk > ();
    })
}
const _: () = {
    fn __mount(
        __states: &mut ::sse_tower::__private::States<'_>,
    ) -> ::core::option::Option<::sse_tower::__private::MethodRouter> {
        ::sse_tower::__private::mount(
            ::sse_tower::__private::MethodFilter::GET,
            __states.state::<AppState>(),
            |mut __call: ::sse_tower::__private::EndpointCall<_>| async move {
                let __argument_0 = __call.part::<Path<u64>>().await?;
                let __argument_1 = __call.part::<State<AppState>>().await?;
                let __argument_2 = __call.part::<Component<Desk>>().await?;
                ::sse_tower::__private::respond(
                    orders(__argument_0, __argument_1, __argument_2).await,
                )
            },
        )
    }
    ::sse_tower::__private::submit! {
        ::sse_tower::__private::Route::new("GET", "/orders/{id}", "orders",
        ::core::module_path!(), ::sse_tower::__private::here(), __mount)
    }
};
