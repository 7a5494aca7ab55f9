//! The pages of the examples in real browsers.

mod browsers {
    mod bell;
    mod existing_axum;
    mod feed;
    mod fleet;
    mod llm_stream;
    mod order;
    mod phone;
    mod refused;
    mod shop;
    mod ticker;
    mod topics;
    mod tower_only;
    mod users;
}

use sse_tower_tests::{Result, Tab};

/// Waits until the page says that it is in `state`.
async fn state(tab: &Tab<'_>, state: &str) -> Result {
    let seen = "({...document.body.dataset, text: document.body.innerText.slice(0, 600)})";
    tab.until(&format!("document.body.dataset.state === '{state}'"), seen).await
}

/// Fills a field in as a script can, for what a person types.
async fn fill(tab: &Tab<'_>, id: &str, text: &str) -> Result {
    let text = serde_json::to_string(text)?;
    tab.value::<String>(&format!("document.getElementById('{id}').value = {text}")).await?;
    Ok(())
}
