//! `fleet`: three nodes, one of them killed or cut off, and tabs that miss nothing.

use std::collections::BTreeMap;

use engine_servers::{Redis, wanted};
use serde_json::Value;
use sse_tower_tests::{EventText, Program, Result, Stream, eventually, request};

const EVERY: [&str; 2] = ["--every", "50ms"];

/// A tab: its stream, the node that holds it, and what came.
struct Tab {
    stream: Stream,
    node: u64,
    said: Vec<(String, Value)>,
}

impl Tab {
    async fn open(fleet: &Program) -> Result<Self> {
        Self::at(fleet, &[], Vec::new()).await
    }

    async fn at(
        fleet: &Program,
        headers: &[(&str, &str)],
        said: Vec<(String, Value)>,
    ) -> Result<Self> {
        let stream = Stream::open_with(fleet, "/events?tab=t", headers).await?;
        let mut tab = Self { stream, node: 0, said };
        // What was said before may come before the word who holds it.
        while tab.node == 0 {
            let event = tab.stream.event().await?;
            if event.field("event").is_none() {
                tab.hears(&event)?;
                continue;
            }
            assert_eq!((event.field("event"), event.field("retry")), (Some("node"), Some("500")));
            tab.node = event.field("data").ok_or("no node")?.parse()?;
        }
        Ok(tab)
    }

    fn hears(&mut self, event: &str) -> Result<&Value> {
        assert_eq!(event.field("event"), None, "{event}");
        let id = event.field("id").ok_or("no id")?.to_owned();
        let said = serde_json::from_str(event.field("data").ok_or("no data")?)?;
        self.said.push((id, said));
        Ok(&self.said[self.said.len() - 1].1)
    }

    /// Reads until something comes for which `done`.
    async fn until(&mut self, done: impl Fn(&Value) -> bool) -> Result {
        loop {
            let event = self.stream.event().await?;
            if done(self.hears(&event)?) {
                return Ok(());
            }
        }
    }

    /// Reads until the stream breaks; all that came before is kept.
    async fn until_it_breaks(&mut self) {
        while self.until(|_| true).await.is_ok() {}
    }

    /// Dials again, as a browser does.
    async fn dial_again(self, fleet: &Program) -> Result<Self> {
        let last = self.said.last().ok_or("nothing came")?.0.clone();
        Self::at(fleet, &[("last-event-id", &last)], self.said).await
    }

    /// Each number of each life of a node once, and without a hole.
    fn has_everything(&self) {
        let mut lives = BTreeMap::<&str, u64>::new();
        for (id, said) in &self.said {
            let Some(life) = said["life"].as_str() else { continue };
            let number = said["number"].as_u64().unwrap_or_default();
            if let Some(before) = lives.insert(life, number) {
                assert_eq!(number, before + 1, "at {id}: {:?}", self.said);
            }
        }
        assert!(!lives.is_empty());
    }
}

async fn nodes(fleet: &Program) -> Result<Vec<Value>> {
    let answer = request(fleet.address(), "GET", "/nodes", &[]).await?;
    assert_eq!(answer.header("content-type").as_deref(), Some("application/json"));
    Ok(serde_json::from_str(&answer.text())?)
}

async fn press(fleet: &Program, what: &str) -> Result {
    let answer = request(fleet.address(), "POST", what, &[]).await?;
    assert_eq!((answer.status, answer.text().as_str()), (204, ""), "{what}");
    Ok(())
}

/// Says something on whatever node is next, and reads it on these tabs.
async fn hear(fleet: &Program, text: &str, tabs: &mut [Tab]) -> Result {
    press(fleet, &format!("/say?text={text}")).await?;
    for tab in tabs {
        tab.until(|said| said["text"] == text).await?;
    }
    Ok(())
}

/// Three tabs on three nodes; the node that holds the first is killed, and started again.
async fn a_kill(fleet: &Program) -> Result {
    let mut tabs = vec![Tab::open(fleet).await?, Tab::open(fleet).await?, Tab::open(fleet).await?];
    let mut holders: Vec<_> = tabs.iter().map(|tab| tab.node).collect();
    holders.sort_unstable();
    assert_eq!(holders, [1, 2, 3], "each node holds one");
    for (index, node) in nodes(fleet).await?.iter().enumerate() {
        assert_eq!((&node["node"], &node["health"]), (&(index + 1).into(), &"up".into()));
        assert_eq!(node["tabs"], serde_json::json!(["t"]), "{node}");
    }
    hear(fleet, "before", &mut tabs).await?;

    let mut moving = tabs.remove(0);
    let killed = moving.node;
    press(fleet, &format!("/kill?node={killed}")).await?;
    moving.until_it_breaks().await;
    assert!(nodes(fleet).await?[killed as usize - 1].is_null());
    hear(fleet, "meanwhile", &mut tabs).await?;
    let mut moved = moving.dial_again(fleet).await?;
    assert_ne!(moved.node, killed);
    if !moved.said.iter().any(|(_, said)| said["text"] == "meanwhile") {
        moved.until(|said| said["text"] == "meanwhile").await?;
    }
    tabs.insert(0, moved);

    press(fleet, &format!("/start?node={killed}")).await?;
    for tab in &mut tabs {
        // What the new life says reaches those on other nodes.
        let known: Vec<_> = tab.said.iter().map(|(_, said)| said["life"].clone()).collect();
        tab.until(|said| said["node"] == killed && !known.contains(&said["life"])).await?;
    }
    hear(fleet, "after", &mut tabs).await?;
    for tab in &tabs {
        tab.has_everything();
    }
    // One order: where one has what another has, it is the same.
    let from = |tab: &Tab| {
        let begin = tab.said.iter().position(|(_, said)| said["text"] == "before");
        tab.said[begin.unwrap_or_default()..].to_vec()
    };
    assert_eq!(from(&tabs[0]), from(&tabs[1]));
    assert_eq!(from(&tabs[0]), from(&tabs[2]));
    Ok(())
}

/// The node that holds a tab is cut off from the store for a second, says so, and misses nothing.
async fn a_cut(fleet: &Program) -> Result {
    let mut tab = Tab::open(fleet).await?;
    let holder = tab.node;
    tab.until(|said| said["node"] == holder).await?;
    press(fleet, &format!("/cut?node={}&seconds=1", tab.node)).await?;
    let place = tab.node as usize - 1;
    let health = async |wanted: &str| {
        eventually(wanted, async || {
            let node = nodes(fleet).await?.swap_remove(place);
            Ok(if node["health"] == wanted { Ok(()) } else { Err(node.to_string()) })
        })
        .await
    };
    health("degraded").await?;
    // By whichever node is next; this one would store it when it can.
    press(fleet, "/say?text=meanwhile").await?;
    tab.until(|said| said["text"] == "meanwhile").await?;
    health("up").await?;
    hear(fleet, "after", std::slice::from_mut(&mut tab)).await?;
    tab.has_everything();
    Ok(())
}

#[tokio::test]
async fn without_a_url_three_nodes_in_one_process_lose_nothing_and_the_page_says_what_they_are()
-> Result {
    let fleet = Program::start_with("fleet", &EVERY).await?;
    let page = request(fleet.address(), "GET", "/", &[]).await?.text();
    assert!(page.contains("Three nodes in one process, on one store in memory."), "{page}");
    let processes: Vec<_> = nodes(&fleet).await?.iter().map(|n| n["process"].clone()).collect();
    assert!(processes.iter().all(|process| *process == processes[0]), "{processes:?}");
    a_kill(&fleet).await?;
    a_cut(&fleet).await
}

#[tokio::test]
async fn with_a_url_they_are_processes_of_which_one_is_killed() -> Result {
    if !wanted("redis") {
        return Ok(());
    }
    let redis = Redis::start()?;
    let options = ["--backplane", &redis.url(), "--every", "50ms"];
    let mut fleet = Program::start_with("fleet", &options).await?;
    let page = request(fleet.address(), "GET", "/", &[]).await?.text();
    assert!(page.contains("Three processes of one program, at one store: redis."), "{page}");
    let before = nodes(&fleet).await?;
    let process = |node: &Value| format!("/proc/{}", node["process"]);
    a_kill(&fleet).await?;
    let after = nodes(&fleet).await?;
    let gone =
        before.iter().zip(&after).filter(|(before, after)| before["process"] != after["process"]);
    let gone: Vec<_> = gone.map(|(before, _)| process(before)).collect();
    assert_eq!(gone.len(), 1, "{before:?} {after:?}");
    assert!(!std::path::Path::new(&gone[0]).exists());
    a_cut(&fleet).await?;
    // Whoever kills the one before them leaves none of them behind.
    fleet.kill().await?;
    for node in &after {
        eventually("the node is gone", async || {
            let there = std::path::Path::new(&process(node)).exists();
            Ok(if there { Err(node.to_string()) } else { Ok(()) })
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_store_that_is_none_or_not_there_is_said_before_anything_starts() -> Result {
    let said = async |url: &str| {
        let started = Program::start_with("fleet", &["--backplane", url]).await;
        started.map(drop).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let file = said("redb:fleet.redb").await;
    assert!(
        file.contains("a file is one process's") && file.contains("give it a server"),
        "{file}"
    );
    let none = said("http://u:s3cret@x").await;
    assert!(none.contains("is no backplane") && !none.contains("s3cret"), "{none}");
    Ok(())
}
