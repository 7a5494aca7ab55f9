//! The page of `shop`: orders, attempts and dead letters, live.

use sse_tower_tests::{Program, Result, in_chromium};

use crate::{fill, state};

const SEEN: &str =
    "({...document.body.dataset, shown, text: document.body.innerText.slice(0, 900)})";

#[tokio::test]
async fn orders_attempts_and_dead_letters_are_shown_as_they_come() -> Result {
    in_chromium(async |browser| {
        let shop = Program::start("shop").await?;
        let page = browser.open(&shop.url("/")).await?;
        state(&page, "open").await?;
        page.click("order").await?;
        page.until("shown.orders[0]?.attempts > 0", SEEN).await?;
        page.until("shown.orders[0]?.mails === 1 && shown.orders[0].attempts === 3", SEEN).await?;
        page.until("document.querySelectorAll('#orders li.mailed').length === 1", SEEN).await?;

        fill(&page, "address", "<b>nobody</b>").await?;
        page.click("order").await?;
        page.until("document.querySelectorAll('#letters li.dead').length === 1", SEEN).await?;
        page.until(
            "document.querySelector('#orders li.dead span').textContent === '<b>nobody</b>'",
            SEEN,
        )
        .await?;
        page.click("retry").await?;
        page.until("document.querySelectorAll('#orders li.mailed').length === 2", SEEN).await?;
        page.until("document.querySelectorAll('#letters li').length === 0", SEEN).await?;
        Ok(())
    })
    .await
}
