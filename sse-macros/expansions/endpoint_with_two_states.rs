#[sse_endpoint(path = "/ask", method = "POST")]
async fn ask(State(db): State<Db>, State(clock): State<Clock>, _: SseEmitter, Json(question): Json<Question>) {
    answer(db, clock, question).await;
}
