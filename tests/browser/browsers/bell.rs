//! The unread count on every tab.

use sse_tower_tests::{Program, Relay, Result, Tab, in_browsers, request};

use crate::{fill, state};

async fn shows(tab: &Tab<'_>, unread: u8) -> Result {
    let shown = "document.getElementById('unread').textContent";
    tab.until(&format!("{shown} === '{unread}'"), shown).await
}

async fn log_in(tab: &Tab<'_>) -> Result {
    tab.value::<Option<bool>>("document.getElementById('login').requestSubmit()").await?;
    state(tab, "open").await
}

async fn leave(bell: &Program) -> Result {
    let answer = request(bell.address(), "POST", "/messages?to=1", &[]).await?;
    assert_eq!(answer.status, 204);
    Ok(())
}

#[tokio::test]
async fn every_tab_shows_the_count_whatever_happens_to_its_connection() -> Result {
    in_browsers(async |browser| {
        let bell = Program::start("bell").await?;
        let network = Relay::to(bell.address()).await?;
        let url = format!("http://{}/", network.address());
        let mut tabs = Vec::new();
        for _ in 0..3 {
            let tab = browser.open(&url).await?;
            log_in(&tab).await?;
            shows(&tab, 0).await?;
            tabs.push(tab);
        }
        leave(&bell).await?;
        for tab in &tabs {
            shows(tab, 1).await?;
        }
        // A tab that begins anew has the state at once.
        let late = browser.open(&url).await?;
        log_in(&late).await?;
        shows(&late, 1).await?;
        late.click("read").await?;
        for tab in &tabs {
            shows(tab, 0).await?;
        }
        // What happens while they are away they have when they come back.
        network.cut();
        for tab in &tabs {
            state(tab, "dropped").await?;
        }
        leave(&bell).await?;
        leave(&bell).await?;
        let admin = browser.open(&bell.url("/")).await?;
        fill(&admin, "text", "back soon").await?;
        admin.value::<Option<bool>>("document.getElementById('everyone').requestSubmit()").await?;
        // It is sent: the page has told the server.
        let sent = "performance.getEntriesByName(new URL('everyone', location).href).length";
        admin.until(&format!("{sent} === 1"), sent).await?;
        network.mend();
        let said =
            "[...document.querySelectorAll('#said li')].map((line) => line.textContent).join()";
        for tab in &tabs {
            shows(tab, 2).await?;
            tab.until(&format!("{said} === 'back soon'"), said).await?;
        }
        Ok(())
    })
    .await
}
