//! The page of the feed, across origins, through every kind of interruption.

use serde::Deserialize;
use serde_json::json;
use sse_tower_tests::{Program, Relay, Result, Site, Tab, in_browsers, in_chromium};

use crate::state;

#[derive(Deserialize, Debug)]
struct Seen {
    received: u64,
    dials: u64,
    missing: u64,
    repeated: u64,
    last: u64,
}

async fn seen(page: &Tab<'_>) -> Result<Seen> {
    page.value("seen").await
}

/// Waits until `count` more events have come.
async fn more(page: &Tab<'_>, count: u64) -> Result {
    let wanted = seen(page).await?.received + count;
    page.until(&format!("seen.received >= {wanted}"), "seen").await
}

/// Everything, in order, once: the numbers say so.
async fn is_whole(page: &Tab<'_>) -> Result<Seen> {
    let seen = seen(page).await?;
    assert_eq!((seen.missing, seen.repeated), (0, 0), "{seen:?}");
    assert_eq!(seen.received, seen.last, "{seen:?}");
    Ok(seen)
}

#[tokio::test]
async fn across_origins_with_credentials_it_misses_nothing_over_its_timeouts() -> Result {
    in_browsers(async |browser| {
        let site = Site::of_pages().await?;
        let options = ["--every", "100ms", "--timeout", "1s", "--origin", &site.origin()];
        let feed = Program::start_with("feed", &options).await?;
        let page = format!("{}/feed.html?server={}", site.origin(), feed.url(""));
        let page = browser.open(&page).await?;
        // Two timeouts, and three seconds after each.
        page.until("seen.dials >= 3", "seen").await?;
        more(&page, 1).await?;
        let seen = is_whole(&page).await?;
        assert!(seen.received > 50, "{seen:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_page_of_another_origin_may_not_read() -> Result {
    in_browsers(async |browser| {
        let site = Site::of_pages().await?;
        let feed = Program::start_with("feed", &["--every", "50ms"]).await?;
        let page = format!("{}/feed.html?server={}", site.origin(), feed.url(""));
        let page = browser.open(&page).await?;
        state(&page, "dropped").await?;
        assert_eq!(seen(&page).await?.received, 0);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_came_while_the_network_was_cut_is_caught_up() -> Result {
    in_browsers(async |browser| {
        let feed = Program::start_with("feed", &["--every", "100ms"]).await?;
        let network = Relay::to(feed.address()).await?;
        let page = browser.open(&format!("http://{}/", network.address())).await?;
        more(&page, 5).await?;
        network.cut();
        state(&page, "dropped").await?;
        let before = seen(&page).await?;
        network.mend();
        page.until(&format!("seen.dials > {}", before.dials), "seen").await?;
        more(&page, 5).await?;
        let after = is_whole(&page).await?;
        // It was away for the three seconds of `retry`.
        assert!(after.received > before.received + 15, "{before:?} {after:?}");
        let late = "document.querySelectorAll('li.late').length";
        page.until(&format!("{late} > 10"), late).await
    })
    .await
}

#[tokio::test]
async fn a_browser_that_is_offline_catches_up_when_it_is_online() -> Result {
    in_chromium(async |browser| {
        let feed = Program::start_with("feed", &["--every", "100ms", "--timeout", "1s"]).await?;
        let page = browser.open(&feed.url("/")).await?;
        more(&page, 3).await?;
        let network = |offline: bool| {
            json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 })
        };
        page.devtools("Network.enable", json!({})).await?;
        page.devtools("Network.emulateNetworkConditions", network(true)).await?;
        // The stream times out meanwhile, and each dial fails.
        state(&page, "dropped").await?;
        let before = seen(&page).await?;
        page.devtools("Network.emulateNetworkConditions", network(false)).await?;
        page.until(&format!("seen.dials > {}", before.dials), "seen").await?;
        more(&page, 3).await?;
        is_whole(&page).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_server_that_was_stopped_and_started_again_is_followed_from_its_first_event() -> Result {
    in_browsers(async |browser| {
        let site = Site::of_pages().await?;
        let options = ["--every", "400ms", "--origin", &site.origin()];
        let mut feed = Program::start_with("feed", &options).await?;
        let page = format!("{}/feed.html?server={}", site.origin(), feed.url(""));
        let page = browser.open(&page).await?;
        // More than the new server makes until the page is back: its numbers mean nothing there.
        page.until("seen.last >= 25", "seen").await?;
        feed.kill().await?;
        state(&page, "dropped").await?;
        let before = is_whole(&page).await?;
        feed.start_again().await?;
        page.until("seen.last > 0 && seen.last < 25", "seen").await?;
        more(&page, 2).await?;
        let after = seen(&page).await?;
        assert_eq!((after.missing, after.repeated), (0, 0), "{after:?}");
        // From 1 on, and all of them.
        assert_eq!(after.received, before.received + after.last, "{before:?} {after:?}");
        Ok(())
    })
    .await
}
