async fn ask(
    State(db): State<Db>,
    State(clock): State<Clock>,
    __emitter: SseEmitter,
    Json(question): Json<Question>,
) -> ::sse_tower::__private::SseEmitter {
    ::sse_tower::__private::beside(
        ::core::clone::Clone::clone(&__emitter),
        &const {
            ::sse_tower::__private::EndpointOptions {
                timeout: ::core::option::Option::None,
                keep_alive: ::core::option::Option::None,
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
                let __expected: () = loop {};
                return __expected;
            }
            answer(db, clock, question).await;
        },
    )
}
::sse_tower::__private::submit! {
    ::sse_tower::__private::EndpointInfo::new("POST",
    ::core::option::Option::Some("/ask"), "ask", ::core::module_path!(),
    ::sse_tower::__private::here(),)
}
const _: () = {
    fn __mount(
        __states: &mut ::sse_tower::__private::States<'_>,
    ) -> ::core::option::Option<::sse_tower::__private::MethodRouter> {
        #[derive(::core::clone::Clone)]
        struct __States {
            __state_0: Db,
            __state_1: Clock,
        }
        impl ::sse_tower::__private::FromRef<__States> for Db {
            fn from_ref(states: &__States) -> Self {
                ::core::clone::Clone::clone(&states.__state_0)
            }
        }
        impl ::sse_tower::__private::FromRef<__States> for Clock {
            fn from_ref(states: &__States) -> Self {
                ::core::clone::Clone::clone(&states.__state_1)
            }
        }
        let __state_0 = __states.state::<Db>();
        let __state_1 = __states.state::<Clock>();
        ::sse_tower::__private::mount(
            ::sse_tower::__private::MethodFilter::POST,
            match (__state_0, __state_1) {
                (
                    ::core::option::Option::Some(__state_0),
                    ::core::option::Option::Some(__state_1),
                ) => ::core::option::Option::Some(__States { __state_0, __state_1 }),
                _ => ::core::option::Option::None,
            },
            |mut __call: ::sse_tower::__private::EndpointCall<_>| async move {
                let __argument_0 = __call.part::<State<Db>>().await?;
                let __argument_1 = __call.part::<State<Clock>>().await?;
                let __argument_2 = __call.part::<SseEmitter>().await?;
                let __argument_3 = __call.body::<Json<Question>, _>().await?;
                ::sse_tower::__private::respond(
                    ask(__argument_0, __argument_1, __argument_2, __argument_3).await,
                )
            },
        )
    }
    ::sse_tower::__private::submit! {
        ::sse_tower::__private::Route::new("POST", "/ask", "ask", ::core::module_path!(),
        ::sse_tower::__private::here(), __mount)
    }
};
