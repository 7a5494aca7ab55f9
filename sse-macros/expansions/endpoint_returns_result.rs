#[sse_endpoint]
async fn push(desk: Component<Desk>) -> Result<SseEmitter, impl IntoResponse> {
    desk.admit().map_err(|error| (StatusCode::FORBIDDEN, error.to_string()))
}
