async fn push(desk: Component<Desk>) -> Result<SseEmitter, impl IntoResponse> {
    ::sse_tower::__private::decided(
            ::sse_tower::__private::Configure::configure(
                async move {
                    desk.admit()
                        .map_err(|error| (StatusCode::FORBIDDEN, error.to_string()))
                }
                    .await,
                &const {
                    ::sse_tower::__private::EndpointOptions {
                        timeout: ::core::option::Option::None,
                        keep_alive: ::core::option::Option::None,
                        retry: ::core::option::Option::None,
                    }
                },
            ),
        )
        .await
}
::sse_tower::__private::submit! {
    ::sse_tower::__private::EndpointInfo::new("GET", ::core::option::Option::None,
    "push", ::core::module_path!(), ::sse_tower::__private::here(),).needs(| __needs | {
    __needs.component:: < Desk > (); })
}
