//! The page of an order, here and at another origin.

use std::convert::Infallible;

use axum::{Router, body::Body, response::IntoResponse, routing::get};
use futures_util::{StreamExt as _, stream};
use sse_tower::ApplicationContext;
use sse_tower_tests::{Program, Relay, Result, Server, Site, in_browsers, request};

use crate::state;

async fn pay(order: &Program, id: u64) -> Result {
    let target = format!("/payback?payid={id}");
    assert_eq!(request(order.address(), "POST", &target, &[]).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn served_from_another_origin_it_learns_of_the_payment_and_closes_on_finish() -> Result {
    in_browsers(async |browser| {
        let order = Program::start("order").await?;
        let network = Relay::to(order.address()).await?;
        let site = Site::of_pages().await?;
        let server = format!("http://{}", network.address());
        let page = format!("{}/order.html?payid=9&server={server}", site.origin());
        let page = browser.open(&page).await?;
        state(&page, "open").await?;
        assert_eq!(page.value::<String>("location.origin").await?, site.origin());
        pay(&order, 9).await?;
        state(&page, "done").await?;
        page.text("title", "用户支付成功").await?;
        assert_eq!(page.value::<u8>("stream.readyState").await?, 2);
        let log = "document.getElementById('log').innerText";
        page.until(&format!("{log}.includes('哈哈 (id 6666)')"), log).await?;
        assert_eq!(network.passed("GET /orderpay").len(), 1);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn its_button_pays_across_origins() -> Result {
    in_browsers(async |browser| {
        let order = Program::start("order").await?;
        let site = Site::of_pages().await?;
        let page = format!("{}/order.html?payid=1&server={}", site.origin(), order.url(""));
        let page = browser.open(&page).await?;
        state(&page, "open").await?;
        page.click("pay").await?;
        state(&page, "done").await
    })
    .await
}

#[tokio::test]
async fn served_by_the_program_it_talks_to_the_program() -> Result {
    in_browsers(async |browser| {
        let order = Program::start("order").await?;
        let page = browser.open(&order.url("/?payid=3")).await?;
        state(&page, "open").await?;
        pay(&order, 3).await?;
        state(&page, "done").await
    })
    .await
}

#[tokio::test]
async fn a_page_that_never_closes_its_stream_is_told_to_stop() -> Result {
    in_browsers(async |browser| {
        let order = Program::start("order").await?;
        let network = Relay::to(order.address()).await?;
        let site = Site::of_pages().await?;
        let page = browser.open(&format!("{}/style.css", site.origin())).await?;
        let url = format!("http://{}/orderpay?payid=4", network.address());
        page.value::<u8>(&format!("(window.stream = new EventSource('{url}')).readyState")).await?;
        page.until("stream.readyState === 1", "stream.readyState").await?;
        pay(&order, 4).await?;
        // It dials again after the end, with a `Last-Event-ID`, and gets 204.
        page.until("stream.readyState === 2", "stream.readyState").await?;
        assert_eq!(network.passed("HTTP/1.1 204").len(), 1);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_payment_while_the_network_is_cut_is_not_lost() -> Result {
    in_browsers(async |browser| {
        let order = Program::start("order").await?;
        let network = Relay::to(order.address()).await?;
        let page = browser.open(&format!("http://{}/?payid=5", network.address())).await?;
        state(&page, "open").await?;
        network.cut();
        state(&page, "dropped").await?;
        pay(&order, 5).await?;
        network.mend();
        state(&page, "done").await
    })
    .await
}

#[tokio::test]
async fn a_reset_is_told_to_whoever_waits_and_the_wait_goes_on() -> Result {
    /// The server was started anew between the two events of the payment.
    async fn again() -> impl IntoResponse {
        let lost = "event:stream-reset\ndata:{\"reason\":\"epoch\"}\n\n";
        let said = stream::iter([Ok::<_, Infallible>(lost)]).chain(stream::pending());
        let headers = [("content-type", "text/event-stream"), ("access-control-allow-origin", "*")];
        (headers, Body::from_stream(said))
    }
    in_browsers(async |browser| {
        let context = ApplicationContext::bare().build()?;
        let server = Server::start(Router::new().route("/orderpay", get(again)), &context).await?;
        let site = Site::of_pages().await?;
        let page = format!("{}/order.html?payid=5&server={}", site.origin(), server.url(""));
        let page = browser.open(&page).await?;
        let note = "document.getElementById('note').textContent";
        page.until(&format!("{note}.includes('knows of payments since then only')"), note).await?;
        state(&page, "open").await
    })
    .await
}
