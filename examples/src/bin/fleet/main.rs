//! Three nodes of one program, to be killed and cut off while you look at what reaches your tabs.
//!
//! `fleet -- --backplane redis://127.0.0.1/` (or `postgres://`, `nats://`) starts three processes of this program and stands
//! before them; without a URL the nodes are three in this process, at one store in memory. `GET /` is the page: who
//! holds which tab, what every node said (`--every 1s`) in one order, what each node's backplane says of itself, and
//! buttons that kill a node and cut one off from its store. Its tabs must miss nothing and get nothing twice.
//!
//! `node.rs` is what a program of yours would be. The rest is what a cluster has besides.

mod cut;
mod front;
mod node;
mod nodes;
mod store;

use std::time::Duration;

use sse_tower::ApplicationContext;
use sse_tower::backplane::MemoryStore;
use sse_tower_examples::{Arguments, Failure};

use crate::front::About;
use crate::nodes::{Kind, Nodes};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::from_env()?;
    let every = arguments.take_time("--every")?.unwrap_or(Duration::from_secs(1));
    let url = arguments.backplane_url()?;
    if let Some(number) = arguments.take("--node")? {
        return node::process(number, every, &url, arguments).await;
    }
    let (kind, about) = if url == "memory:" {
        let about = "Three nodes in one process, on one store in memory. With `--backplane redis://127.0.0.1/` \
                     they are three processes.";
        (Kind::Here(MemoryStore::new()), About { nodes: about.to_owned(), kill: "drop" })
    } else {
        // Said here what is wrong with it, and not by three processes.
        store::engine(&url).await?;
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        let about = format!("Three processes of one program, at one store: {scheme}.");
        (Kind::Process(url), About { nodes: about, kill: "kill −9" })
    };
    let listener = arguments.listen(([127, 0, 0, 1], 8080).into()).await?;
    let nodes = Nodes::start(kind, every).await?;
    let app = front::router(nodes.clone(), about);
    sse_tower::serve(listener, app, ApplicationContext::bare().build()?).await?;
    nodes.leave().await;
    Ok(())
}
