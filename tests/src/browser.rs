//! Pages in a real Chromium.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::Path;

use futures_util::FutureExt;
use serde::de::DeserializeOwned;
use serde_json::json;
use thirtyfour::{By, WebDriver, WindowHandle};
use tokio::sync::Semaphore;

use crate::chromedriver::Chromedriver;
use crate::{Result, eventually};

/// Browsers at a time: each takes a core while it starts.
static BROWSERS: Semaphore = Semaphore::const_new(2);

/// A browser with a fresh profile.
#[derive(Debug)]
pub struct Browser {
    driver: WebDriver,
}

/// One tab of a [`Browser`].
#[derive(Debug)]
pub struct Tab<'a> {
    driver: &'a WebDriver,
    window: WindowHandle,
}

/// Runs `test` with a browser that is gone afterwards, however the test ended.
///
/// If it fails, each tab's picture and text are kept under `tests/artifacts/`, named after the test.
pub async fn in_chromium(test: impl AsyncFnOnce(&Browser) -> Result) -> Result {
    let _place = BROWSERS.acquire().await?;
    let chromedriver = Chromedriver::start().await?;
    let browser = Browser { driver: chromedriver.browser().await? };
    let outcome = AssertUnwindSafe(test(&browser)).catch_unwind().await;
    if !matches!(outcome, Ok(Ok(()))) {
        match browser.keep_pictures().await {
            Ok(places) => eprintln!("what the browser showed: {places}"),
            Err(error) => eprintln!("no picture of what the browser showed: {error}"),
        }
    }
    let gone = browser.driver.quit().await;
    match outcome {
        Ok(result) => result.and(gone.map_err(Into::into)),
        Err(panic) => resume_unwind(panic),
    }
}

impl Browser {
    /// Opens `url` in a tab of its own.
    pub async fn open(&self, url: &str) -> Result<Tab<'_>> {
        let window = self.driver.new_tab().await?;
        let tab = Tab { driver: &self.driver, window };
        tab.go(url).await?;
        Ok(tab)
    }

    async fn keep_pictures(&self) -> Result<String> {
        let test = std::thread::current().name().unwrap_or("unnamed").replace("::", "-");
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/artifacts"));
        std::fs::create_dir_all(folder)?;
        let mut kept = Vec::new();
        // The first window is the blank one that a browser starts with.
        for (number, window) in self.driver.windows().await?.into_iter().enumerate().skip(1) {
            self.driver.switch_to_window(window).await?;
            let picture = folder.join(format!("{test}-{number}.png"));
            self.driver.screenshot(&picture).await?;
            std::fs::write(picture.with_extension("html"), self.driver.source().await?)?;
            kept.push(picture.display().to_string());
        }
        Ok(kept.join(", "))
    }
}

impl Tab<'_> {
    /// Goes to `url` in this tab.
    pub async fn go(&self, url: &str) -> Result {
        self.front().await?;
        Ok(self.driver.goto(url).await?)
    }

    /// The value of a JavaScript expression in this tab.
    pub async fn value<T: DeserializeOwned>(&self, expression: &str) -> Result<T> {
        self.front().await?;
        let answer = self.driver.execute(format!("return ({expression});"), Vec::new()).await?;
        Ok(answer.convert()?)
    }

    /// Waits until the JavaScript `condition` holds. `seen` is an expression whose value the error shows.
    pub async fn until(&self, condition: &str, seen: &str) -> Result {
        let both = format!("[Boolean({condition}), JSON.stringify({seen})]");
        let look = async || {
            let (holds, seen): (bool, Option<String>) = self.value(&both).await?;
            Ok(if holds { Ok(()) } else { Err(seen.unwrap_or_default()) })
        };
        eventually(condition, look).await
    }

    /// Waits until the text of the element with this id is `text`, as a person sees it.
    pub async fn text(&self, id: &str, text: &str) -> Result {
        let shown = format!("document.getElementById({}).innerText", json!(id));
        self.until(&format!("{shown} === {}", json!(text)), &shown).await
    }

    /// Clicks the element with this id as a person does: it must be visible and reachable.
    pub async fn click(&self, id: &str) -> Result {
        self.front().await?;
        Ok(self.driver.find(By::Id(id.to_owned())).await?.click().await?)
    }

    /// Keeps a picture of what this tab shows.
    pub async fn picture(&self, path: &Path) -> Result {
        self.front().await?;
        Ok(self.driver.screenshot(path).await?)
    }

    /// A command of the Chrome DevTools protocol for this tab.
    pub async fn devtools(&self, method: &str, parameters: serde_json::Value) -> Result {
        self.front().await?;
        self.driver.cdp().send_raw(method, parameters).await?;
        Ok(())
    }

    async fn front(&self) -> Result {
        Ok(self.driver.switch_to_window(self.window.clone()).await?)
    }
}
