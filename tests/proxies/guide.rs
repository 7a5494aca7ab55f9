//! What `guide::proxies` says: its table, and the configurations that it shows.

use sse_tower_tests::Result;

const GUIDE: &str = include_str!("../../sse-tower/docs/proxies.md");

/// The configuration below the heading `## name`: the first block of code there.
fn block(name: &str) -> Result<&'static str> {
    let heading = format!("\n## {name}\n");
    let (_, section) = GUIDE.split_once(&heading).ok_or_else(|| format!("no {name}"))?;
    let (_, code) = section.split_once("```").ok_or("no code")?;
    let (_, code) = code.split_once('\n').ok_or("no code")?;
    let (code, _) = code.split_once("\n```").ok_or("code without an end")?;
    Ok(code)
}

/// The configuration for `name`, which must hold each text of `changes` once, with that changed:
/// where the proxy listens, where the program is, and what the test is about.
pub(crate) fn configuration(name: &str, changes: &[(&str, &str)]) -> Result<String> {
    // Some want the end of the last line.
    let mut text = block(name)?.to_owned() + "\n";
    for (from, to) in changes {
        if text.matches(from).count() != 1 {
            return Err(format!("the guide's {name} has not exactly one {from:?}").into());
        }
        text = text.replace(from, to);
    }
    Ok(text)
}

/// The cells of the row for `name`, after its name.
pub(crate) fn row(name: &str) -> Result<Vec<&'static str>> {
    let start = format!("| {name} ");
    let line = GUIDE.lines().find(|line| line.starts_with(&start));
    let line = line.ok_or_else(|| format!("no row for {name}"))?;
    Ok(line.trim_matches('|').split('|').skip(1).map(str::trim).collect())
}
