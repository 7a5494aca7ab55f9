//! Any status but 200 ends an `EventSource`: each page then dials again by itself.

use sse_tower_tests::{Program, Relay, Result, eventually, in_browsers};

use crate::state;

/// Each program, its page, and what a person does there before it listens.
const PAGES: [(&str, &str, &str); 4] = [
    ("topics", "/", "at('subscribe').requestSubmit()"),
    ("users", "/", "at('connect').requestSubmit()"),
    ("order", "/?payid=1", ""),
    ("feed", "/", ""),
];

#[tokio::test]
async fn a_page_that_was_refused_comes_back_by_itself() -> Result {
    in_browsers(async |browser| {
        for (name, target, act) in PAGES {
            let program = Program::start_with(name, &[]).await?;
            let network = Relay::to(program.address()).await?;
            let page = browser.open(&format!("http://{}{target}", network.address())).await?;
            if act.is_empty() {
                state(&page, "open").await?;
            }
            network.refuse();
            page.value::<Option<bool>>(&format!("(() => {{ {act}; return null; }})()")).await?;
            let refused = async || {
                let refused = network.passed("HTTP/1.1 502").len();
                Ok(if refused > 0 { Ok(()) } else { Err(format!("{name} did not dial")) })
            };
            eventually("the page is refused", refused).await?;
            state(&page, "dropped").await?;
            network.mend();
            state(&page, "open").await?;
        }
        Ok(())
    })
    .await
}
