//! The ticker's page: counts two kinds of messages apart, and closes itself.

use sse_tower_tests::{Program, Relay, Result, in_browsers};

use crate::state;

#[tokio::test]
async fn it_counts_plain_messages_and_me_events_apart_and_closes_at_three() -> Result {
    in_browsers(async |browser| {
        let ticker = Program::start_with("ticker", &["--every", "100ms"]).await?;
        let network = Relay::to(ticker.address()).await?;
        let page = browser.open(&format!("http://{}/", network.address())).await?;
        state(&page, "done").await?;
        page.text("me", "4").await?;
        page.text("message", "0").await?;
        assert_eq!(page.value::<u8>("stream.readyState").await?, 2);
        assert_eq!(network.passed("GET /SSE").len(), 1);
        Ok(())
    })
    .await
}
