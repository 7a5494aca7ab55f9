//! Clients in other languages: a script for each, and the packages in the target folder.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use sse_tower_tests::Result;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::client::{Heard, Running};

/// Where `tests/run clients` installs their packages.
fn packages() -> PathBuf {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    // A target folder may be given relative to the root, where cargo is started.
    root.join(target.unwrap_or_else(|| "target".into())).join("clients")
}

/// Starts the script `name`, whose output is what it hears.
pub(crate) fn start(
    name: &str,
    url: &str,
    names: &[&str],
) -> Result<(UnboundedReceiver<Heard>, Running)> {
    let packages = packages();
    let (interpreter, end) = match name {
        "httpx-sse" => (packages.join("python/bin/python"), "py"),
        _ => ("node".into(), "mjs"),
    };
    let script = format!("{}/clients/{name}.{end}", env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(&interpreter)
        .arg(script)
        .arg(url)
        .args(names)
        .current_dir(packages.join("node"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{name}: {error}; `tests/run clients` installs it"))?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let (heard, receiver) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            let Ok(what) = serde_json::from_str(&line) else {
                eprintln!("a client said: {line}");
                return;
            };
            if heard.send(what).is_err() {
                return;
            }
        }
    });
    Ok((receiver, Box::new(child)))
}
