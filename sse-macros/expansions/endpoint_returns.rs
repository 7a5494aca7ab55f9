#[sse_endpoint(timeout = "60s", keep_alive = "15s", retry = "3s")]
pub async fn push(Query(q): Query<PayRecord>, last: LastEventId, listener: Component<PayListener>) -> SseEmitter {
    listener.emitters.connect(q.pay_record_id, last)
}
