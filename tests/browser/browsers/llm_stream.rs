//! The page of the answers, with its connection cut.

use sse_tower_tests::{Program, Relay, Result, in_browsers};

use crate::{fill, state};

const ANSWER: &str = "document.getElementById('answer').textContent";

#[tokio::test]
async fn an_answer_whose_connections_are_cut_is_whole_in_the_end() -> Result {
    in_browsers(async |browser| {
        let model = Program::start_with("llm-stream", &["--every", "80ms"]).await?;
        let network = Relay::to(model.address()).await?;
        let page = browser.open(&format!("http://{}/", network.address())).await?;
        fill(&page, "prompt", "a tunnel?").await?;
        page.value::<Option<bool>>(
            "document.getElementById('ask').requestSubmit(document.querySelector('#ask button'))",
        )
        .await?;
        let words = "Number(document.getElementById('tokens').textContent)";
        page.until(&format!("{words} >= 5"), words).await?;
        // By the page itself, and by the network.
        page.click("cut").await?;
        state(&page, "dropped").await?;
        state(&page, "open").await?;
        network.cut();
        state(&page, "dropped").await?;
        network.mend();
        state(&page, "done").await?;
        let answer: String = page.value(ANSWER).await?;
        assert!(answer.starts_with("You asked: “a tunnel?”\n\nI am no model"), "{answer}");
        assert!(answer.ends_with("Nothing is missing, and nothing comes twice."), "{answer}");
        assert_eq!(answer.split(' ').count() as u64, page.value::<u64>(words).await?);
        assert!(network.passed("POST /answers/").len() >= 3);
        Ok(())
    })
    .await
}
