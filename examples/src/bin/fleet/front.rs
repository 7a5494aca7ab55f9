//! What stands before the nodes: the page, the buttons, and a load balancer as small as one can be.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{
    HeaderMap, HeaderValue, Method, StatusCode, Uri, header::CONTENT_TYPE, header::HOST,
    request::Parts,
};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::future::join_all;
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use sse_tower_examples::{Failure, Page};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::nodes::{NODES, Nodes};

/// How long a node may take to say how it is.
const ASKED: Duration = Duration::from_millis(500);
/// How much it may say.
const MAX_STATUS_BYTES: usize = 64 * 1024;

#[derive(Clone)]
struct Front {
    nodes: Arc<Nodes>,
    about: About,
    turn: Arc<AtomicUsize>,
}

/// What the page says.
#[derive(Clone)]
pub(crate) struct About {
    /// Of the store, and of what a node is.
    pub(crate) nodes: String,
    /// On the button that ends one.
    pub(crate) kill: &'static str,
}

/// The router before these nodes.
pub(crate) fn router(nodes: Arc<Nodes>, about: About) -> Router {
    let front = Front { nodes, about, turn: Arc::default() };
    Router::new()
        .route("/", get(index))
        .route("/nodes", get(all))
        .route("/kill", post(kill))
        .route("/start", post(start))
        .route("/cut", post(cut))
        .fallback(pass)
        .with_state(front)
}

async fn index(State(Front { about, .. }): State<Front>) -> Page {
    Page::new(include_str!("../../../pages/fleet.html"))
        .text("about", about.nodes)
        .text("kill", about.kill)
}

/// One request to one node, without a body.
async fn ask(
    address: SocketAddr,
    method: Method,
    uri: &Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = handshake::<_, Body>(TokioIo::new(stream)).await?;
    // Ends with the answer's body, and when whoever reads that is gone.
    tokio::spawn(connection);
    let mut request = Request::new(Body::empty());
    *request.method_mut() = method;
    *request.uri_mut() = uri.path_and_query().map_or("/", |path| path.as_str()).parse()?;
    *request.headers_mut() = headers;
    let host = HeaderValue::from_str(&address.to_string())?;
    request.headers_mut().insert(HOST, host);
    Ok(sender.send_request(request).await?.map(Body::new))
}

/// What this node says of itself, in JSON, and whether it is a good place for somebody new.
async fn status(front: &Front, number: usize) -> Option<(StatusCode, String)> {
    let address = front.nodes.address(number)?;
    let uri = Uri::from_static("/status");
    let asked = async {
        let answer = ask(address, Method::GET, &uri, HeaderMap::new()).await.ok()?;
        let code = answer.status();
        let body = Limited::new(answer.into_body(), MAX_STATUS_BYTES).collect().await.ok()?;
        Some((code, String::from_utf8(body.to_bytes().into()).ok()?))
    };
    timeout(ASKED, asked).await.ok()?
}

/// The page asks again and again. A second stream would take another of the six connections that a browser has for
/// a host, and there should be tabs to look at.
async fn all(State(front): State<Front>) -> Response {
    let answers = join_all((1..=NODES).map(|number| status(&front, number))).await;
    let answers =
        answers.into_iter().map(|answer| answer.map_or("null".to_owned(), |(_, json)| json));
    let json = format!("[{}]", answers.collect::<Vec<_>>().join(","));
    ([(CONTENT_TYPE, "application/json")], json).into_response()
}

#[derive(Deserialize)]
struct Which {
    node: usize,
}

async fn kill(Query(Which { node }): Query<Which>, State(front): State<Front>) -> StatusCode {
    front.nodes.kill(node).await;
    StatusCode::NO_CONTENT
}

async fn start(
    Query(Which { node }): Query<Which>,
    State(front): State<Front>,
) -> Result<StatusCode, (StatusCode, String)> {
    match front.nodes.begin(node).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err((StatusCode::SERVICE_UNAVAILABLE, format!("{error:?}"))),
    }
}

async fn cut(
    Query(Which { node }): Query<Which>,
    State(front): State<Front>,
    uri: Uri,
) -> Response {
    let Some(address) = front.nodes.address(node) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let answer = ask(address, Method::POST, &uri, HeaderMap::new()).await;
    answer.unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
}

/// To the next node that is well, or else to any that answers.
async fn pass(State(front): State<Front>, request: Request) -> Response {
    let request = request.into_parts().0;
    let first = front.turn.fetch_add(1, Ordering::Relaxed);
    let mut others = Vec::new();
    for number in (0..NODES).map(|next| 1 + first.wrapping_add(next) % NODES) {
        match status(&front, number).await {
            Some((StatusCode::OK, _)) => {
                if let Some(answer) = passed(&front, number, &request).await {
                    return answer;
                }
            }
            Some(_) => others.push(number),
            None => {}
        }
    }
    for number in others {
        if let Some(answer) = passed(&front, number, &request).await {
            return answer;
        }
    }
    (StatusCode::BAD_GATEWAY, "no node is there: start one").into_response()
}

async fn passed(front: &Front, number: usize, request: &Parts) -> Option<Response> {
    let address = front.nodes.address(number)?;
    ask(address, request.method.clone(), &request.uri, request.headers.clone()).await.ok()
}
