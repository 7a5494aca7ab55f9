//! Every page fits a phone, takes nothing from elsewhere, and is as wide as it should be.

use std::path::Path;

use serde_json::json;
use sse_tower_tests::{Program, Result, in_chromium};

/// Programs whose pages say something within a moment, with what a picture of them needs.
const PAGES: [(&str, &[&str], &str); 8] = [
    ("ticker", &["--every", "100ms"], "document.body.dataset.state === 'done'"),
    ("order", &[], "document.body.dataset.state === 'open'"),
    ("topics", &[], "true"),
    ("users", &[], "true"),
    ("feed", &["--every", "100ms"], "seen.received > 20"),
    ("existing-axum", &[], "true"),
    ("tower-only", &[], "document.body.dataset.state === 'open'"),
    ("llm-stream", &[], "true"),
];

#[tokio::test]
async fn every_page_fits_a_phone_and_takes_nothing_from_elsewhere() -> Result {
    // A folder for pictures of all pages, for whoever wants to look at them.
    let pictures = std::env::var_os("PAGE_PICTURES");
    in_chromium(async |browser| {
        for (name, options, ready) in PAGES {
            let program = Program::start_with(name, options).await?;
            let page = browser.open(&program.url("/")).await?;
            page.until(ready, "document.body.dataset.state").await?;
            for (width, mobile) in [(1100, false), (390, true)] {
                let size = json!({
                    "width": width, "height": 844, "deviceScaleFactor": 1, "mobile": mobile
                });
                page.devtools("Emulation.setDeviceMetricsOverride", size).await?;
                let shown = "document.documentElement.scrollWidth";
                page.until(&format!("innerWidth === {width}"), "innerWidth").await?;
                assert_eq!(page.value::<u64>(shown).await?, width, "{name}");
                if let Some(folder) = &pictures {
                    page.picture(&Path::new(folder).join(format!("{name}-{width}.png"))).await?;
                }
            }
            let foreign = "performance.getEntriesByType('resource')
                .filter((entry) => new URL(entry.name).origin !== location.origin)
                .map((entry) => entry.name)";
            assert_eq!(page.value::<Vec<String>>(foreign).await?, Vec::<String>::new(), "{name}");
        }
        Ok(())
    })
    .await
}
