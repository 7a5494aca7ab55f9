//! Users with several tabs.

use serde_json::json;
use sse_tower_tests::{Program, Relay, Result, in_browsers, in_chromium, request};

use crate::{fill, state};

async fn send(users: &Program, message: &str) -> Result<String> {
    let target = format!("/send?userId=7&messageId={message}&message={message}");
    Ok(request(users.address(), "POST", &target, &[]).await?.text())
}

#[tokio::test]
async fn two_tabs_of_one_user_do_not_evict_each_other_for_ever() -> Result {
    in_chromium(async |browser| {
        let users = Program::start("users").await?;
        let network = Relay::to(users.address()).await?;
        // Plain streams that never close themselves, so that it is the server that settles this.
        let url = format!("http://{}/", network.address());
        let listen = "((plain) => { window.got = []; plain.onmessage = (event) => got.push(event.data);
            window.ended = 0; plain.onerror = () => { ended += 1; }; window.plain = plain; return 0; })
            (new EventSource('connect?userId=7'))";
        let first = browser.open(&url).await?;
        first.value::<u8>(listen).await?;
        first.until("got.length === 1", "got").await?;
        let second = browser.open(&url).await?;
        second.value::<u8>(listen).await?;
        second.until("got.length === 1", "got").await?;
        first.until("ended === 1", "ended").await?;
        // An hour passes in the first tab. Its first event told it to dial again after a minute.
        first.value::<u64>("setTimeout(() => { window.anHour = true; }, 3600_000)").await?;
        let hour = json!({ "policy": "advance", "budget": 3_700_000 });
        first.devtools("Emulation.setVirtualTimePolicy", hour).await?;
        first.until("window.anHour", "Date()").await?;
        assert_eq!(network.passed("GET /connect").len(), 2, "{:?}", network.passed("GET"));
        // It waits for its day to be over, and the second one has the place.
        assert_eq!(first.value::<u8>("plain.readyState").await?, 0);
        assert_eq!(send(&users, "m1").await?, "true");
        second.until("got.includes('m1')", "got").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_page_says_where_the_user_went_and_can_take_the_place_back() -> Result {
    in_browsers(async |browser| {
        let users = Program::start("users").await?;
        let mut tabs = Vec::new();
        for _ in 0..2 {
            let tab = browser.open(&users.url("/")).await?;
            fill(&tab, "userId", "7").await?;
            tab.value::<Option<bool>>("document.getElementById('connect').requestSubmit()").await?;
            state(&tab, "open").await?;
            tabs.push(tab);
        }
        state(&tabs[0], "replaced").await?;
        assert_eq!(tabs[0].value::<u8>("stream.readyState").await?, 2);
        tabs[0].click("here").await?;
        state(&tabs[0], "open").await?;
        state(&tabs[1], "replaced").await?;
        assert_eq!(send(&users, "m1").await?, "true");
        let got = "document.getElementById('messages').innerText";
        tabs[0].until(&format!("{got}.includes('m1')"), got).await
    })
    .await
}

#[tokio::test]
async fn the_page_sends_and_shows_true_and_false() -> Result {
    in_browsers(async |browser| {
        let users = Program::start("users").await?;
        let page = browser.open(&users.url("/")).await?;
        page.value::<Option<bool>>("document.getElementById('connect').requestSubmit()").await?;
        state(&page, "open").await?;
        let sent = "document.querySelector('#sent li')?.innerText ?? ''";
        for (to, answer) in [("1", "true"), ("2", "false")] {
            fill(&page, "to", to).await?;
            fill(&page, "message", "<b>hi</b>").await?;
            page.value::<Option<bool>>("document.getElementById('send').requestSubmit()").await?;
            page.until(&format!("{sent}.startsWith('{answer} ← <b>hi</b>')"), sent).await?;
        }
        let got = "document.querySelector('#messages li')?.firstChild.data";
        page.until(&format!("{got} === '<b>hi</b>'"), got).await
    })
    .await
}
