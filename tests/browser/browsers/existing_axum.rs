//! Notes between people who are logged in.

use sse_tower_tests::{Program, Result, Tab, in_browsers};

use crate::{fill, state};

async fn log_in(page: &Tab<'_>, name: &str) -> Result {
    fill(page, "name", name).await?;
    page.value::<Option<bool>>("document.getElementById('login').requestSubmit()").await?;
    state(page, "open").await
}

#[tokio::test]
async fn a_note_appears_by_itself_as_text_and_log_out_ends_the_stream() -> Result {
    in_browsers(async |browser| {
        let app = Program::start("existing-axum").await?;
        // Two hosts, so that each has a session of its own in one browser.
        let ann = browser.open(&app.url("/")).await?;
        log_in(&ann, "ann").await?;
        let bob = browser.open(&format!("http://localhost:{}/", app.address().port())).await?;
        log_in(&bob, "bob").await?;
        fill(&ann, "to", "bob").await?;
        fill(&ann, "text", "<i>lunch?</i>").await?;
        ann.value::<Option<bool>>("document.getElementById('write').requestSubmit()").await?;
        let note = "document.querySelector('#notes li')?.firstChild.data ?? ''";
        bob.until(&format!("{note} === '<i>lunch?</i>'"), note).await?;
        assert_eq!(ann.value::<String>(note).await?, "");
        let clock = "Number(document.getElementById('clock').textContent)";
        bob.until(&format!("{clock} >= 1"), clock).await?;
        bob.click("logout").await?;
        state(&bob, "idle").await?;
        assert_eq!(bob.value::<u8>("push.readyState").await?, 2);
        Ok(())
    })
    .await
}
