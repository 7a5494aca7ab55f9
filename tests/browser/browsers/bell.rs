//! The unread count on every tab.

use sse_tower_tests::{Program, Relay, Result, in_chromium, request};

use crate::state;

#[tokio::test]
async fn every_tab_shows_the_count_whatever_happens_to_its_connection() -> Result {
    in_chromium(async |browser| {
        let bell = Program::start("bell").await?;
        let network = Relay::to(bell.address()).await?;
        let url = format!("http://{}/", network.address());
        let mut tabs = Vec::new();
        for _ in 0..3 {
            let tab = browser.open(&url).await?;
            tab.value::<Option<bool>>("document.getElementById('login').requestSubmit()").await?;
            state(&tab, "open").await?;
            tabs.push(tab);
        }
        let shown = "document.getElementById('unread').textContent";
        for tab in &tabs {
            tab.until(&format!("{shown} === '0'"), shown).await?;
        }
        let answer = request(bell.address(), "POST", "/messages?to=1", &[]).await?;
        assert_eq!(answer.status, 204);
        for tab in &tabs {
            tab.until(&format!("{shown} === '1'"), shown).await?;
        }
        // A tab that begins anew has the state at once.
        let late = browser.open(&url).await?;
        late.value::<Option<bool>>("document.getElementById('login').requestSubmit()").await?;
        late.until(&format!("{shown} === '1'"), shown).await?;
        late.click("read").await?;
        for tab in &tabs {
            tab.until(&format!("{shown} === '0'"), shown).await?;
        }
        Ok(())
    })
    .await
}
