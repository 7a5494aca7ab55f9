//! The page of the fleet: its own node is killed under it, and another is cut off.

use sse_tower_tests::{Program, Result, in_chromium};

use crate::{fill, state};

#[tokio::test]
async fn a_page_whose_node_is_killed_goes_on_at_another_and_misses_nothing() -> Result {
    in_chromium(async |browser| {
        let fleet = Program::start_with("fleet", &["--every", "100ms"]).await?;
        let page = browser.open(&fleet.url("/")).await?;
        let other = browser.open(&fleet.url("/")).await?;
        for tab in [&page, &other] {
            state(tab, "open").await?;
            tab.until("figures.events > 10", "figures").await?;
        }
        let seen = "({...document.body.dataset, ...figures, nodes: at('nodes').innerText})";
        // Each card says who is there, and this tab finds itself.
        let mine = "document.querySelector('.tabs .me')?.closest('.node').dataset.node";
        page.until(&format!("{mine} === document.body.dataset.node"), seen).await?;
        let node: String = page.value("document.body.dataset.node").await?;
        page.value::<bool>("window.notReloaded = true").await?;

        page.click(&format!("kill-{node}")).await?;
        page.until("figures.moves === 1 && document.body.dataset.state === 'open'", seen).await?;
        let dead = format!("document.querySelector('.node[data-node=\"{node}\"]').dataset.health");
        page.until(&format!("{dead} === 'dead'"), seen).await?;
        fill(&page, "text", "<b>hello</b>").await?;
        page.click("send").await?;
        for tab in [&page, &other] {
            tab.until("at('said').innerText.includes('<b>hello</b>')", seen).await?;
        }

        page.click(&format!("start-{node}")).await?;
        page.until(&format!("{dead} === 'up'"), seen).await?;
        let now: String = page.value("document.body.dataset.node").await?;
        page.click(&format!("cut-{now}")).await?;
        let health = format!("document.querySelector('.node[data-node=\"{now}\"]').dataset.health");
        page.until(&format!("{health} === 'degraded'"), seen).await?;
        page.until(&format!("{health} === 'down'"), seen).await?;
        page.until(&format!("{health} === 'up'"), seen).await?;
        let events: u64 = page.value("figures.events").await?;
        page.until(&format!("figures.events > {events} + 10"), seen).await?;
        for tab in [&page, &other] {
            let wrong: (u64, u64) = tab.value("[figures.missing, figures.twice]").await?;
            assert_eq!(wrong, (0, 0));
        }
        assert!(page.value::<bool>("window.notReloaded === true").await?);
        // The same order in both: of what both show, the newest first.
        let ids = "[...document.querySelectorAll('#said small')].map((note) => note.textContent.split(' · ').pop())";
        let (one, two): (Vec<String>, Vec<String>) = (page.value(ids).await?, other.value(ids).await?);
        let shared: Vec<_> = one.iter().filter(|id| two.contains(id)).collect();
        assert!(shared.len() > 20, "{one:?} {two:?}");
        assert_eq!(shared, two.iter().filter(|id| one.contains(id)).collect::<Vec<_>>());
        Ok(())
    })
    .await
}
