//! A payment's page gets its event, over 127.0.0.1, by the packages as they would be published.

use std::time::Duration;

use axum::{Router, extract::Query, routing::get};
use sse_tower::{
    ApplicationContext, ApplicationEvent, Component, Emitters, LastEventId, PublishError,
    SseEmitter, SseLayer, component, event_listener, sse_endpoint,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::timeout,
};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(ApplicationEvent)]
struct PayCompletedEvent {
    pay_record_id: u64,
}

#[derive(Default)]
struct PayCompletedListener {
    emitters: Emitters<u64>,
}

#[component]
impl PayCompletedListener {
    #[event_listener]
    async fn deploy(&self, event: &PayCompletedEvent) {
        self.emitters.send(&event.pay_record_id, "支付成功");
        self.emitters.complete(&event.pay_record_id);
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct PayRecord {
    pay_record_id: u64,
}

#[sse_endpoint(timeout = "60s")]
async fn push(
    Query(q): Query<PayRecord>,
    last: LastEventId,
    listener: Component<PayCompletedListener>,
) -> SseEmitter {
    listener.emitters.connect(q.pay_record_id, last)
}

async fn pay_callback(
    Query(q): Query<PayRecord>,
    context: ApplicationContext,
) -> std::result::Result<&'static str, PublishError> {
    context.publish_event(PayCompletedEvent { pay_record_id: q.pay_record_id }).await?;
    Ok("look at the listening page")
}

#[tokio::main]
async fn main() -> Result {
    let context =
        ApplicationContext::builder().component(PayCompletedListener::default()).build()?;
    let app = Router::new()
        .route("/push", get(push))
        .route("/pay-callback", get(pay_callback))
        .layer(SseLayer::new(context.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::select! {
        served = sse_tower::serve(listener, app, context).into_future() => {
            served?;
            Err("the server ended before the page had its event".into())
        }
        page = timeout(Duration::from_secs(30), page_and_callback(address)) => page?,
    }
}

/// Opens the page's stream, lets the callback come, and reads the stream to its end.
async fn page_and_callback(address: std::net::SocketAddr) -> Result {
    let mut page = BufReader::new(ask(address, "/push?payRecordId=6666").await?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if page.read_line(&mut head).await? == 0 {
            return Err(format!("the stream ended in its head: {head}").into());
        }
    }
    check(&head, "200 OK")?;
    check(&head, "text/event-stream")?;

    let mut answer = String::new();
    ask(address, "/pay-callback?payRecordId=6666").await?.read_to_string(&mut answer).await?;
    check(&answer, "look at the listening page")?;

    let mut events = String::new();
    page.read_to_string(&mut events).await?;
    check(&events, "data:支付成功\n")?;
    println!("{events}");
    Ok(())
}

async fn ask(address: std::net::SocketAddr, target: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {target} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    Ok(stream)
}

fn check(text: &str, part: &str) -> Result {
    if text.contains(part) { Ok(()) } else { Err(format!("no {part:?} in {text:?}").into()) }
}
