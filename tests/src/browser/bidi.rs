//! WebDriver BiDi, as much as the tests need: commands, one at a time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::{Result, within};

/// A session with a browser.
#[derive(Debug)]
pub(crate) struct Bidi {
    socket: Mutex<Socket>,
}

#[derive(Debug)]
struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last: u64,
}

impl Bidi {
    /// Opens the session of the browser at `address`, which is `ws://HOST:PORT`.
    pub(crate) async fn open(address: &str) -> Result<Self> {
        let connected = connect_async(format!("{address}/session"));
        let (stream, _) = within("a connection to the browser", connected).await??;
        let this = Self { socket: Mutex::new(Socket { stream, last: 0 }) };
        this.command("session.new", json!({ "capabilities": {} })).await?;
        Ok(this)
    }

    /// What the browser answers to `method`. Events, which nobody asked for, are passed over.
    pub(crate) async fn command(&self, method: &str, parameters: Value) -> Result<Value> {
        let mut socket = self.socket.lock().await;
        socket.last += 1;
        let id = socket.last;
        let command = json!({ "id": id, "method": method, "params": parameters });
        socket.stream.send(Message::text(command.to_string())).await?;
        let answer = async {
            while let Some(message) = socket.stream.next().await {
                let Message::Text(text) = message? else { continue };
                let mut answer: Value = serde_json::from_str(&text)?;
                if answer["id"] != id {
                    continue;
                }
                return if answer["type"] == "success" {
                    Ok(answer["result"].take())
                } else {
                    Err(format!("{method}: {} {}", answer["error"], answer["message"]).into())
                };
            }
            Err(format!("{method}: the browser closed the connection").into())
        };
        within(method, answer).await?
    }

    /// A new tab, behind the others.
    pub(crate) async fn new_tab(&self) -> Result<String> {
        let created = json!({ "type": "tab", "background": true });
        let created = self.command("browsingContext.create", created).await?;
        Ok(created["context"].as_str().ok_or("a tab without a name")?.to_owned())
    }

    /// All tabs, the oldest first.
    pub(crate) async fn tabs(&self) -> Result<Vec<String>> {
        let tree = self.command("browsingContext.getTree", json!({ "maxDepth": 0 })).await?;
        let contexts = tree["contexts"].as_array().into_iter().flatten();
        Ok(contexts.filter_map(|tab| Some(tab["context"].as_str()?.to_owned())).collect())
    }

    /// Goes to `url`, until it has loaded.
    pub(crate) async fn go(&self, tab: &str, url: &str) -> Result {
        let parameters = json!({ "context": tab, "url": url, "wait": "complete" });
        self.command("browsingContext.navigate", parameters).await.map(drop)
    }

    /// The value of an expression, as JSON has it.
    pub(crate) async fn value(&self, tab: &str, expression: &str) -> Result<Value> {
        let parameters = json!({
            "expression": format!("JSON.stringify({expression})"),
            "target": { "context": tab },
            "awaitPromise": false,
        });
        let mut answer = self.command("script.evaluate", parameters).await?;
        if answer["type"] == "exception" {
            return Err(format!("{expression}: {}", answer["exceptionDetails"]["text"]).into());
        }
        match answer["result"]["value"].take() {
            Value::String(text) => Ok(serde_json::from_str(&text)?),
            _ => Ok(Value::Null),
        }
    }

    /// Scrolls to the element with this id, and clicks its middle, where it must be on top.
    pub(crate) async fn click(&self, tab: &str, id: &str) -> Result {
        self.command("browsingContext.activate", json!({ "context": tab })).await?;
        let middle = format!(
            "(() => {{
                const element = document.getElementById({});
                element.scrollIntoView({{ block: 'center', behavior: 'instant' }});
                const box = element.getBoundingClientRect();
                const [x, y] = [Math.floor(box.x + box.width / 2), Math.floor(box.y + box.height / 2)];
                return [x, y, element.contains(document.elementFromPoint(x, y))];
            }})()",
            json!(id)
        );
        let (x, y, on_top): (i64, i64, bool) =
            serde_json::from_value(self.value(tab, &middle).await?)?;
        if !on_top {
            return Err(format!("nobody can click {id:?} at {x}, {y}").into());
        }
        let parameters = json!({
            "context": tab,
            "actions": [{ "type": "pointer", "id": "mouse", "actions": [
                { "type": "pointerMove", "x": x, "y": y },
                { "type": "pointerDown", "button": 0 },
                { "type": "pointerUp", "button": 0 },
            ] }],
        });
        self.command("input.performActions", parameters).await.map(drop)
    }

    /// What a tab shows, as a PNG.
    pub(crate) async fn picture(&self, tab: &str) -> Result<Vec<u8>> {
        let answer = self.command("browsingContext.captureScreenshot", json!({ "context": tab }));
        let answer = answer.await?;
        Ok(STANDARD.decode(answer["data"].as_str().unwrap_or_default())?)
    }
}
