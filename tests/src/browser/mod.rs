//! Pages in real browsers: Chromium and Firefox, and WebKitGTK where it is there.

mod bidi;
mod firefox;
mod webdriver;

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::Path;

use futures_util::FutureExt;
use serde::de::DeserializeOwned;
use serde_json::json;
use thirtyfour::{By, WebDriver, WindowHandle};
use tokio::sync::Semaphore;

use self::bidi::Bidi;
use self::firefox::Firefox;
use self::webdriver::Driver;
use crate::{Result, eventually};

/// Browsers at a time: each takes a core while it starts.
static BROWSERS: Semaphore = Semaphore::const_new(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Chromium,
    Firefox,
    WebKit,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Chromium => "chromium",
            Self::Firefox => "firefox",
            Self::WebKit => "webkit",
        }
    }

    /// Whether it was asked for: by name in the variable `BROWSERS`, or all that must be there, and
    /// WebKitGTK if it is.
    fn is_wanted(self) -> bool {
        match std::env::var("BROWSERS") {
            Ok(wanted) => wanted.split(',').any(|name| name.trim() == self.name()),
            Err(_) => self != Self::WebKit || webdriver::has_webkit(),
        }
    }
}

/// A browser with a fresh profile.
#[derive(Debug)]
pub struct Browser {
    kind: Kind,
    session: Session,
}

/// How it is spoken to.
#[derive(Debug)]
enum Session {
    /// By WebDriver as it was, through a driver program.
    Classic { client: WebDriver, _driver: Driver },
    /// By WebDriver BiDi, which Firefox speaks itself.
    Bidi { client: Box<Bidi>, _firefox: Firefox },
}

/// One tab of a [`Browser`].
#[derive(Debug)]
pub struct Tab<'a> {
    browser: &'a Browser,
    window: Window,
}

#[derive(Debug)]
enum Window {
    Classic(WindowHandle),
    Bidi(String),
}

/// Runs `test` in one browser after the other, each gone afterwards, however the test ended.
///
/// If it fails, each tab's picture and text are kept under `tests/artifacts/`, named after the test.
pub async fn in_browsers(test: impl AsyncFn(&Browser) -> Result) -> Result {
    for kind in [Kind::Chromium, Kind::Firefox, Kind::WebKit] {
        if kind.is_wanted() {
            run(kind, &test).await.map_err(|error| format!("in {}: {error}", kind.name()))?;
        }
    }
    Ok(())
}

/// The same in Chromium alone, for what needs its DevTools.
pub async fn in_chromium(test: impl AsyncFn(&Browser) -> Result) -> Result {
    if Kind::Chromium.is_wanted() { run(Kind::Chromium, &test).await } else { Ok(()) }
}

async fn run(kind: Kind, test: impl AsyncFn(&Browser) -> Result) -> Result {
    let _place = BROWSERS.acquire().await?;
    let browser = Browser { kind, session: Session::start(kind).await? };
    let outcome = AssertUnwindSafe(test(&browser)).catch_unwind().await;
    if !matches!(outcome, Ok(Ok(()))) {
        match browser.keep_pictures().await {
            Ok(places) => eprintln!("what {} showed: {places}", kind.name()),
            Err(error) => eprintln!("no picture of what {} showed: {error}", kind.name()),
        }
    }
    let gone = browser.session.quit().await;
    match outcome {
        Ok(result) => result.and(gone),
        Err(panic) => resume_unwind(panic),
    }
}

impl Session {
    async fn start(kind: Kind) -> Result<Self> {
        let driver = match kind {
            Kind::Chromium => Driver::chromium().await?,
            Kind::WebKit => Driver::webkit().await?,
            Kind::Firefox => {
                let (firefox, address) = Firefox::start().await?;
                let client = Box::new(Bidi::open(&address).await?);
                return Ok(Self::Bidi { client, _firefox: firefox });
            }
        };
        Ok(Self::Classic { client: driver.browser().await?, _driver: driver })
    }

    async fn quit(self) -> Result {
        match self {
            Self::Classic { client, _driver } => Ok(client.quit().await?),
            Self::Bidi { client, _firefox } => {
                client.command("browser.close", json!({})).await.map(drop)
            }
        }
    }
}

impl Browser {
    /// Opens `url` in a tab of its own.
    pub async fn open(&self, url: &str) -> Result<Tab<'_>> {
        let window = match &self.session {
            Session::Classic { client, .. } => Window::Classic(client.new_tab().await?),
            Session::Bidi { client, .. } => Window::Bidi(client.new_tab().await?),
        };
        let tab = Tab { browser: self, window };
        tab.go(url).await?;
        Ok(tab)
    }

    async fn tabs(&self) -> Result<Vec<Tab<'_>>> {
        let windows = match &self.session {
            Session::Classic { client, .. } => {
                client.windows().await?.into_iter().map(Window::Classic).collect()
            }
            Session::Bidi { client, .. } => {
                client.tabs().await?.into_iter().map(Window::Bidi).collect::<Vec<_>>()
            }
        };
        // The first window is the blank one that a browser starts with.
        Ok(windows.into_iter().skip(1).map(|window| Tab { browser: self, window }).collect())
    }

    async fn keep_pictures(&self) -> Result<String> {
        let test = std::thread::current().name().unwrap_or("unnamed").replace("::", "-");
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/artifacts"));
        std::fs::create_dir_all(folder)?;
        let mut kept = Vec::new();
        for (number, tab) in self.tabs().await?.iter().enumerate() {
            let picture = folder.join(format!("{test}-{}-{}.png", self.kind.name(), number + 1));
            tab.picture(&picture).await?;
            let source: String = tab.value("document.documentElement.outerHTML").await?;
            std::fs::write(picture.with_extension("html"), source)?;
            kept.push(picture.display().to_string());
        }
        Ok(kept.join(", "))
    }
}

impl Tab<'_> {
    /// Goes to `url` in this tab.
    pub async fn go(&self, url: &str) -> Result {
        match (&self.browser.session, &self.window) {
            (Session::Bidi { client, .. }, Window::Bidi(tab)) => client.go(tab, url).await,
            _ => Ok(self.front().await?.goto(url).await?),
        }
    }

    /// The value of a JavaScript expression in this tab.
    pub async fn value<T: DeserializeOwned>(&self, expression: &str) -> Result<T> {
        match (&self.browser.session, &self.window) {
            (Session::Bidi { client, .. }, Window::Bidi(tab)) => {
                Ok(serde_json::from_value(client.value(tab, expression).await?)?)
            }
            _ => {
                let script = format!("return ({expression});");
                Ok(self.front().await?.execute(script, Vec::new()).await?.convert()?)
            }
        }
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
        match (&self.browser.session, &self.window) {
            (Session::Bidi { client, .. }, Window::Bidi(tab)) => client.click(tab, id).await,
            _ => Ok(self.front().await?.find(By::Id(id.to_owned())).await?.click().await?),
        }
    }

    /// Makes the page this wide, as on a phone where it is `mobile` (in Chromium; others have no
    /// phones to offer). A window of WebKitGTK stays as wide as its buttons need.
    pub async fn resize(&self, width: u32, mobile: bool) -> Result {
        const HEIGHT: u32 = 844;
        match (&self.browser.session, &self.window) {
            (Session::Bidi { client, .. }, Window::Bidi(tab)) => {
                let size = json!({ "width": width, "height": HEIGHT });
                let parameters = json!({ "context": tab, "viewport": size });
                client.command("browsingContext.setViewport", parameters).await?;
            }
            _ if self.browser.kind == Kind::WebKit => {
                return Ok(self.front().await?.set_window_rect(0, 0, width, HEIGHT).await?);
            }
            _ => {
                let size = json!({
                    "width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": mobile
                });
                self.devtools("Emulation.setDeviceMetricsOverride", size).await?;
            }
        }
        self.until(&format!("innerWidth === {width}"), "innerWidth").await
    }

    /// Keeps a picture of what this tab shows.
    pub async fn picture(&self, path: &Path) -> Result {
        match (&self.browser.session, &self.window) {
            (Session::Bidi { client, .. }, Window::Bidi(tab)) => {
                Ok(std::fs::write(path, client.picture(tab).await?)?)
            }
            _ => Ok(self.front().await?.screenshot(path).await?),
        }
    }

    /// The name of the browser, in lower case.
    pub fn browser(&self) -> &'static str {
        self.browser.kind.name()
    }

    /// A command of the Chrome DevTools protocol for this tab, which must be in Chromium.
    pub async fn devtools(&self, method: &str, parameters: serde_json::Value) -> Result {
        self.front().await?.cdp().send_raw(method, parameters).await?;
        Ok(())
    }

    /// Classic commands go to the tab in front.
    async fn front(&self) -> Result<&WebDriver> {
        match (&self.browser.session, &self.window) {
            (Session::Classic { client, .. }, Window::Classic(window)) => {
                client.switch_to_window(window.clone()).await?;
                Ok(client)
            }
            _ => Err(format!("no driver for this in {}", self.browser()).into()),
        }
    }
}
