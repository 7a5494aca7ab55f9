#[sse_endpoint(path = "/orders/{id}", timeout = "5m")]
async fn orders(Path(id): Path<u64>, State(app): State<AppState>, desk: Component<Desk>) -> SseEmitter {
    desk.open(app, id)
}
