//! A Firefox of our own, which speaks WebDriver BiDi itself.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::group::Group;
use crate::{Result, within};

/// The names that distributions give it.
const PROGRAMS: [&str; 2] = ["firefox-esr", "firefox"];

/// Nothing that a browser does by itself, and tabs in the background that are not slowed down. What
/// automation needs besides it sets itself.
const SETTINGS: &str = r#"
user_pref("app.update.disabledForTesting", true);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("dom.min_background_timeout_value", 4);
user_pref("dom.timeout.enable_budget_timer_throttling", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,#remote-settings-dummy/v1");
"#;

/// Dropping it kills the process group.
#[derive(Debug)]
pub(crate) struct Firefox {
    _program: Group,
    /// Deleted with this value, after the browser that writes into it is gone.
    _profile: TempDir,
}

impl Firefox {
    /// Starts one. Gives the address that it says it listens at, `ws://HOST:PORT`.
    pub(crate) async fn start() -> Result<(Self, String)> {
        let profile = TempDir::with_prefix("sse-tower-profile-")?;
        std::fs::write(profile.path().join("user.js"), SETTINGS)?;
        let found = PROGRAMS.into_iter().find(|name| super::webdriver::is_in_path(name));
        let mut program = Group::spawn(
            Command::new(found.unwrap_or(PROGRAMS[0]))
                .args(["--headless", "--no-remote", "--width=1100", "--height=900"])
                .arg("--profile")
                .arg(profile.path())
                // Any free one.
                .arg("--remote-debugging-port=0")
                .env("HOME", profile.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped()),
            "browser",
        )?;
        let mut lines = BufReader::new(program.stderr()?).lines();
        let this = Self { _program: program, _profile: profile };
        let mut said = String::new();
        while let Some(line) = within("Firefox's address", lines.next_line()).await?? {
            if let Some((_, address)) = line.split_once("WebDriver BiDi listening on ") {
                let address = address.to_owned();
                // It must never stop at a full pipe.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Ok((this, address));
            }
            said.push_str(&line);
            said.push('\n');
        }
        Err(format!("Firefox ended before it listened, and said: {said}").into())
    }
}
