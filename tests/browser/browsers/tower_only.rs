//! The door bell.

use sse_tower_tests::{Program, Result, in_browsers};

use crate::state;

#[tokio::test]
async fn everyone_hears_it() -> Result {
    in_browsers(async |browser| {
        let bell = Program::start("tower-only").await?;
        let first = browser.open(&bell.url("/")).await?;
        let second = browser.open(&bell.url("/")).await?;
        state(&first, "open").await?;
        state(&second, "open").await?;
        first.click("ring").await?;
        first.text("heard", "1").await?;
        second.text("heard", "1").await
    })
    .await
}
